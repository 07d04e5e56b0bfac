#include "walker/owners/bridges.hpp"

#include <map>
#include <mutex>

#include "walker/edges/parallel.hpp"
#include "walker/owners/contested.hpp"

namespace heapgraph {
namespace {

constexpr u32 kFewestParts = 256;
constexpr u64 kPartsOfBridge = 64;     // where there are more bridges, they are how it is built
constexpr u64 kMostBridges = 1 << 16;  // of all

class Bridges {
public:
    Bridges(const Reached &reached, const ChunkEdges &edges)
        : reached_(reached), edges_(edges), is_root_(chunks()), is_head_(chunks()),
          is_part_(chunks()), parts_(reached.trees.size()) {}

    std::vector<Bridge> find() {
        for (const Tree &tree : reached_.trees) {
            if (tree.root != kNoChunk && is_of_objects(reached_, tree.root))
                is_root_.set(tree.root);
        }
        each_chunk([this](u32 chunk) { count_roots(chunk); });
        bool any = false;
        for (u32 tree = 1; tree < parts_.size(); ++tree) {
            if (parts_[tree] < kFewestParts) continue;
            is_head_.set(reached_.trees[tree].root);
            any = true;
        }
        if (!any) return {};
        each_chunk([this](u32 chunk) {
            if (head_of(chunk) != kNoChunk) is_part_.set(chunk);
        });
        each_chunk([this](u32 chunk) { look(chunk); });
        return chosen();
    }

private:
    u64 chunks() const { return reached_.marks.size(); }
    template <typename Work>
    void each_chunk(Work work) const {
        run_in_slices(chunks(), 1, [&](u32 begin, u32 end) {
            for (u32 chunk = begin; chunk < end; ++chunk) {
                if (edges_.any(chunk) && is_of_objects(reached_, chunk)) work(chunk);
            }
        });
    }
    void count_roots(u32 chunk) {
        edges_.each(chunk, [&](Target target, u32) {
            const u32 next = chunk_of(target);
            if (next == chunk || !is_root_.get(next) || aim_of(target) == Aim::kNothing) return;
            const std::atomic_ref<u32> parts(parts_[reached_.tree_of(next)]);
            parts.fetch_add(1, std::memory_order_relaxed);
        });
    }
    // The first head that a chunk leads to.
    u32 head_of(u32 chunk) const {
        u32 found = kNoChunk;
        edges_.each(chunk, [&](Target target, u32) {
            const u32 next = chunk_of(target);
            if (found == kNoChunk && next != chunk && is_head_.get(next) &&
                aim_of(target) != Aim::kNothing)
                found = next;
        });
        return found;
    }
    // From what is no part to parts of what another object has.
    void look(u32 chunk) {
        if (is_part_.get(chunk) || is_head_.get(chunk)) return;
        edges_.each(chunk, [&](Target target, u32 place) {
            const u32 next = chunk_of(target);
            if (aim_of(target) == Aim::kNothing || !is_part_.get(next)) return;
            const u32 head = head_of(next), label = reached_.label(chunk);
            if (label == reached_.label(head)) return;
            const std::lock_guard lock(mutex_);
            if (bridges_ == kMostBridges) return;
            claims_[{label, reached_.tree_of(head)}].push_back({chunk, next, place});
            ++bridges_;
        });
    }
    std::vector<Bridge> chosen() const {
        if (bridges_ == kMostBridges) return {};
        std::vector<Bridge> found;
        for (const auto &[claimed, bridges] : claims_) {
            if (bridges.size() * kPartsOfBridge <= parts_[claimed.second])
                found.insert(found.end(), bridges.begin(), bridges.end());
        }
        std::sort(found.begin(), found.end(), [](const Bridge &one, const Bridge &other) {
            return one.source != other.source ? one.source < other.source : one.place < other.place;
        });
        return found;
    }

    const Reached &reached_;
    const ChunkEdges &edges_;
    std::mutex mutex_;
    Bits is_root_, is_head_, is_part_;
    std::vector<u32> parts_;  // of each tree, pointers to its root
    u64 bridges_ = 0;
    // By label of the object that leads there, and the tree of the head.
    std::map<std::pair<u32, u32>, std::vector<Bridge>> claims_;
};

}  // namespace

std::vector<Bridge> find_bridges(const Reached &reached, const ChunkEdges &edges) {
    return Bridges(reached, edges).find();
}

}  // namespace heapgraph
