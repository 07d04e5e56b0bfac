#include "walker/owners/bridges.hpp"

#include <map>
#include <mutex>

#include "walker/edges/parallel.hpp"
#include "walker/owners/contested.hpp"

namespace heapgraph {
namespace {

constexpr u64 kFewestParts = 256, kFewestBack = 64;
constexpr u64 kPartsOfBridge = 64;  // where there are more bridges, they are how it is built
constexpr u64 kMostBridges = 1 << 10;

class Bridges {
public:
    Bridges(const Reached &reached, const ChunkEdges &edges)
        : reached_(reached), edges_(edges), is_head_(chunks()), is_part_(chunks()) {}

    std::vector<Bridge> find() {
        if (!find_heads()) return {};
        run_in_slices(chunks(), 1, [this](u32 begin, u32 end) { mark_parts(begin, end); });
        run_in_slices(chunks(), 1, [this](u32 begin, u32 end) { look(begin, end); });
        std::vector<Bridge> found;
        for (const auto &[label, claim] : claims_) {
            if (claim.bridges.size() * kPartsOfBridge > claim.parts) continue;
            if (claim.bridges.size() <= kMostBridges)
                found.insert(found.end(), claim.bridges.begin(), claim.bridges.end());
        }
        std::sort(found.begin(), found.end(), [](const Bridge &one, const Bridge &other) {
            return one.source != other.source ? one.source < other.source : one.place < other.place;
        });
        return found;
    }

private:
    struct Claim {
        u64 parts = 0;
        std::vector<Bridge> bridges;
    };

    u64 chunks() const { return reached_.marks.size(); }
    u32 label_of(u32 chunk) const { return reached_.trees[reached_.tree_of(chunk)].label; }

    // Heads of structures to which many chunks of another object lead. False where there is none.
    bool find_heads() {
        std::map<u32, u64> sizes;
        for (const Tree &tree : reached_.trees) sizes[tree.label] += tree.chunks;
        std::vector<u32> labels;
        reached_.crossings.each([&](u32 one, u32 other, const Crossings::Pair &pair) {
            if (!pair.is_to_root || std::max(pair.up, pair.down) < kFewestBack) return;
            labels.insert(labels.end(), {one, other});
        });
        std::sort(labels.begin(), labels.end());
        for (const Tree &tree : reached_.trees) {
            if (tree.root != kNoChunk &&
                std::binary_search(labels.begin(), labels.end(), tree.label))
                is_head_.set(tree.root);
        }
        for (const u32 label : labels) {
            if (sizes[label] >= kFewestParts) claims_[label];
        }
        return !claims_.empty();
    }
    void mark_parts(u32 begin, u32 end) {
        for (u32 chunk = begin; chunk < end; ++chunk) {
            if (!edges_.any(chunk) || !is_of_objects(reached_, chunk)) continue;
            bool is_part = false;
            edges_.each(chunk, [&](Target target, u32) {
                const u32 next = chunk_of(target);
                is_part |= !is_part && is_head_.get(next) && is_of_objects(reached_, next) &&
                           label_of(next) != label_of(chunk);
            });
            if (is_part) is_part_.set(chunk);
        }
    }
    // From what is no part to parts.
    void look(u32 begin, u32 end) {
        std::map<u32, Claim> found;
        for (u32 chunk = begin; chunk < end; ++chunk) {
            if (!edges_.any(chunk) || !is_of_objects(reached_, chunk)) continue;
            const auto claim = claims_.find(label_of(chunk));
            if (claim == claims_.end()) continue;
            if (is_part_.get(chunk)) {
                ++found[claim->first].parts;
                continue;
            }
            edges_.each(chunk, [&](Target target, u32 place) {
                if (aim_of(target) == Aim::kNothing || !is_part_.get(chunk_of(target))) return;
                std::vector<Bridge> &bridges = found[claim->first].bridges;
                if (bridges.size() <= kMostBridges)
                    bridges.push_back({chunk, chunk_of(target), place});
            });
        }
        const std::lock_guard lock(mutex_);
        for (const auto &[label, more] : found) {
            Claim &all = claims_[label];
            all.parts += more.parts;
            all.bridges.insert(all.bridges.end(), more.bridges.begin(), more.bridges.end());
        }
    }

    const Reached &reached_;
    const ChunkEdges &edges_;
    std::mutex mutex_;
    Bits is_head_, is_part_;
    std::map<u32, Claim> claims_;  // by label; in look(), those that are there already
};

}  // namespace

std::vector<Bridge> find_bridges(const Reached &reached, const ChunkEdges &edges) {
    return Bridges(reached, edges).find();
}

}  // namespace heapgraph
