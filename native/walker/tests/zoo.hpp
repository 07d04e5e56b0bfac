// One heap with an object of every kind the walker has code for.
#pragma once

#include "heap_builder.hpp"

namespace heapgraph::test {

struct Zoo {
    // Python classes and their instances
    u64 slotted_class = 0, slotted = 0, attribute_class = 0, with_values = 0, with_dict = 0;
    // containers
    u64 list = 0, dict = 0, mixed_dict = 0, split_dict = 0, deque = 0, ordered = 0, cache = 0,
        tee = 0, node = 0;
    u64 array_of_objects = 0, queue = 0, record = 0;
    // extension packages: an instance that stands for a C++ object, and a table of pandas
    u64 bound = 0, hash_table = 0;
    // the interpreter's own
    u64 code = 0, frame = 0, generator = 0, module = 0, view = 0, weak = 0, opaque = 0;
    u64 moment = 0, element = 0, zone = 0;
    // what many of them refer to
    u64 first = 0, second = 0, third = 0;
};

Zoo build_zoo(HeapBuilder &heap);

// Parts of it, for tests of their own.
struct Stack {
    std::vector<u64> frames;
    std::vector<u64> objects;
    u64 greenlet;
};
u64 build_code(HeapBuilder &heap, const Objects &local_names);
u64 build_frame(HeapBuilder &heap, u64 code, const Objects &slots);
u64 build_generator(HeapBuilder &heap, u64 code, u64 name, const Objects &slots);
Stack build_stack(HeapBuilder &heap, u64 code, const std::vector<Objects> &frames);
u64 build_deque(HeapBuilder &heap, const Objects &items);
u64 build_cache(HeapBuilder &heap, const Pairs &results);
u64 build_object_array(HeapBuilder &heap, const Objects &items);
constexpr u64 kBoundBytes =
    8 * 8;  // of the C++ object, half of it unwritten; malloc gives a word more
u64 build_bound(HeapBuilder &heap, u64 kept, const Objects &items, u64 stale);
u64 build_hash_table(HeapBuilder &heap, const Objects &keys, u64 stale);

}  // namespace heapgraph::test
