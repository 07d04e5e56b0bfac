#include "zoo.hpp"

namespace heapgraph::test {
namespace {

using type_flag::kHaveGc;

constexpr u32 kCode = 0x11;       // any number that is not zero
constexpr i32 kObjectArray = 17;  // NPY_OBJECT

u64 build_ordered(HeapBuilder &heap, u64 key, u64 value) {
    const i64 own = heap.layout.dict_size;
    const u64 type = heap.static_type({.name = "collections.OrderedDict",
                                       .base = heap.dict_type,
                                       .basicsize = own + 64,
                                       .flags = kHaveGc | type_flag::kDict});
    const u64 object = heap.instance(type);
    put_word(object + heap.layout.var_size, 1);
    put_word(object + heap.layout.dict_keys, heap.key_table({{key, value}}, true, false));
    const u64 node = heap.data.allocate(32);
    heap.own(node + heap.layout.odict_node_key, key);
    put_word(object + own + heap.layout.odict_first, node);
    heap.own(object + own + heap.layout.odict_inst_dict, heap.dict({}));
    return object;
}

u64 build_tee(HeapBuilder &heap, const Objects &items) {
    const i64 values = heap.layout.tee_values;
    const u64 type = heap.static_type({.name = "itertools._tee_dataobject",
                                       .basicsize = values + heap.table.at("tee.values_slots") * 8,
                                       .flags = kHaveGc});
    const u64 object = heap.instance(type);
    put<i32>(object + heap.layout.tee_numread, items.size());
    for (u64 i = 0; i < items.size(); ++i) heap.own(object + values + i * 8, items[i]);
    return object;
}

u64 build_node(HeapBuilder &heap, const Objects &items) {
    const u64 type = heap.static_type(
        {.name = "hamt_bitmap_node", .basicsize = 32, .itemsize = 8, .flags = kHaveGc});
    const u64 object = heap.instance(type, items.size() * 8);
    put_word(object + heap.layout.var_size, items.size());
    for (u64 i = 0; i < items.size(); ++i) heap.own(object + 32 + i * 8, items[i]);
    return object;
}

u64 build_module(HeapBuilder &heap, u64 kept) {
    const Layout &at = heap.layout;
    const u64 type = heap.static_type({.name = "module",
                                       .basicsize = heap.table.at("module.name") + 40,
                                       .flags = kHaveGc,
                                       .dictoffset = at.module_dict});
    const u64 module = heap.instance(type);
    const u64 state = heap.data.allocate(32), definition = heap.data.allocate(104);
    heap.own(module + at.module_dict, heap.dict({{heap.text("kept"), kept}}));
    heap.own(state + 8, kept);
    put_word(module + at.module_state, state);
    put_word(definition + 56, 32);                            // m_size
    put_word(definition + 80, HeapBuilder::kBuiltinDealloc);  // m_traverse
    put_word(module + at.module_def, definition);
    return module;
}

// A C type without a rule: its words are scanned.
u64 build_opaque(HeapBuilder &heap, u64 kept) {
    const u64 type =
        heap.static_type({.name = "extension.Opaque", .basicsize = 64, .flags = kHaveGc});
    const u64 object = heap.instance(type);
    put_word(object + 24, 12345);
    heap.own(object + 32, kept);
    return object;
}

// A struct sequence: three items, of which len() counts two; the type's members know all.
u64 build_record(HeapBuilder &heap, const Objects &items) {
    const i64 first = heap.layout.tuple_item;
    const u64 type = heap.static_type({.name = "os.stat_result",
                                       .base = heap.tuple_type,
                                       .basicsize = first,
                                       .itemsize = 8,
                                       .flags = kHaveGc | type_flag::kTuple});
    const u64 members = heap.statics.allocate((items.size() + 1) * 40);
    for (u64 i = 0; i < items.size(); ++i) {
        put_word(members + i * 40, get_word(heap.object_type + heap.layout.tp_name));
        put<i32>(members + i * 40 + 8, 6);
        put_word(members + i * 40 + 16, first + i * 8);
    }
    put_word(type + heap.layout.tp_members, members);
    const u64 object = heap.instance(type, items.size() * 8);
    put_word(object + heap.layout.var_size, items.size() - 1);
    for (u64 i = 0; i < items.size(); ++i) heap.own(object + first + i * 8, items[i]);
    return object;
}

u64 build_element(HeapBuilder &heap, u64 tag, u64 child) {
    const u64 type = heap.static_type(
        {.name = "xml.etree.ElementTree.Element", .basicsize = 56, .flags = kHaveGc});
    const u64 object = heap.instance(type), extra = heap.data.allocate(64);
    heap.own(object + 16, tag);
    put_word(object + 40, extra);
    put_word(extra + 8, 1);
    put_word(extra + 16, 4);
    put_word(extra + 24, extra + 32);
    heap.own(extra + 32, child);
    return object;
}

// A zone with one offset from UTC.
u64 build_zone(HeapBuilder &heap, const Objects &offset) {
    const Layout &at = heap.layout;
    const u64 type = heap.static_type({.name = "zoneinfo.ZoneInfo", .basicsize = 208});
    const u64 object = heap.instance(type);
    if (!present(at.zone_offsets)) return object;
    const u64 offsets = heap.data.allocate(at.zone_offset_size);
    put_word(object + at.zone_offsets, offsets);
    put_word(object + at.zone_offsets_count, 1);
    heap.own(offsets + at.zone_utcoff, offset[0]);
    heap.own(offsets + at.zone_dstoff, offset[1]);
    heap.own(offsets + at.zone_tzname, offset[2]);
    return object;
}

u64 build_queue(HeapBuilder &heap, const Objects &items) {
    const u64 type =
        heap.static_type({.name = "_queue.SimpleQueue", .basicsize = 72, .flags = kHaveGc});
    const u64 object = heap.instance(type);
    if (!heap.layout.at_least(13)) {
        heap.own(object + 32, heap.list(items));
        return object;
    }
    const u64 ring = heap.data.allocate(items.size() * 8);
    put_word(object + 32, 1);
    put_word(object + 40, ring);
    put_word(object + 48, items.size());
    put_word(object + 56, items.size());
    for (u64 i = 0; i < items.size(); ++i) heap.own(ring + (i + 1) % items.size() * 8, items[i]);
    return object;
}

void build_classes(HeapBuilder &heap, Zoo &zoo) {
    const Layout &at = heap.layout;
    zoo.slotted_class = heap.python_class("Point", heap.object_type, {"x", "y"});
    zoo.slotted = heap.instance(zoo.slotted_class);
    heap.own(zoo.slotted + 16, zoo.first);
    heap.own(zoo.slotted + 24, zoo.second);
    if (at.at_least(12)) {
        const u64 managed =
            type_flag::kManagedDict | (at.at_least(13) ? type_flag::kInlineValues : 0);
        zoo.attribute_class = heap.python_class("Config", heap.object_type, {}, managed);
        heap.share_names(zoo.attribute_class, {heap.text("host"), heap.text("port")});
        zoo.with_values = heap.inline_instance(zoo.attribute_class, {zoo.first, zoo.second});
        zoo.with_dict = heap.instance(
            heap.python_class("Loose", heap.object_type, {}, type_flag::kManagedDict));
        heap.own(zoo.with_dict - 24, heap.dict({{heap.text("host"), zoo.first}}));
        return;
    }
    zoo.attribute_class = heap.python_class("Config", heap.object_type, {"__dict__"});
    put_word(zoo.attribute_class + at.tp_dictoffset, 16);
    put_word(zoo.attribute_class + at.tp_members, 0);  // CPython has no member for a dict
    heap.share_names(zoo.attribute_class, {heap.text("host"), heap.text("port")});
    zoo.with_dict = heap.instance(zoo.attribute_class);
    zoo.split_dict = heap.split_dict(zoo.attribute_class, {zoo.first, zoo.second});
    heap.own(zoo.with_dict + 16, zoo.split_dict);
}

void build_buffers(HeapBuilder &heap) {
    const u64 buffer = heap.data.allocate(128);
    const u64 array = heap.instance(heap.static_type({.name = "array.array", .basicsize = 64}));
    put_word(array + 24, buffer);
    put_word(array + 32, 16);
    put_word(array + 40, buffer);
    put<i32>(buffer + 4, 8);
    const u64 bytearray = heap.instance(heap.static_type({.name = "bytearray", .basicsize = 56}));
    put_word(bytearray + heap.layout.bytearray_alloc, 64);
    const u64 format = heap.instance(heap.static_type({.name = "_struct.Struct", .basicsize = 56}));
    put_word(format + 32, buffer);
    put_word(buffer + 32, kCode);
    heap.list({array, bytearray, format});
}

}  // namespace

u64 build_deque(HeapBuilder &heap, const Objects &items) {
    const Layout &at = heap.layout;
    const i64 slots = at.deque_block_slots;
    const u64 type = heap.static_type(
        {.name = "collections.deque", .basicsize = at.deque_rightindex + 32, .flags = kHaveGc});
    const u64 deque = heap.instance(type);
    put_word(deque + at.deque_len, items.size());
    put_word(deque + at.deque_leftindex,
             slots - 1);  // the first item fills the last slot of a block
    u64 link = deque + at.deque_leftblock;
    u64 block = 0;
    for (u64 i = 0; i < items.size(); ++i) {
        const i64 slot = (slots - 1 + i) % slots;
        if (i == 0 || slot == 0) {
            block = heap.data.allocate(at.deque_block_rightlink + 8);
            put_word(link, block);
            link = block + at.deque_block_rightlink;
        }
        heap.own(block + at.deque_block_data + slot * 8, items[i]);
    }
    put_word(deque + at.deque_rightblock, block);
    return deque;
}

u64 build_cache(HeapBuilder &heap, const Pairs &results) {
    const Layout &at = heap.layout;
    const u64 link_type =
        heap.static_type({.name = "functools._lru_list_elem", .basicsize = at.lru_elem_result + 8});
    const u64 type = heap.static_type(
        {.name = "functools._lru_cache_wrapper", .basicsize = 112, .flags = kHaveGc});
    const u64 cache = heap.instance(type);
    u64 last = cache;
    for (const auto &[key, result] : results) {
        const u64 link = heap.instance(link_type);
        heap.own(link + at.lru_elem_key, key);
        heap.own(link + at.lru_elem_result, result);
        heap.own(last + at.lru_elem_next, link);  // the chain owns each link once
        last = link;
    }
    put_word(last + at.lru_elem_next, cache);
    return cache;
}

u64 build_object_array(HeapBuilder &heap, const Objects &items) {
    const Layout &at = heap.layout;
    const u64 type = heap.static_type({.name = "numpy.ndarray", .basicsize = 96});
    const u64 descr = heap.instance(heap.static_type({.name = "numpy.dtype", .basicsize = 64}));
    put<i32>(descr + 28, kObjectArray);
    put_word(descr + 40, 8);
    const u64 array = heap.instance(type);
    // Every second word is an element; the others are no references.
    const u64 shape = heap.data.allocate(8), stride = heap.data.allocate(8);
    const u64 elements = heap.data.allocate(items.size() * 16);
    put_word(shape, items.size());
    put_word(stride, 16);
    put_word(array + at.ndarray_data, elements);
    put<i32>(array + at.ndarray_nd, 1);
    put_word(array + at.ndarray_dimensions, shape);
    put_word(array + at.ndarray_strides, stride);
    heap.own(array + at.ndarray_descr, descr);
    put<i32>(array + at.ndarray_flags, 4);
    for (u64 i = 0; i < items.size(); ++i) {
        heap.own(elements + i * 16, items[i]);
        put_word(elements + i * 16 + 8, descr);
    }
    return array;
}

// The object keeps one reference itself and some in a vector, behind whose end lies what others
// left.
u64 build_bound(HeapBuilder &heap, u64 kept, const Objects &items, u64 stale) {
    const u64 object =
        heap.instance(heap.static_type({.name = "pybind11_object", .basicsize = 32}));
    const u64 cpp = heap.allocate_chunk(kBoundBytes),
              storage = heap.allocate_chunk((items.size() + 1) * 8);
    put_word(object + 16, cpp);
    heap.own(cpp, kept);
    put_word(cpp + 8, storage);
    put_word(cpp + 16, storage + items.size() * 8);
    put_word(cpp + 24, storage + (items.size() + 1) * 8);
    for (u64 i = 0; i < items.size(); ++i) heap.own(storage + i * 8, items[i]);
    put_word(storage + items.size() * 8, stale);
    return object;
}

// Every second bucket is empty, and holds what others left.
u64 build_hash_table(HeapBuilder &heap, const Objects &keys, u64 stale) {
    const u64 object = heap.instance(
        heap.static_type({.name = "pandas._libs.hashtable.PyObjectHashTable", .basicsize = 48}));
    const u64 table = heap.allocate_chunk(40), empty = heap.allocate_chunk(8),
              buckets = 2 * keys.size();
    const u64 slots = heap.allocate_chunk(buckets * 8);
    put_word(object + 24, table);
    put<i32>(table, buckets);
    put_word(table + 16, empty);
    put_word(table + 24, slots);
    put<u32>(empty, 0xaaaaaaaa);
    for (u64 i = 0; i < keys.size(); ++i) {
        heap.own(slots + i * 16, keys[i]);
        put_word(slots + i * 16 + 8, stale);
    }
    return object;
}

Zoo build_zoo(HeapBuilder &heap) {
    Zoo zoo;
    zoo.first = heap.number(41), zoo.second = heap.text("second"), zoo.third = heap.bytes("third");
    const Objects few{zoo.first, zoo.second, zoo.third};
    const u64 wide = heap.text_of({0x41, 0x1f600}, 4), real = heap.real(2.5);
    zoo.list = heap.list({zoo.first, heap.tuple(few), heap.set(few), wide, real});
    zoo.dict = heap.dict({{zoo.second, zoo.list}, {heap.text("key"), zoo.first}});
    zoo.mixed_dict = heap.dict({{zoo.first, zoo.second}}, false);
    build_classes(heap, zoo);
    zoo.deque = build_deque(heap, few);
    zoo.ordered = build_ordered(heap, heap.text("only"), zoo.third);
    zoo.cache = build_cache(heap, {{heap.text("a"), zoo.first}, {heap.text("b"), zoo.second}});
    zoo.tee = build_tee(heap, few);
    zoo.node = build_node(heap, few);
    zoo.array_of_objects = build_object_array(heap, few);
    zoo.queue = build_queue(heap, few);
    zoo.bound = build_bound(heap, zoo.first, {zoo.second, zoo.third}, zoo.list);
    zoo.hash_table = build_hash_table(heap, few, zoo.list);
    zoo.record = build_record(heap, few);
    zoo.code = build_code(heap, {heap.text("left"), heap.text("right")});
    zoo.frame = build_frame(heap, zoo.code, few);
    zoo.generator = build_generator(heap, zoo.code, heap.text("run"), few);
    if (heap.table.at_least(11))
        heap.list({build_stack(heap, zoo.code, {few, {zoo.first}, few}).greenlet});
    zoo.module = build_module(heap, zoo.first);
    zoo.opaque = build_opaque(heap, zoo.list);
    zoo.element = build_element(heap, zoo.second, zoo.dict);
    zoo.zone = build_zone(heap, few);
    build_buffers(heap);
    const u64 weak = heap.static_type(
        {.name = "weakref.ReferenceType", .basicsize = heap.table.at("wr.size"), .flags = kHaveGc});
    zoo.weak = heap.instance(weak);
    put_word(zoo.weak + heap.layout.wr_object, zoo.list);
    heap.own(zoo.weak + heap.layout.wr_callback, zoo.slotted);
    const u64 view = heap.static_type({.name = "memoryview", .basicsize = 136, .flags = kHaveGc});
    zoo.view = heap.instance(view);
    heap.own(zoo.view + heap.layout.memoryview_mbuf, zoo.third);
    zoo.moment = heap.instance(heap.static_type({.name = "datetime.datetime", .basicsize = 48}));
    put<u8>(zoo.moment + 24, 1);
    heap.own(zoo.moment + 40, zoo.first);
    heap.list({zoo.moment, zoo.zone, zoo.array_of_objects, zoo.bound, zoo.hash_table});
    return zoo;
}

}  // namespace heapgraph::test
