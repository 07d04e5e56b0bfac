// Pointers from chunks of one object to those of another one, counted by pair.
#pragma once

#include <array>
#include <map>

#include "walker/edges/edge_bytes.hpp"

namespace heapgraph {

class Crossings {
public:
    struct Pair {
        u64 up = 0, down = 0;      // to the higher label, and to the lower one
        bool is_to_root = false;   // to what an object has itself
        std::vector<u32> targets;  // of the first ones
    };

    Crossings() = default;
    Crossings(Crossings &&) = default;  // places of pairs stay the same
    Crossings &operator=(Crossings &&) = default;

    // An edge may be added more than once, but as often as there are classes of edges at most.
    void add(u32 own, u32 other, u32 target, bool is_root) {
        const u64 key = u64{std::min(own, other)} << 32 | std::max(own, other);
        Known &known = known_[(key ^ key >> 29) % known_.size()];
        if (known.pair == nullptr || known.key != key) {
            if (pairs_.size() >= kMostPairs && pairs_.find(key) == pairs_.end()) return;
            known = {key, &pairs_[key]};
        }
        Pair &pair = *known.pair;
        ++(other > own ? pair.up : pair.down);
        pair.is_to_root |= is_root;
        if (pair.targets.size() < kMostTargets) pair.targets.push_back(target);
    }
    // Visits both labels and the pair.
    template <typename Visit>
    void each(Visit visit) const {
        for (const auto &[key, pair] : pairs_)
            visit(static_cast<u32>(key >> 32), static_cast<u32>(key), pair);
    }

private:
    static constexpr u64 kMostPairs = 1 << 16, kMostTargets = 64;

    struct Known {
        u64 key = 0;
        Pair *pair = nullptr;
    };
    std::map<u64, Pair> pairs_;  // its values stay where they are
    std::array<Known, 64> known_{};
};

}  // namespace heapgraph
