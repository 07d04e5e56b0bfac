// Sets of sources that lead to a chunk, by number; the same set has the same number.
#pragma once

#include <unordered_map>
#include <vector>

#include "walker/image/memory_image.hpp"

namespace heapgraph {

// Labels: 0 is nobody, then the sources one by one, then sets of several, at last "many".
class OwnerSets {
public:
    static constexpr u32 kNobody = 0, kMany = 0x7fffffff;

    explicit OwnerSets(u32 sources) : first_set_(sources + 1) {}

    static u32 label_of(u32 source) { return source + 1; }
    bool is_set(u32 label) const { return label >= first_set_ && label != kMany; }
    // The sources behind a label, rising; none of "many".
    std::vector<u32> members(u32 label) const {
        if (label == kNobody || label == kMany) return {};
        return is_set(label) ? sets_[label - first_set_] : std::vector<u32>{label - 1};
    }
    // The label of all sources of some labels, which are sorted for it. "Many" where the sets that
    // are kept would grow beyond what is sensible.
    u32 join(std::vector<u32> &labels);

private:
    static constexpr u64 kMostMembers = 1 << 22;  // of all sets together
    static constexpr u64 kMostWork = 1 << 28;     // members looked at

    bool has(u32 set, u32 label) const;
    u32 intern(std::vector<u32> members);

    u32 first_set_;
    std::vector<std::vector<u32>> sets_;
    std::unordered_multimap<u64, u32> by_hash_;
    u64 kept_ = 0, work_ = 0;
};

}  // namespace heapgraph
