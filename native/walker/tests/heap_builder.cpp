#include "heap_builder.hpp"

#include <algorithm>

namespace heapgraph::test {
namespace {

constexpr u64 kGcHead = 16;
constexpr u64 kMember = 40;  // sizeof(PyMemberDef)
constexpr i32 kMemberObjectEx = 16;
constexpr u64 kImmortal = 0xc0000000;
constexpr u64 kSmallIndices = 8;  // log2_size 3: eight places of a byte each

}  // namespace

HeapBuilder::HeapBuilder(const LayoutTable &layout_table, u64 pages)
    : table(layout_table), layout(layout_table.layout), data(pages), statics(32) {
    gc_head = data.allocate(kGcHead);
    put_word(gc_head, gc_head);
    put_word(gc_head + 8, gc_head);
    make_basic_types();
}

void HeapBuilder::make_basic_types() {
    using namespace type_flag;
    type_type = statics.allocate(layout.tp_size);
    object_type = statics.allocate(layout.tp_size);
    fill_type(object_type, {.name = "object"});
    fill_type(type_type, {.name = "type",
                          .base = object_type,
                          .basicsize = layout.ht_size,
                          .itemsize = kMember,
                          .flags = kHaveGc | kType});
    const i64 items = layout.tuple_item;
    tuple_type = static_type(
        {.name = "tuple", .basicsize = items, .itemsize = 8, .flags = kHaveGc | kTuple});
    dict_type =
        static_type({.name = "dict", .basicsize = layout.dict_size, .flags = kHaveGc | kDict});
    list_type = static_type(
        {.name = "list", .basicsize = layout.list_allocated + 8, .flags = kHaveGc | kList});
    int_type =
        static_type({.name = "int", .basicsize = layout.long_digit, .itemsize = 4, .flags = kLong});
    str_type = static_type({.name = "str", .basicsize = layout.uni_size, .flags = kUnicode});
    bytes_type = static_type(
        {.name = "bytes", .basicsize = layout.bytes_sval + 1, .itemsize = 1, .flags = kBytes});
    float_type = static_type({.name = "float", .basicsize = 24});
    set_type = static_type({.name = "set", .basicsize = table.at("set.size"), .flags = kHaveGc});
    complete_type(object_type);
    complete_type(type_type);
}

void HeapBuilder::fill_type(u64 type, const TypeSpec &spec) {
    put_word(type + layout.refcount, layout.at_least(12) ? kImmortal : 0);
    put_word(type + layout.type, type_type);
    put_word(type + layout.tp_name, c_string(statics, spec.name));
    put_word(type + layout.tp_basicsize, spec.basicsize);
    put_word(type + layout.tp_itemsize, spec.itemsize);
    put_word(type + layout.tp_flags, spec.flags | type_flag::kReady);
    put_word(type + layout.tp_dealloc, kBuiltinDealloc);
    put_word(type + layout.tp_dictoffset, spec.dictoffset);
    if (type != object_type) put_word(type + layout.tp_base, spec.base ? spec.base : object_type);
    if (!layout.at_least(12)) hold(type);
}

// Dict, bases and method resolution order, which are objects themselves.
void HeapBuilder::complete_type(u64 type) {
    const u64 base = get_word(type + layout.tp_base);
    own(type + layout.tp_dict, dict({}));
    own(type + layout.tp_bases, tuple(base ? Objects{base} : Objects{}));
    Objects order;
    for (u64 at = type; at != 0; at = get_word(at + layout.tp_base)) order.push_back(at);
    own(type + layout.tp_mro, tuple(order));
}

u64 HeapBuilder::static_type(const TypeSpec &spec) {
    const u64 type = statics.allocate(layout.tp_size);
    fill_type(type, spec);
    if (tuple_type != 0 && dict_type != 0) complete_type(type);
    return type;
}

u64 HeapBuilder::python_class(const std::string &name, u64 base,
                              const std::vector<std::string> &slots, u64 flags) {
    const u64 type = instance(type_type, (slots.size() + 1) * kMember);
    const u64 inherited =
        flags_of(base) & (type_flag::kLong | type_flag::kTuple | type_flag::kList |
                          type_flag::kUnicode | type_flag::kDict | type_flag::kType);
    put_word(type + layout.var_size, slots.size());
    put_word(type + layout.tp_name, c_string(data, name));
    put_word(type + layout.tp_itemsize, get_word(base + layout.tp_itemsize));
    put_word(type + layout.tp_dealloc, kClassDealloc);
    put_word(type + layout.tp_traverse, kClassTraverse);
    put_word(type + layout.tp_flags,
             flags | inherited | type_flag::kHeapType | type_flag::kReady | type_flag::kHaveGc);
    own(type + layout.tp_base, base);
    i64 offset = basicsize_of(base);
    u64 member = type + layout.ht_size;
    put_word(type + layout.tp_members, member);
    for (const std::string &slot : slots) {
        put_word(member, c_string(data, slot));
        put<i32>(member + 8, kMemberObjectEx);
        put_word(member + 16, offset);
        member += kMember;
        offset += 8;
    }
    put_word(type + layout.tp_basicsize, offset);
    complete_type(type);
    own(type + layout.ht_name, text(name));
    own(type + layout.ht_qualname, text(name));
    return type;
}

void HeapBuilder::share_names(u64 python_class, const Objects &names) {
    Pairs entries;
    for (const u64 name : names) entries.emplace_back(name, 0);
    put_word(python_class + layout.ht_cached_keys, key_table(entries, true, true));
}

u64 HeapBuilder::c_string(Arena &arena, const std::string &text) {
    const u64 address = arena.allocate(text.size() + 1);
    std::memcpy(reinterpret_cast<void *>(address), text.c_str(), text.size() + 1);
    return address;
}

u64 HeapBuilder::instance(u64 type, u64 extra_bytes) {
    const bool gc = flags_of(type) & type_flag::kHaveGc;
    const bool managed = layout.at_least(11) && flags_of(type) & type_flag::kManagedDict;
    const u64 before = (gc ? kGcHead : 0) + (managed ? 16 : 0);
    const u64 object = data.allocate(before + basicsize_of(type) + extra_bytes) + before;
    put_word(object + layout.type, type);
    if (flags_of(type) & type_flag::kHeapType) own(object + layout.type, type);
    if (gc) track(hold(object));
    return object;
}

void HeapBuilder::track(u64 object) {
    const u64 link = object - kGcHead, last = get_word(gc_head + 8);
    put_word(link, gc_head);
    put_word(link + 8, last);
    put_word(last, link);
    put_word(gc_head + 8, link);
}

u64 HeapBuilder::allocate_chunk(u64 bytes) {
    const u64 size = std::max<u64>((bytes + 8 + 15) & ~u64{15}, 32);
    const u64 chunk = data.allocate(size + 16);
    put_word(chunk + 8, size | 1);
    put_word(chunk + size + 8, 32 | 1);
    return chunk + 16;
}

void HeapBuilder::own(u64 address, u64 target) {
    put_word(address, target);
    if (target == 0) return;
    const u64 count = get_word(target + layout.refcount);
    if (!layout.at_least(12) || count < kImmortal) put_word(target + layout.refcount, count + 1);
}

u64 HeapBuilder::hold(u64 target) {
    put_word(target + layout.refcount, get_word(target + layout.refcount) + 1);
    outside_.push_back(target);
    return target;
}

u64 HeapBuilder::held_from_outside(u64 target) const {
    return static_cast<u64>(std::count(outside_.begin(), outside_.end(), target));
}

u64 HeapBuilder::text_struct(u64 length, int width, bool ascii, u64 unit_bytes) {
    const u64 header = ascii ? layout.uni_ascii_size : layout.uni_compact_size;
    const u64 object = data.allocate(header + (length + 1) * unit_bytes);
    put_word(object + layout.type, str_type);
    put_word(object + layout.uni_length, length);
    put<u32>(object + layout.uni_state, static_cast<u32>(width) << 2 | 32 | (ascii ? 64 : 0));
    return object;
}

u64 HeapBuilder::text(const std::string &ascii) {
    const u64 object = text_struct(ascii.size(), 1, true, 1);
    std::memcpy(reinterpret_cast<void *>(object + layout.uni_ascii_size), ascii.data(),
                ascii.size());
    return object;
}

u64 HeapBuilder::text_of(const std::vector<u32> &characters, int width) {
    const u64 object = text_struct(characters.size(), width, false, width);
    u64 at = object + layout.uni_compact_size;
    for (const u32 character : characters) {
        std::memcpy(reinterpret_cast<void *>(at), &character, width);
        at += width;
    }
    return object;
}

u64 HeapBuilder::number(i64 value) {
    u64 rest = value < 0 ? -static_cast<u64>(value) : static_cast<u64>(value);
    std::vector<u32> digits;
    for (; rest != 0; rest >>= 30) digits.push_back(rest & 0x3fffffff);
    const u64 object = data.allocate(layout.long_digit + std::max<u64>(1, digits.size()) * 4);
    put_word(object + layout.type, int_type);
    const i64 count = digits.size();
    const u64 sign = value < 0 ? 2 : value == 0 ? 1 : 0;
    put_word(object + layout.long_tag,
             layout.at_least(12) ? u64(count) << 3 | sign : u64(value < 0 ? -count : count));
    for (u64 i = 0; i < digits.size(); ++i) put<u32>(object + layout.long_digit + i * 4, digits[i]);
    return object;
}

u64 HeapBuilder::bytes(const std::string &content) {
    const u64 object = instance(bytes_type, content.size());
    put_word(object + layout.var_size, content.size());
    std::memcpy(reinterpret_cast<void *>(object + layout.bytes_sval), content.data(),
                content.size());
    return object;
}

u64 HeapBuilder::real(double value) {
    const u64 object = instance(float_type);
    put(object + layout.object_size, value);
    return object;
}

u64 HeapBuilder::tuple(const Objects &items) {
    const u64 object = instance(tuple_type, items.size() * 8);
    put_word(object + layout.var_size, items.size());
    for (u64 i = 0; i < items.size(); ++i) own(object + layout.tuple_item + i * 8, items[i]);
    return object;
}

u64 HeapBuilder::list(const Objects &items) {
    const u64 object = instance(list_type);
    const u64 buffer = data.allocate(items.size() * 8);
    put_word(object + layout.var_size, items.size());
    put_word(object + layout.list_allocated, items.size());
    put_word(object + layout.list_item, buffer);
    for (u64 i = 0; i < items.size(); ++i) own(buffer + i * 8, items[i]);
    return object;
}

u64 HeapBuilder::key_table(const Pairs &entries, bool only_text_keys, bool shared) {
    CHECK(entries.size() <= 5);  // what eight places hold
    const bool narrow = layout.at_least(11) && only_text_keys;
    const u64 stride = narrow ? 16 : 24, key_offset = narrow ? 0 : 8;
    const u64 keys = data.allocate(layout.dk_indices + kSmallIndices + 5 * stride);
    put_word(keys + layout.dk_refcnt, 1);
    if (present(layout.dk_log2_size)) {
        put<u8>(keys + layout.dk_log2_size, 3);
        put<u8>(keys + layout.dk_log2_index_bytes, 3);
        put<u8>(keys + layout.dk_kind, shared ? 2 : only_text_keys);
    } else {
        put_word(keys + layout.dk_size, 8);
        put_word(keys + layout.dk_lookup, only_text_keys ? kTextLookup : kGeneralLookup);
    }
    put_word(keys + layout.dk_usable, 5 - entries.size());
    put_word(keys + layout.dk_nentries, entries.size());
    u64 entry = keys + layout.dk_indices + kSmallIndices;
    for (const auto &[key, value] : entries) {
        own(entry + key_offset, key);
        if (value) own(entry + key_offset + 8, value);
        entry += stride;
    }
    return keys;
}

u64 HeapBuilder::dict(const Pairs &entries, bool only_text_keys) {
    const u64 object = instance(dict_type);
    put_word(object + layout.var_size, entries.size());
    put_word(object + layout.dict_keys, key_table(entries, only_text_keys, false));
    return object;
}

u64 HeapBuilder::split_dict(u64 python_class, const Objects &values) {
    const u64 object = instance(dict_type);
    const u64 keys = get_word(python_class + layout.ht_cached_keys);
    const u64 first = present(layout.dv_values) ? layout.dv_values : 0;
    const u64 block = data.allocate(first + values.size() * 8);
    put_word(keys + layout.dk_refcnt, get_word(keys + layout.dk_refcnt) + 1);
    put_word(object + layout.var_size, values.size());
    put_word(object + layout.dict_keys, keys);
    put_word(object + layout.dict_values, block);
    for (u64 i = 0; i < values.size(); ++i) own(block + first + i * 8, values[i]);
    return object;
}

u64 HeapBuilder::inline_instance(u64 python_class, const Objects &values) {
    CHECK(layout.at_least(12));
    const u64 first = layout.dv_values, bytes = first + values.size() * 8;
    const bool embedded = layout.at_least(13);
    const u64 object = instance(python_class, embedded ? bytes : 0);
    const u64 block = embedded ? object + basicsize_of(python_class) : data.allocate(bytes);
    if (embedded) {
        put<u8>(block + layout.dv_capacity, values.size());
        put<u8>(block + layout.dv_embedded, 1);
        put<u8>(block + layout.dv_valid, 1);
    } else {
        put_word(object - 24, block - 1);  // 3.12 tags the address of values by one less
    }
    for (u64 i = 0; i < values.size(); ++i) own(block + first + i * 8, values[i]);
    return object;
}

u64 HeapBuilder::set(const Objects &members) {
    constexpr u64 kPlaces = 8;
    CHECK(members.size() < kPlaces);
    const u64 object = instance(set_type);
    const u64 places = object + layout.set_smalltable;
    put_word(object + table.at("set.used"), members.size());
    put_word(object + layout.set_mask, kPlaces - 1);
    put_word(object + layout.set_table, places);
    for (u64 i = 0; i < members.size(); ++i) own(places + i * layout.set_entry_size, members[i]);
    return object;
}

}  // namespace heapgraph::test
