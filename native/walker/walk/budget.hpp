// What a walk may cost. The numbers come from heapgraph/capture/process/budget.py; without them
// nothing is limited.
#pragma once

#include <map>

#include "walker/image/memory_image.hpp"

namespace heapgraph {

struct WalkBudget {
    u64 objects = UINT64_MAX;
    u64 references = UINT64_MAX;
    u64 table_bytes = UINT64_MAX;  // of tables that are looked through, in each pass
    u64 image_bytes = UINT64_MAX;  // copied from the target
};

// Which object has which table outside of itself. Two lists never have one array of items, in
// memory that makes sense: whoever comes second has none.
class TableClaims {
public:
    // A table of fewer bytes is read for everyone: it costs little, and its place in here would
    // cost as much.
    static constexpr u64 kMinBytes = 4096;

    // True when no one else has any of it.
    bool may_take(u64 owner, u64 start, u64 size) const {
        const auto next = ranges_.upper_bound(start);
        if (next != ranges_.end() && next->first - start < size) return false;
        if (next == ranges_.begin()) return true;
        const auto &[first, claim] = *std::prev(next);
        return (first == start && claim.owner == owner) || start - first >= claim.size;
    }
    // It is the owner's from now on, who may take it.
    void take(u64 owner, u64 start, u64 size) { ranges_.try_emplace(start, Claim{size, owner}); }

private:
    struct Claim {
        u64 size;
        u64 owner;
    };

    std::map<u64, Claim> ranges_;
};

}  // namespace heapgraph
