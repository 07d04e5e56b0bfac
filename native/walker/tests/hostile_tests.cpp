// Numbers that cannot be true, and structures that never end: each must cost no more than a true
// heap.
#include <algorithm>
#include <chrono>
#include <limits>

#include "tests.hpp"
#include "walked_heap.hpp"
#include "zoo.hpp"

namespace heapgraph::test {
namespace {

constexpr u64 kAbsurd[] = {1ull << 20, 1ull << 32, 1ull << 40,       1ull << 58,
                           1ull << 60, 1ull << 61, 1ull << 62,       1ull << 63,
                           ~u64{0},    ~u64{7},    (1ull << 61) + 1, (1ull << 63) - 1};

// Puts every absurd number into a word, walks, and expects no more references than `most` from the
// object.
void damage_word(HeapBuilder &heap, u64 word, u64 object, u64 most) {
    const u64 before = get_word(word);
    for (const u64 number : kAbsurd) {
        put_word(word, number);
        WalkedHeap walked(heap);
        if (walked.has(object)) CHECK(walked.references(object).size() <= most);
    }
    put_word(word, before);
}

void check_absurd_counts(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Zoo zoo = build_zoo(heap);
    const Layout &at = heap.layout;
    for (const u64 object : {zoo.list, zoo.dict, zoo.mixed_dict, zoo.node, zoo.record, zoo.first,
                             zoo.third, zoo.ordered, zoo.slotted_class, zoo.code}) {
        damage_word(heap, object + at.var_size, object, 64);
    }
    damage_word(heap, zoo.list + at.list_allocated, zoo.list, 6);
    damage_word(heap, zoo.second + at.uni_length, zoo.second, 1);
    damage_word(heap, zoo.deque + at.deque_len, zoo.deque, 1 + 1 + 64 * 2);
    damage_word(heap, zoo.deque + at.deque_leftindex, zoo.deque, 5);
    damage_word(heap, zoo.array_of_objects + at.ndarray_nd, zoo.array_of_objects, 8);
    damage_word(heap, get_word(zoo.array_of_objects + at.ndarray_dimensions), zoo.array_of_objects,
                8);
    damage_word(heap, zoo.tee + at.tee_numread, zoo.tee, 64);
    damage_word(heap, get_word(zoo.bound + 16) - 8, zoo.bound, 8);
    damage_word(heap, get_word(zoo.bound + 16) + 16, zoo.bound, 8);
    damage_word(heap, get_word(zoo.hash_table + 24), zoo.hash_table, 64 * kPage / 8);
    if (present(at.zone_offsets_count))
        damage_word(heap, zoo.zone + at.zone_offsets_count, zoo.zone, 8);
    damage_word(heap, zoo.queue + 48, zoo.queue, 8);
    damage_word(heap, zoo.queue + 56, zoo.queue, 8);
    damage_word(heap, zoo.module + at.module_state, zoo.module, 8);
    for (const i64 field : {at.code_stacksize, at.code_nlocals, at.code_nlocalsplus}) {
        if (present(field)) damage_word(heap, zoo.code + field, zoo.frame, 8192);
    }
    // The interpreter frame's depth, or its stack pointer.
    for (const i64 field : {at.frame_stacktop, at.frame_valuestack}) {
        if (present(field)) damage_word(heap, zoo.frame + field, zoo.frame, 64);
    }
}

void check_absurd_key_tables(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Zoo zoo = build_zoo(heap);
    const Layout &at = heap.layout;
    const u64 keys = get_word(zoo.dict + at.dict_keys);
    damage_word(heap, keys + at.dk_nentries, zoo.dict, 3 * 64 * kPage / 16);
    damage_word(heap, keys + at.dk_usable, zoo.dict, 16);
    damage_word(heap, get_word(zoo.attribute_class + at.ht_cached_keys) + at.dk_nentries,
                zoo.slotted, 8);
    if (!present(at.dk_log2_size)) return damage_word(heap, keys + at.dk_size, zoo.dict, 16);
    for (const u8 log2 : {0, 17, 40, 62, 63, 64, 127, 255}) {
        put<u8>(keys + at.dk_log2_size, log2);
        put<u8>(keys + at.dk_log2_index_bytes, log2);
        WalkedHeap walked(heap);
        CHECK(walked.references(zoo.dict).size() <= 16);
    }
}

// Sizes and offsets that a damaged class tells.
void check_absurd_types(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Zoo zoo = build_zoo(heap);
    const Layout &at = heap.layout;
    const u64 opaque_type = heap.type_of(zoo.opaque);
    for (const i64 field : {at.tp_basicsize, at.tp_itemsize, at.tp_dictoffset, at.tp_weaklistoffset,
                            at.tp_base, at.tp_members, at.tp_name, at.tp_flags}) {
        damage_word(heap, zoo.slotted_class + field, zoo.slotted, 64);
        damage_word(heap, opaque_type + field, zoo.opaque, 64);
        damage_word(heap, heap.object_type + field, zoo.slotted, 64);
        damage_word(heap, heap.tuple_type + field, zoo.record, 64);
    }
    // Where a member says it lies.
    const u64 member = get_word(zoo.slotted_class + at.tp_members);
    damage_word(heap, member + 16, zoo.slotted, 8);
    damage_word(heap, get_word(heap.type_of(zoo.record) + at.tp_members) + 16, zoo.record, 8);
    // A dict counted from the end of an object whose length is absurd.
    HeapBuilder other(table);
    const u64 type = other.static_type(
        {.name = "extension.Sized", .basicsize = 24, .itemsize = 1 << 16, .dictoffset = -8});
    const u64 sized = other.hold(other.instance(type));
    other.list({sized});
    damage_word(other, sized + at.var_size, sized, 8);
}

// An extension class between a Python class and a builtin one: only its own size was never looked
// at.
void check_absurd_base(const LayoutTable &table) {
    for (const u64 basicsize : kAbsurd) {
        HeapBuilder heap(table);
        const u64 base = heap.static_type({.name = "extension.Base", .basicsize = 32});
        const u64 derived = heap.python_class("Derived", base, {});
        const u64 object = heap.instance(derived);
        put_word(base + heap.layout.tp_basicsize, basicsize);
        WalkedHeap walked(heap);
        CHECK(walked.references(object).size() <= 8);
    }
}

void check_type_loops(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Layout &at = heap.layout;
    const u64 first = heap.python_class("First", heap.object_type, {"a"});
    const u64 second = heap.python_class("Second", first, {"b"});
    const u64 object = heap.instance(second);
    put_word(first + at.tp_base, second);  // the base chain loops
    WalkedHeap bases(heap);
    CHECK(bases.has(object));
    put_word(first + at.tp_base, first);
    WalkedHeap own_base(heap);
    CHECK(own_base.has(object));
    // Each the type of the other: no chain of types ends in `type`, but both pass for classes.
    put_word(first + at.type, second);
    put_word(second + at.type, first);
    WalkedHeap types(heap);
    put_word(heap.type_type + at.type,
             heap.int_type);  // `type` is no type any more: nothing is one
    WalkedHeap none(heap);
    CHECK(!none.has(heap.list_type));
}

void check_containers_of_themselves(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 list = heap.list({0, 0}), tuple = heap.tuple({0}), key = heap.text("me");
    const u64 dict = heap.dict({{key, list}});
    heap.own(get_word(list + heap.layout.list_item), list);
    heap.own(get_word(list + heap.layout.list_item) + 8, tuple);
    heap.own(tuple + heap.layout.tuple_item, tuple);
    // A dict whose key table is the dict, and a list whose items are the list.
    WalkedHeap walked(heap);
    CHECK((walked.targets(list, EdgeKind::kIndex) == Objects{list, tuple}));
    walked.check_reference_counts();
    put_word(dict + heap.layout.dict_keys, dict);
    put_word(list + heap.layout.list_item, list);
    WalkedHeap odd(heap);
    CHECK(odd.has(dict) && odd.has(list));
}

// Chains of C structs that lead back into themselves without passing their start.
void check_looping_chains(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Layout &at = heap.layout;
    const u64 value = heap.number(1);
    const u64 deque = build_deque(heap, Objects(100, value));
    Pairs results;
    for (int i = 0; i < 20; ++i) results.emplace_back(heap.text("key" + std::to_string(i)), value);
    const u64 cache = build_cache(heap, results);
    WalkedHeap sound(heap);
    CHECK_EQUAL(sound.targets(deque, EdgeKind::kIndex).size(), 100);
    CHECK_EQUAL(sound.targets(cache, EdgeKind::kField).size(), 60);
    const u64 first_block = get_word(deque + at.deque_leftblock);
    const u64 second_block = get_word(first_block + at.deque_block_rightlink);
    put_word(get_word(second_block + at.deque_block_rightlink) + at.deque_block_rightlink,
             second_block);
    put_word(deque + at.deque_len, 1ull << 40);
    u64 link = cache;
    for (int i = 0; i < 5; ++i) link = get_word(link + at.lru_elem_next);
    const u64 into = link;
    for (int i = 0; i < 10; ++i) link = get_word(link + at.lru_elem_next);
    put_word(link + at.lru_elem_next, into);
    WalkedHeap looping(heap);
    CHECK(looping.references(deque).size() < 2000);
    CHECK(looping.references(cache).size() < 400);
    put_word(second_block + at.deque_block_rightlink, second_block);
    put_word(into + at.lru_elem_next, into);
    WalkedHeap tight(heap);
    CHECK(tight.references(deque).size() < 2000);
    CHECK(tight.references(cache).size() < 400);
}

}  // namespace

void test_hostile_structures(const LayoutTable &table) {
    check_absurd_counts(table);
    check_absurd_key_tables(table);
    check_absurd_types(table);
    check_absurd_base(table);
    check_type_loops(table);
    check_containers_of_themselves(table);
    check_looping_chains(table);
}

void test_deep_nesting(const LayoutTable &table) {
    constexpr u64 kDepth = 1000000;
    HeapBuilder heap(table, kDepth * 80 / kPage + 64);
    u64 list = heap.list({});
    for (u64 i = 1; i < kDepth; ++i) list = heap.list({list});
    put_word(heap.gc_head, heap.gc_head);  // only the outermost is known by name
    put_word(heap.gc_head + 8, heap.gc_head);
    WalkedHeap walked(heap, {heap.hold(list)});
    CHECK_EQUAL(walked.targets(heap.list_type, EdgeKind::kType).size(), 1);
    u64 lists = 0;
    const auto &types = walked.columns().type;
    for (u64 id = 0, wanted = types[walked.id(list)]; id < types.size(); ++id)
        lists += types[id] == wanted;
    CHECK_EQUAL(lists, kDepth);
    CHECK_EQUAL(walked.counts().invalid_references, 0);
}

}  // namespace heapgraph::test
