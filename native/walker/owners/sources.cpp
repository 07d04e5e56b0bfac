#include "walker/owners/sources.hpp"

#include <mutex>

#include "walker/edges/parallel.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMostRead = u64{1} << 28, kMostBlocks = u64{1} << 20;
// Structs have up to so many steps of 16 bytes; a field, one in so many of them.
constexpr u64 kStructSteps = 16, kTargetSteps = 4096, kFieldShare = 4, kFewestStructs = 1 << 10;
constexpr u64 kSliceStep = 4;  // one in so many slices is counted

class Sources {
public:
    Sources(const ChunkMap &chunks, const Contested &contested, const Reached &reached,
            const ChunkEdges &edges)
        : chunks_(chunks), contested_(contested), reached_(reached), edges_(edges),
          wanted_(chunks.count()), structs_(kStructSteps), fields_(kFields) {}

    // is_sure: is set for what fields of structs lead to.
    std::vector<u64> find(Bits &is_sure) {
        run_in_slices(chunks_.count(), kSliceStep,
                      [this](u32 begin, u32 end) { count_fields(begin, end); });
        run_in_slices(chunks_.count(), 1, [&](u32 begin, u32 end) { choose(begin, end, is_sure); });
        std::vector<u64> found;
        u64 bytes = 0;
        chunks_.each([&](u32 chunk, u64 header) {
            if (!wanted_.get(chunk) || found.size() >= kMostBlocks) return;
            if (bytes + chunks_.size(chunk) > kMostRead) return;
            found.push_back(has_header(chunks_, chunk) ? header + kChunkHeader : header);
            bytes += chunks_.size(chunk);
        });
        return found;
    }

private:
    u64 struct_of(u32 chunk) const { return chunks_.size(chunk) / kChunkStep; }
    static constexpr u64 kFields = kStructSteps * kTargetSteps * 4;
    u64 field_of(u64 row, Target target) const {
        const u64 steps = chunks_.size(chunk_of(target)) / kChunkStep;
        const u64 aim = static_cast<u64>(aim_of(target));
        return (row * kTargetSteps + std::min(steps, kTargetSteps - 1)) * 4 + aim;
    }
    // Visits the edges of what an object has and what leads to contested chunks.
    template <typename Visit>
    void each_edge(u32 begin, u32 end, Visit visit) {
        for (u32 source = begin; source < end; ++source) {
            if (!edges_.any(source) || !is_of_objects(reached_, source)) continue;
            edges_.each(source, [&](Target target, u32) {
                if (contested_.is_led_to(target)) visit(source, target);
            });
        }
    }
    void count_fields(u32 begin, u32 end) {
        std::vector<u32> structs(kStructSteps), fields(kFields);
        u32 last = kNoChunk;
        each_edge(begin, end, [&](u32 source, Target target) {
            const u64 row = struct_of(source);
            if (row >= kStructSteps) return;
            structs[row] += source != last;
            last = source;
            ++fields[field_of(row, target)];
        });
        const std::lock_guard lock(mutex_);
        for (u64 i = 0; i < structs.size(); ++i) structs_[i] += structs[i];
        for (u64 i = 0; i < fields.size(); ++i) fields_[i] += fields[i];
    }
    void choose(u32 begin, u32 end, Bits &is_sure) {
        each_edge(begin, end, [&](u32 source, Target target) {
            const u64 row = struct_of(source);
            if (row < kStructSteps &&
                fields_[field_of(row, target)] * kFieldShare >= structs_[row] &&
                structs_[row] >= kFewestStructs)
                is_sure.set(chunk_of(target));
            else
                wanted_.set(source);
        });
    }

    const ChunkMap &chunks_;
    const Contested &contested_;
    const Reached &reached_;
    const ChunkEdges &edges_;
    std::mutex mutex_;
    Bits wanted_;
    std::vector<u64> structs_, fields_;  // of a size, and of them with an edge to another size
};

}  // namespace

std::vector<u64> find_sources(const ChunkMap &chunks, const Contested &contested,
                              const Reached &reached, const ChunkEdges &edges, Bits &is_sure) {
    return Sources(chunks, contested, reached, edges).find(is_sure);
}

}  // namespace heapgraph
