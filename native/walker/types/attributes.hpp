// Where an instance keeps its attributes: a dict, or values beside it or inside of it whose names
// its class has.
#pragma once

#include "walker/types/heap_reader.hpp"

namespace heapgraph {

// The __dict__ and the values of an instance, as references.
void add_attributes(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out);

// Bytes of its attribute values that lie with the instance or in a block of their own.
u64 attribute_bytes(HeapReader &reader, u64 object, const TypeInfo &type);

}  // namespace heapgraph
