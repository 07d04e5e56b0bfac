#include "walker/types/builtins/classes.hpp"

#include "walker/types/key_table.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxStaticSubclasses = 4096;  // 3.12 and later: a small number in static types

u64 shared_keys_bytes(HeapReader &reader, u64 object) {
    const u64 keys = reader.memory().u64_at(object + reader.layout().ht_cached_keys);
    return keys ? read_key_table(reader.memory(), reader.layout(), keys).bytes : 0;
}

// Static types lack what the struct of a heap type has.
i64 class_least(HeapReader &reader, u64 object, const TypeInfo &type) {
    return reader.has_gc_head(object, type) ? type.basicsize : reader.layout().tp_size;
}

void add_heap_part(HeapReader &reader, u64 object, EdgeList &out) {
    const Layout &layout = reader.layout();
    const View view = reader.memory().view(object, layout.ht_size);
    out.add(view.u64_at(layout.ht_name), EdgeKind::kField, reader.name("__name__"), kCounted);
    out.add(view.u64_at(layout.ht_qualname), EdgeKind::kField, reader.name("__qualname__"),
            kCounted);
    out.add(view.u64_at(layout.ht_slots), EdgeKind::kField, reader.name("__slots__"), kCounted);
    if (present(layout.ht_module)) {
        out.add(view.u64_at(layout.ht_module), EdgeKind::kField, reader.name("ht_module"));
    }
    // The names of split-table attributes belong to the class, not to its instances.
    if (const TypeInfo *self = reader.types().find(object)) {
        for (u64 i = 0; i < self->shared_keys.size(); ++i) {
            out.add(self->shared_keys[i], EdgeKind::kKey, i, kCounted);
        }
    }
}

}  // namespace

void class_references(HeapReader &reader, u64 object, const TypeInfo &, EdgeList &out) {
    const Layout &layout = reader.layout();
    const View view = reader.memory().view(object, layout.tp_size);
    const bool heap = view.u64_at(layout.tp_flags) & type_flag::kHeapType;
    const u8 owned = heap ? kOwned : kCounted;
    out.add(view.u64_at(layout.tp_dict), EdgeKind::kDict, kNoLabel, owned);
    out.add(view.u64_at(layout.tp_cache), EdgeKind::kField, reader.name("tp_cache"), owned);
    out.add(view.u64_at(layout.tp_mro), EdgeKind::kField, reader.name("__mro__"), owned);
    out.add(view.u64_at(layout.tp_bases), EdgeKind::kField, reader.name("__bases__"), owned);
    // A static type names its base without counting it.
    out.add(view.u64_at(layout.tp_base), EdgeKind::kField, reader.name("__base__"),
            heap ? kOwned : 0);
    const u64 subclasses = view.u64_at(layout.tp_subclasses);
    if (subclasses > kMaxStaticSubclasses) {
        out.add(subclasses, EdgeKind::kField, reader.name("tp_subclasses"), kCounted);
    }
    if (heap) add_heap_part(reader, object, out);
}

u64 class_bytes(HeapReader &reader, u64 object, const TypeInfo &, View) {
    const Layout &layout = reader.layout();
    return reader.is_heap_type(object) ? layout.ht_size + shared_keys_bytes(reader, object)
                                       : layout.tp_size;
}

// A class and its member table; key table and doc string are blocks of their own.
u64 class_footprint(HeapReader &reader, u64 object, const TypeInfo &type, View view, u64 size) {
    if (!reader.is_heap_type(object)) return size;
    const u64 members = (reader.item_count(view) + 1) * type.itemsize;
    return kGcHead + round_up(type.basicsize + members, 8) + shared_keys_bytes(reader, object) +
           reader.text_bytes(reader.memory().u64_at(object + reader.layout().tp_doc));
}

extern const TypeReader type_reader{.name = "type",
                                    .references = class_references,
                                    .getsizeof_ = class_bytes,
                                    .footprint = class_footprint,
                                    .least_bytes = class_least,
                                    .describes_types = true};

}  // namespace heapgraph
