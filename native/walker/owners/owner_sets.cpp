#include "walker/owners/owner_sets.hpp"

#include <algorithm>
#include <iterator>

namespace heapgraph {

u32 OwnerSets::join(std::vector<u32> &labels) {
    if (labels.size() == 1) return labels.front();
    std::sort(labels.begin(), labels.end());
    labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
    if (!labels.empty() && labels.front() == kNobody) labels.erase(labels.begin());
    if (labels.empty()) return kNobody;
    if (labels.back() == kMany || labels.size() == 1) return labels.back();
    // Mostly one of them has the others already.
    u32 largest = labels.back();
    for (const u32 label : labels) {
        if (is_set(label) && is_set(largest) &&
            sets_[label - first_set_].size() > sets_[largest - first_set_].size())
            largest = label;
    }
    const auto is_in_largest = [&](u32 label) { return label == largest || has(largest, label); };
    if (is_set(largest) && std::all_of(labels.begin(), labels.end(), is_in_largest)) return largest;
    std::vector<u32> all;
    for (const u32 label : labels) {
        const std::vector<u32> more = members(label);
        if ((work_ += more.size()) > kMostWork) return kMany;
        all.insert(all.end(), more.begin(), more.end());
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return intern(std::move(all));
}

// Whether a set has one source; of two sets that is not asked for.
bool OwnerSets::has(u32 set, u32 label) const {
    if (is_set(label)) return false;
    const std::vector<u32> &members = sets_[set - first_set_];
    return std::binary_search(members.begin(), members.end(), label - 1);
}

u32 OwnerSets::intern(std::vector<u32> members) {
    u64 hash = members.size();
    for (const u32 member : members) hash = (hash ^ member) * 0x9E3779B97F4A7C15ull;
    const auto [first, last] = by_hash_.equal_range(hash);
    for (auto it = first; it != last; ++it) {
        if (sets_[it->second - first_set_] == members) return it->second;
    }
    if (kept_ + members.size() > kMostMembers || sets_.size() >= kMany - 1 - first_set_)
        return kMany;
    kept_ += members.size();
    const u32 label = first_set_ + static_cast<u32>(sets_.size());
    sets_.push_back(std::move(members));
    by_hash_.emplace(hash, label);
    return label;
}

}  // namespace heapgraph
