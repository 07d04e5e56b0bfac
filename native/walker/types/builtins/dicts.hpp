// Dicts, and what other types share with them.
#pragma once

#include "walker/types/heap_reader.hpp"
#include "walker/types/key_table.hpp"

namespace heapgraph {

// A dict's key table and, when attributes live apart from it, its array of values.
struct DictTable {
    u64 dict = 0;  // address of the dict
    KeyTable keys;
    u64 entries = 0;  // address of its entries, which can be read; 0: there is no such table
    bool only_str_keys = true;  // the collector does not visit the keys of such tables
    bool is_split = false;      // values lie apart, keys belong to the class
    bool values_embedded = false;
    u64 values = 0;  // address of the first
};

DictTable dict_table(HeapReader &reader, u64 dict);

// Those of dict_reader, for what is derived from dict and more.
void dict_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out);
u64 dict_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view);
u64 dict_footprint(HeapReader &reader, u64 object, const TypeInfo &type, View view, u64 size);

}  // namespace heapgraph
