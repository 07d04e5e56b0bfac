// Which code reads the builtin part of an object: one row of functions for each kind, made in the
// file of its family (builtins/, stdlib/, packages/) and listed by name in readers.cpp. Rules of
// types (heapgraph/capture/types/) say the name.
#pragma once

#include <string>
#include <string_view>

#include "walker/image/memory_image.hpp"

namespace heapgraph {

class EdgeList;
class HeapReader;
struct TypeInfo;

// What most types need: the struct, and its items behind it.
u64 struct_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View view);
u64 struct_footprint(HeapReader &reader, u64 object, const TypeInfo &type, View view, u64 size);
i64 basic_bytes(HeapReader &reader, u64 object, const TypeInfo &type);

// `view` is what can be read of the struct: an object may be smaller than its type's basic size.
struct TypeReader {
    const char *name;
    // What the object refers to, besides the fields of its rule, its type and its __dict__. Null:
    // nothing.
    void (*references)(HeapReader &, u64 object, const TypeInfo &, EdgeList &) = nullptr;
    // What sys.getsizeof says without the head of the collector and the buffers of the rule: bytes.
    u64 (*getsizeof_)(HeapReader &, u64 object, const TypeInfo &, View view) = struct_bytes;
    // Bytes asked of the allocators. `size`: getsizeof and all that is known of buffers and blocks.
    u64 (*footprint)(HeapReader &, u64 object, const TypeInfo &, View view,
                     u64 size) = struct_footprint;
    // Appends what it looks like; false when this object has no preview. Null: none has.
    bool (*preview)(HeapReader &, u64 object, const TypeInfo &, std::string &) = nullptr;
    // The bytes that an object has at least: some are smaller than their type's basic size.
    i64 (*least_bytes)(HeapReader &, u64 object, const TypeInfo &) = basic_bytes;
    bool describes_types = false;  // its objects are classes

    bool is(std::string_view other) const { return other == name; }
};

// The reader of this name; null when there is none.
const TypeReader *find_reader(std::string_view name);
// That of objects which are no more than a struct.
extern const TypeReader plain_reader;

}  // namespace heapgraph
