// Classes: what those of ctypes have in common with all.
#pragma once

#include "walker/types/heap_reader.hpp"

namespace heapgraph {

void class_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out);
u64 class_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view);
u64 class_footprint(HeapReader &reader, u64 object, const TypeInfo &type, View view, u64 size);

}  // namespace heapgraph
