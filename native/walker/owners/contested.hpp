// Chunks that objects lead to which have little else in common.
#pragma once

#include <mutex>
#include <unordered_map>

#include "walker/edges/parallel.hpp"
#include "walker/owners/levels.hpp"

namespace heapgraph {

constexpr u64 kChunksOfSlice = 1 << 16;

// Calls work(begin, end) for slices of all chunks, or every so many of them, in parallel.
template <typename Work>
void each_slice(u64 chunks, u64 step, Work work) {
    const u64 slices = (chunks + kChunksOfSlice - 1) / kChunksOfSlice;
    run_in_parallel((slices + step - 1) / step, [&](Tasks &tasks) {
        for (u64 i; tasks.take(i);)
            work(static_cast<u32>(i * step * kChunksOfSlice),
                 static_cast<u32>(std::min(chunks, (i * step + 1) * kChunksOfSlice)));
    });
}

// By an object, and not by a stray pointer only.
inline bool is_of_objects(const Reached &reached, u32 chunk) {
    const u8 level = reached.level(chunk);
    return level != kLost && level <= kDoubtfulLevel;
}

class Contested {
public:
    Contested(const Reached &reached, const ChunkEdges &edges)
        : reached_(reached), edges_(edges), bits_(reached.marks.size()) {}

    // Pointers of one object's chunks to those of another one that are few beside what both have,
    // or which lead somewhere into the chunks of a larger one and never back: those of a node to
    // its document are many, and those of a statement lead to what the connection itself has.
    // False where there are none such. What they lead to is contested, with all that is behind it.
    bool find(const std::vector<Entry> &objects);
    bool get(u32 chunk) const { return bits_.get(chunk); }
    // Whether an edge that may count leads to one.
    bool is_led_to(Target target) const {
        return aim_of(target) != Aim::kNothing && bits_.get(chunk_of(target));
    }

private:
    // Edges between chunks of two objects.
    struct Cross {
        u64 up = 0, down = 0;      // to the higher label, and to the lower one
        bool is_to_root = false;   // to what an object has itself
        std::vector<u32> targets;  // of the first ones
    };
    using Crosses = std::unordered_map<u64, Cross>;  // by both labels

    u32 label(u32 chunk) const { return reached_.trees[reached_.tree_of(chunk)].label; }
    u64 size_of(u32 label) const {
        const auto found = sizes_.find(label);
        return found == sizes_.end() ? 0 : found->second;
    }
    bool is_root(u32 chunk) const { return reached_.is_root(chunk); }
    bool is_odd(u32 one, u32 other, const Cross &cross) const;
    void look_at(u32 begin, u32 end);
    void spread(std::vector<u32> waiting);

    const Reached &reached_;
    const ChunkEdges &edges_;
    Bits bits_;
    std::mutex mutex_;
    Crosses crosses_;
    std::unordered_map<u32, u64> sizes_;  // chunks of each label
};

}  // namespace heapgraph
