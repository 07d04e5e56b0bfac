// A number for each row, or a list of numbers where there are several: 2 bytes for each row, 4 from
// the first number on that needs them.
#pragma once

#include <vector>

#include "walker/walk/columns.hpp"

namespace heapgraph {

// 0 is none; numbers are below 1 << 31.
class NumberLists {
public:
    explicit NumberLists(u64 rows) { narrow_.resize(rows); }

    // The one that was there first.
    u32 first(u32 row) const {
        const u32 here = get(row);
        return here & kListed ? items_[here & ~kListed].first : here;
    }
    bool has_several(u32 row) const { return get(row) & kListed; }
    void set(u32 row, u32 number) { put(row, number); }
    // The same number may be there again, where it is none of the first and the newest ones.
    void add(u32 row, u32 number) {
        u32 here = get(row);
        if (here == number || number == 0) return;
        if (here == 0) return put(row, number);
        if (!(here & kListed)) put(row, here = kListed | new_item(here, kEnd));
        const u32 head = here & ~kListed;
        u32 at = head;
        for (u32 seen = 0; seen < kMostCompared && at != kEnd; ++seen) {
            if (items_[at].first == number) return;
            at = items_[at].second;
        }
        const u32 added = new_item(number, items_[head].second);
        items_[head].second = added;
    }
    template <typename Visit>
    void each(u32 row, Visit visit) const {
        const u32 here = get(row);
        if (!(here & kListed)) {
            if (here != 0) visit(here);
            return;
        }
        for (u32 at = here & ~kListed; at != kEnd; at = items_[at].second) visit(items_[at].first);
    }
    // Sets a row that may have a list, which is given back.
    void replace(u32 row, u32 number) {
        const u32 here = get(row);
        put(row, number);
        if (!(here & kListed)) return;
        u32 last = here & ~kListed;
        while (items_[last].second != kEnd) last = items_[last].second;
        items_[last].second = free_;
        free_ = here & ~kListed;
    }

private:
    static constexpr u32 kListed = u32{1} << 31;  // the rest is the place of the list
    static constexpr u32 kNarrowListed = u32{1} << 15;
    static constexpr u32 kEnd = UINT32_MAX;
    static constexpr u32 kMostCompared = 4;

    u32 get(u32 row) const {
        if (is_wide_) return wide_[row];
        const u32 here = narrow_[row];
        return here & kNarrowListed ? kListed | (here & ~kNarrowListed) : here;
    }
    void put(u32 row, u32 value) {
        if (!is_wide_ && (value & ~kListed) >= kNarrowListed) widen();
        if (is_wide_)
            wide_[row] = value;
        else
            narrow_[row] = static_cast<u16>(value & kListed ? kNarrowListed | value : value);
    }
    void widen() {
        wide_.resize(narrow_.size());
        for (u32 row = 0; row < narrow_.size(); ++row) {
            if (narrow_[row] != 0) wide_[row] = get(row);
        }
        narrow_.clear();
        is_wide_ = true;
    }
    u32 new_item(u32 number, u32 next) {
        if (free_ == kEnd) {
            items_.emplace_back(number, next);
            return static_cast<u32>(items_.size() - 1);
        }
        const u32 at = free_;
        free_ = items_[at].second;
        items_[at] = {number, next};
        return at;
    }

    bool is_wide_ = false;
    Column<u16> narrow_;
    Column<u32> wide_;
    std::vector<std::pair<u32, u32>> items_;  // number, next one
    u32 free_ = kEnd;
};

}  // namespace heapgraph
