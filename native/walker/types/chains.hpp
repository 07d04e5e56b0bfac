// Chains of C structs that lead from one to the next.
#pragma once

#include "walker/image/memory_image.hpp"

namespace heapgraph {

// A chain ends, or leads back to its start. A damaged one may lead back to its middle: Brent's
// algorithm compares each link with one that is replaced ever more rarely, and so needs no memory.
class LoopGuard {
public:
    // True when the chain has been at this link before; at the latest after three times its length.
    bool has_seen(u64 link) {
        if (link == kept_) return true;
        if (++steps_ == replace_at_) {
            kept_ = link;
            replace_at_ *= 2;
        }
        return false;
    }

private:
    u64 kept_ = 0, steps_ = 0, replace_at_ = 1;
};

}  // namespace heapgraph
