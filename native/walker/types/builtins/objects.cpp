// Objects that are a struct, and items behind it or none: what a type needs that has no family of
// its own.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

void item_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const u64 count = reader.item_count(reader.body(object, type));
    if (type.itemsize == 8)
        reader.items_at(object, object + type.basicsize, count, out, kOwned | kScanned);
}

}  // namespace

u64 struct_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    return type.basicsize + (type.itemsize ? type.itemsize * reader.item_count(view) : 0);
}

// The generic allocator of Python classes adds one item, an end mark.
u64 struct_footprint(HeapReader &reader, u64, const TypeInfo &type, View view, u64 size) {
    if (!type.is_python_class || type.itemsize == 0) return size;
    const u64 items = reader.item_count(view);
    return size + round_up(type.basicsize + (items + 1) * type.itemsize, 8) -
           (type.basicsize + items * type.itemsize);
}

i64 basic_bytes(HeapReader &, u64, const TypeInfo &type) { return type.basicsize; }

extern const TypeReader plain_reader{.name = "plain"};
extern const TypeReader items_reader{.name = "items", .references = item_references};

}  // namespace heapgraph
