// References that no table vouches for: the counts of their targets decide.
#pragma once

#include <vector>

#include "walker/types/type_table.hpp"
#include "walker/walk/columns.hpp"

namespace heapgraph {

// Rows of references, each list in rising order.
class Doubts {
public:
    // One that a traverse function visited, but that lies nowhere we know.
    void add_placeless(u64 row) { placeless_.push_back(row); }
    // A word that was not visited.
    void add_doubtful(u64 row) { doubtful_.push_back(row); }
    // One in the last word of a block, of an object of this type.
    void add_trailing(u64 row, u64 type) { trailing_.push_back({row, type, 0}); }
    // Those of rows that come `first` rows further on; `others` is empty afterwards.
    void take(Doubts &others, u64 first);
    // Says of each whether it is counted, in the columns.
    void settle(Columns &columns, NameTable &names);

private:
    struct TrailingRow {
        u64 row;
        u64 type;   // row of the type that has it
        u64 alike;  // rows of the same type and place
    };
    void sort_trailing(const Columns &columns);

    std::vector<u64> placeless_, doubtful_;
    std::vector<TrailingRow> trailing_;
};

}  // namespace heapgraph
