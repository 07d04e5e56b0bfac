// The key table of a dict, or of the instances of a class: PyDictKeysObject.
#pragma once

#include "walker/image/memory_image.hpp"
#include "walker/types/layout.hpp"

namespace heapgraph {

struct KeyTable {
    u64 address = 0;  // 0: there is no such table
    i64 refcount = 0;
    u64 count = 0;     // entries that were ever used; hostile until checked
    u64 capacity = 0;  // entries that there is room for
    u64 entries = 0;   // address of the first; whether they can be read is not known
    i64 stride = 24, key_offset = 8, value_offset = 16;
    bool has_only_str = false;  // it says so itself: 3.11 and later
    u64 lookup = 0;             // its lookup function: up to 3.10
    u64 bytes = 0;              // of the whole table

    u64 entry_bytes() const { return count * stride; }
};

// Reads the head of the table at this address.
KeyTable read_key_table(MemoryImage &memory, const Layout &layout, u64 address);

}  // namespace heapgraph
