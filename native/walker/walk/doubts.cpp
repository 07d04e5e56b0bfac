#include "walker/walk/doubts.hpp"

#include <algorithm>
#include <unordered_map>

#include "walker/types/edges.hpp"

namespace heapgraph {

void Doubts::take(Doubts &others, u64 first) {
    const auto move_rows = [first](std::vector<u64> &to, std::vector<u64> &from) {
        for (const u64 row : from) to.push_back(first + row);
        from.clear();
    };
    move_rows(placeless_, others.placeless_);
    move_rows(doubtful_, others.doubtful_);
    for (const TrailingRow &each : others.trailing_)
        trailing_.push_back({first + each.row, each.type, 0});
    others.trailing_.clear();
}

// The last word of a block may be a field or unused. Where many objects of a type refer to
// something from there it is a field: those come first.
void Doubts::sort_trailing(const Columns &columns) {
    std::unordered_map<u64, u64> rows;  // by type and place
    const auto count_of = [&](const TrailingRow &each) -> u64 & {
        return rows[each.type << 32 | columns.label[each.row]];
    };
    for (const TrailingRow &each : trailing_) ++count_of(each);
    for (TrailingRow &each : trailing_) each.alike = count_of(each);
    const auto is_more_usual = [](const TrailingRow &one, const TrailingRow &other) {
        return one.alike > other.alike;
    };
    std::stable_sort(trailing_.begin(), trailing_.end(), is_more_usual);
}

// References that no table vouches for. The visited ones are there, but may be owned by a part of
// the object that counts for itself. A word that was not visited is owned or borrowed: it keeps its
// target alive only where the target is counted more often than by all the others, the least sure
// of them last.
void Doubts::settle(Columns &columns, NameTable &names) {
    sort_trailing(columns);
    for (const TrailingRow &each : trailing_) doubtful_.push_back(each.row);
    std::unordered_map<u32, i64> counted_in;  // of the objects in doubt: they are few
    std::vector<bool> is_wanted(columns.type.size());
    for (const std::vector<u64> *rows : {&placeless_, &doubtful_}) {
        for (const u64 row : *rows) {
            is_wanted[columns.target[row]] = true;
            columns.edge_flags[row] &= ~kCounted;  // until it is settled
        }
    }
    for (u64 row = 0; row < columns.target.size() && !(placeless_.empty() && doubtful_.empty());
         ++row) {
        const u32 target = columns.target[row];
        if (is_wanted[target] && columns.edge_flags[row] & kCounted) ++counted_in[target];
    }
    const auto has_count_left = [&](u32 target) {
        i64 &counted = counted_in[target];
        if (!(columns.flags[target] & kImmortal) &&
            static_cast<i64>(columns.refcount[target]) <= counted)
            return false;
        ++counted;
        return true;
    };
    for (const u64 row : placeless_) {
        if (has_count_left(columns.target[row])) columns.edge_flags[row] |= kCounted;
    }
    const u32 borrowed = doubtful_.empty() ? 0 : names.row("borrowed");
    for (const u64 row : doubtful_) {
        const bool holds = columns.edge_flags[row] & kHolds;
        columns.edge_flags[row] &= ~kHolds;
        if (has_count_left(columns.target[row])) {
            columns.edge_flags[row] |= kCounted;
            continue;
        }
        columns.edge_flags[row] = kScanned;
        if (holds) continue;
        columns.kind[row] = static_cast<u8>(EdgeKind::kWeak);
        columns.label[row] = borrowed;
    }
    placeless_ = doubtful_ = {};
    trailing_ = {};
}

}  // namespace heapgraph
