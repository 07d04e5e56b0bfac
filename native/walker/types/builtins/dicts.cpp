#include "walker/types/builtins/dicts.hpp"

namespace heapgraph {
namespace {

constexpr u64 kManyInterned =
    100;  // a dict of the program may have a few keys that are their values

bool is_str(HeapReader &reader, u64 object) {
    const View head = reader.memory().view(object, 16);
    return head && reader.type_flags(head.u64_at(reader.layout().type)) & type_flag::kUnicode;
}

bool owns_orphan_keys(HeapReader &reader, const DictTable &table) {
    return !reader.types().is_shared_table(table.keys.address) &&
           reader.stands_for(table.keys.address, table.dict);
}

void add_split(HeapReader &reader, const DictTable &table, EdgeList &out) {
    if (table.values_embedded && !reader.layout().visits_materialized_dicts()) return;
    const KeyTable &keys = table.keys;
    const bool owns_keys = owns_orphan_keys(reader, table);
    if (!reader.may_read(table.dict, table.values, keys.count * 8)) return;
    reader.each_part(
        keys.address, table.entries, keys.entry_bytes(), keys.stride,
        [&](View entries, u64 offset) {
            const u64 first = offset / keys.stride, count = entries.size() / keys.stride;
            const View values = reader.memory().view(table.values + first * 8, count * 8);
            for (u64 i = 0; i < count; ++i) {
                const u64 key = entries.u64_at(i * keys.stride + keys.key_offset);
                if (owns_keys) out.add(key, EdgeKind::kKey, first + i, kCounted);
                out.add(values.u64_at(i * 8), key ? EdgeKind::kValue : EdgeKind::kUnnamed,
                        key ? key : kNoLabel);
            }
        });
}

// Entries in use until `goes_on` is false for one.
template <typename GoesOn>
void while_entries(HeapReader &reader, const DictTable &table, GoesOn goes_on) {
    const KeyTable &keys = table.keys;
    bool more = true;
    reader.memory().each_part(table.entries, keys.entry_bytes(), keys.stride,
                              [&](View entries, u64) {
                                  for (u64 at = 0; at < entries.size() && more; at += keys.stride) {
                                      const u64 key = entries.u64_at(at + keys.key_offset),
                                                value = entries.u64_at(at + keys.value_offset);
                                      if (key != 0 && value != 0) more = goes_on(key, value);
                                  }
                                  return more;
                              });
}

// <= 3.10: only the lookup function tells whether a table has other keys than str. Which one is the
// general function is learned from the first table that has.
bool has_other_keys(HeapReader &reader, const DictTable &table) {
    if (present(reader.layout().dk_kind) || !table.only_str_keys ||
        reader.learned().general_lookup != 0)
        return false;
    bool found = false;
    while_entries(reader, table, [&](u64 key, u64) {
        found = !is_str(reader, key);
        return !found;
    });
    return found;
}

// Each key is its value, and an interned string.
bool is_table_of_interned(HeapReader &reader, const DictTable &table) {
    u64 alike = 0;
    bool all = true;
    while_entries(reader, table, [&](u64 key, u64 value) {
        const TypeInfo *type = key == value ? reader.type_of(key) : nullptr;
        all = type != nullptr && reader.is_interned(key, *type);
        ++alike;
        return all;
    });
    return all && alike > kManyInterned;
}

}  // namespace

DictTable dict_table(HeapReader &reader, u64 dict) {
    const Layout &layout = reader.layout();
    MemoryImage &memory = reader.memory();
    const View view = memory.view(dict, layout.dict_size);
    DictTable table;
    table.keys = read_key_table(memory, layout, view.u64_at(layout.dict_keys));
    if (table.keys.address == 0 || table.keys.count > kMaxItems) return DictTable{};
    table.dict = dict;
    const u64 general = reader.learned().general_lookup;
    table.only_str_keys =
        table.keys.has_only_str ||
        (!present(layout.dk_kind) && (general == 0 || table.keys.lookup != general));
    if (memory.covers(table.keys.entries, table.keys.entry_bytes()))
        table.entries = table.keys.entries;
    const u64 values = view.u64_at(layout.dict_values);
    if (values == 0) return table;
    table.is_split = true;
    if (present(layout.dv_embedded))
        table.values_embedded = memory.view(values, 4).u8_at(layout.dv_embedded);
    const u64 first = values + (present(layout.dv_values) ? layout.dv_values : 0);
    if (memory.covers(first, table.keys.count * 8)) table.values = first;
    return table;
}

void dict_references(HeapReader &reader, u64 object, const TypeInfo &, EdgeList &out) {
    const DictTable table = dict_table(reader, object);
    const KeyTable &keys = table.keys;
    if (!table.entries) return;
    if (table.is_split) return add_split(reader, table, out);
    if (!reader.may_read(object, table.entries, keys.entry_bytes())) return;
    const bool other_keys = has_other_keys(reader, table);
    if (other_keys) reader.learned().general_lookup = keys.lookup;
    const bool only_str = table.only_str_keys && !other_keys;
    // Neither of the two references of an interned string is counted, and neither keeps it alive.
    const bool interned = is_table_of_interned(reader, table);
    const u32 name = interned ? reader.name("interned") : 0;
    const u8 key_flags = (only_str ? 0 : kGcVisible) | (interned ? 0 : kCounted);
    reader.each_part(
        object, table.entries, keys.entry_bytes(), keys.stride, [&](View entries, u64 offset) {
            for (u64 at = 0; at < entries.size(); at += keys.stride) {
                const u64 key = entries.u64_at(at + keys.key_offset),
                          value = entries.u64_at(at + keys.value_offset);
                if (value == 0 || key == 0) continue;
                if (interned) {
                    out.add(key, EdgeKind::kWeak, name, key_flags);
                    out.add(value, EdgeKind::kWeak, name, kGcVisible);
                } else {
                    out.add(key, EdgeKind::kKey, (offset + at) / keys.stride, key_flags);
                    out.add(value, EdgeKind::kValue, key);
                }
            }
        });
}

u64 dict_bytes(HeapReader &reader, u64 object, const TypeInfo &type, View) {
    const DictTable table = dict_table(reader, object);
    u64 size = type.basicsize;
    if (table.is_split) size += table.keys.capacity * 8;
    if (table.keys.refcount == 1) size += table.keys.bytes;
    return size;
}

u64 dict_footprint(HeapReader &reader, u64 object, const TypeInfo &, View, u64 size) {
    const DictTable table = dict_table(reader, object);
    if (!table.is_split) return size;
    const u64 capacity = table.keys.capacity;
    if (table.values_embedded) return size - capacity * 8;  // they are part of the instance
    return present(reader.layout().dv_values) ? size + round_up(capacity + 2, 8) : size;
}

extern const TypeReader dict_reader{.name = "dict",
                                    .references = dict_references,
                                    .getsizeof_ = dict_bytes,
                                    .footprint = dict_footprint};

}  // namespace heapgraph
