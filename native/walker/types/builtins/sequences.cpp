// Lists and tuples.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

void list_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const View view = reader.body(object, type);
    const Layout &layout = reader.layout();
    reader.items_at(object, view.u64_at(layout.list_item), view.u64_at(layout.var_size), out);
}

u64 list_bytes(HeapReader &reader, u64, const TypeInfo &type, View view) {
    return type.basicsize + view.u64_at(reader.layout().list_allocated) * 8;
}

void tuple_references(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    u64 count = reader.tuple_length(object);
    if (count < u64(type.tuple_items)) count = type.tuple_items;
    reader.items_at(object, object + reader.layout().tuple_item, count, out);
}

}  // namespace

extern const TypeReader list_reader{
    .name = "list", .references = list_references, .getsizeof_ = list_bytes};
extern const TypeReader tuple_reader{.name = "tuple", .references = tuple_references};

}  // namespace heapgraph
