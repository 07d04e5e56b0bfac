// Who owns the memory of C code: chunks of malloc and small blocks that no object is known to have.
// An estimate: a word that looks like a pointer is taken for one.
#pragma once

#include <vector>

#include "walker/chunks/heap_record.hpp"
#include "walker/walk/walker.hpp"

namespace heapgraph {

struct NativeRows {
    std::vector<hg_native_row> rows;
    std::vector<u64> owners;
    u64 chunks = 0, edges = 0, small_bytes = 0;
    bool is_left_out = false;
};

// heaps: those whose chunks were followed before; they are given back.
NativeRows find_native_owners(Walker &walker, const hg_native_places &places, HeapRecords &heaps);

}  // namespace heapgraph
