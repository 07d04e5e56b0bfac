#include "walker/types/attributes.hpp"

namespace heapgraph {
namespace {

// What an instance has whose class manages its dict (3.11 and later). An address is 0 when there is
// none.
struct ManagedDict {
    u64 dict = 0;
    u64 values = 0;  // PyDictValues; since 3.13 inside of the instance, whether it is in use or not
};

bool has_inline_values(const Layout &layout) {
    return layout.kinds.managed_dict == kind::managed_dict::inline_values;
}

ManagedDict managed_dict(HeapReader &reader, u64 object, const TypeInfo &type) {
    const Layout &layout = reader.layout();
    const u64 word = reader.memory().u64_at(object + layout.managed_dict);
    switch (layout.kinds.managed_dict) {
    case kind::managed_dict::inline_values:
        return {word, type.flags & type_flag::kInlineValues ? object + type.basicsize : 0};
    case kind::managed_dict::two_words:
        return {word, reader.memory().u64_at(object + layout.managed_values)};
    default: return word & 1 ? ManagedDict{0, word + 1} : ManagedDict{word, 0};  // one tagged word
    }
}

bool has_managed_dict(const Layout &layout, const TypeInfo &type) {
    return layout.kinds.managed_dict != kind::managed_dict::none &&
           type.flags & type_flag::kManagedDict;
}

void add_values(HeapReader &reader, u64 address, u64 count, const TypeInfo &type, EdgeList &out) {
    const i64 first = reader.layout().dv_values;
    const View values = reader.memory().view(address, first + count * 8);
    for (u64 i = 0; values && i < count; ++i) {
        const u64 key = i < type.shared_keys.size() ? type.shared_keys[i] : 0;
        const EdgeKind kind = key ? EdgeKind::kAttribute : EdgeKind::kUnnamed;
        out.add(values.u64_at(first + i * 8), kind, key ? key : kNoLabel);
    }
}

void add_managed(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    const ManagedDict at = managed_dict(reader, object, type);
    if (!has_inline_values(layout)) {
        out.add(at.dict, EdgeKind::kDict, kNoLabel);
        if (at.values) add_values(reader, at.values, type.shared_keys.size(), type, out);
        return;
    }
    const View head = at.values ? reader.memory().view(at.values, layout.dv_values) : View{};
    const bool has_values = head.u8_at(layout.dv_valid);
    // Some releases visit either the values or the dict, others the dict, and the values from it.
    const bool from_dict = layout.visits_materialized_dicts();
    out.add(at.dict, EdgeKind::kDict, kNoLabel, has_values && !from_dict ? kCounted : kOwned);
    if (!has_values) return;
    if (from_dict && at.dict != 0 &&
        reader.memory().u64_at(at.dict + layout.dict_values) == at.values)
        return;
    add_values(reader, at.values, head.u8_at(layout.dv_capacity), type, out);
}

}  // namespace

void add_attributes(HeapReader &reader, u64 object, const TypeInfo &type, EdgeList &out) {
    const Layout &layout = reader.layout();
    if (has_managed_dict(layout, type)) return add_managed(reader, object, type, out);
    if (type.dictoffset == 0) return;
    i64 offset = type.dictoffset;
    if (offset < 0) {  // counted from the end of a variable-size object
        const u64 items = reader.item_count(reader.memory().view(object, layout.object_size + 8));
        if (items > kMaxItems) return;
        offset += round_up(type.basicsize + items * type.itemsize, 8);
        if (offset < layout.object_size) return;
    }
    for (const FieldRule &field : type.fields) {
        if (field.offset == offset) return;
    }
    out.add(reader.memory().u64_at(object + offset), EdgeKind::kDict, kNoLabel);
}

u64 attribute_bytes(HeapReader &reader, u64 object, const TypeInfo &type) {
    const Layout &layout = reader.layout();
    if (!has_managed_dict(layout, type)) return 0;
    const u64 values = managed_dict(reader, object, type).values;
    if (values == 0) return 0;
    if (has_inline_values(layout)) {
        const u64 capacity = reader.memory().view(values, 8).u8_at(layout.dv_capacity);
        return round_up(layout.dv_values + capacity * 8 + capacity,
                        8);  // one byte each for the insertion order
    }
    const u64 capacity = type.shared_capacity;  // before the values: their order, and two lengths
    return capacity * 8 + round_up(capacity + 2, 8);
}

}  // namespace heapgraph
