// Heaps without damage: every object, reference, size and name is found exactly.
#include <algorithm>

#include "tests.hpp"
#include "walked_heap.hpp"
#include "zoo.hpp"

namespace heapgraph::test {
namespace {

void check_values(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 small = heap.number(41), negative = heap.number(-7), zero = heap.number(0);
    const u64 large = heap.number(1234567890123456789), real = heap.real(2.0);
    const u64 text = heap.text("second"), wide = heap.text_of({0x41, 0xe9, 0x1f600}, 4);
    const u64 surrogate = heap.text_of({0xd800}, 2), long_text = heap.text(std::string(200, 'x'));
    const u64 bytes = heap.bytes(std::string("a'\n\0", 4));
    const u64 list =
        heap.list({small, negative, zero, large, real, text, wide, surrogate, long_text, bytes});
    WalkedHeap walked(heap);
    CHECK(walked.preview(small) == "41" && walked.preview(negative) == "-7" &&
          walked.preview(zero) == "0");
    CHECK(walked.preview(large) == "1234567890123456789");
    CHECK(walked.preview(real) == "2.0");
    CHECK(walked.preview(text) == "second" && walked.preview(wide) == "A\xc3\xa9\xf0\x9f\x98\x80");
    CHECK(walked.preview(surrogate) == "\xef\xbf\xbd");
    CHECK(walked.preview(long_text) == std::string(80, 'x') + "\xe2\x80\xa6");
    CHECK(walked.preview(bytes) == "b'a\\'\\x0a\\x00'");
    CHECK(walked.preview(list) == "(none)");
    // What sys.getsizeof says in the real interpreters.
    const bool old = !table.at_least(12);
    CHECK_EQUAL(walked.getsizeof_(small), 28);
    CHECK_EQUAL(walked.getsizeof_(zero), old ? 24 : 28);
    CHECK_EQUAL(walked.getsizeof_(large), 36 - (1234567890123456789 >> 60 ? 0 : 4));
    CHECK_EQUAL(walked.getsizeof_(real), 24);
    CHECK_EQUAL(walked.getsizeof_(text), old ? 55 : 47);
    CHECK_EQUAL(walked.getsizeof_(wide), old ? 88 : 72);
    CHECK_EQUAL(walked.getsizeof_(bytes), 37);
    CHECK_EQUAL(walked.getsizeof_(list), 56 + 10 * 8);
    walked.check_reference_counts();
}

void check_containers(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 one = heap.number(1), two = heap.text("two"), three = heap.text("three");
    const u64 tuple = heap.tuple({one, 0, two}), list = heap.list({two, tuple}),
              set = heap.set({one, two});
    const u64 dict = heap.dict({{two, one}, {three, list}}), mixed = heap.dict({{one, two}}, false);
    WalkedHeap walked(heap);
    // An empty place in a tuple is no reference; the others keep their positions.
    CHECK((walked.targets(tuple, EdgeKind::kIndex) == Objects{one, two}));
    CHECK_EQUAL(walked.references(tuple).back().label, 2);
    CHECK(
        (walked.references(tuple).front() == Found{EdgeKind::kType, kNoLabel, heap.tuple_type, 0}));
    CHECK((walked.targets(list, EdgeKind::kIndex) == Objects{two, tuple}));
    CHECK((walked.targets(set, EdgeKind::kMember) == Objects{one, two}));
    CHECK((walked.targets(dict, EdgeKind::kKey) == Objects{two, three}));
    CHECK((walked.targets(dict, EdgeKind::kValue) == Objects{one, list}));
    CHECK((walked.references(dict).back() ==
           Found{EdgeKind::kValue, walked.id(three), list, kOwned}));
    // The collector does not visit keys that are all str.
    CHECK_EQUAL(walked.reference(mixed, EdgeKind::kKey).flags, kOwned);
    if (table.at_least(11)) CHECK_EQUAL(walked.references(dict)[1].flags, kCounted);
    CHECK_EQUAL(walked.getsizeof_(tuple), table.at_least(14) ? 72 : 64);  // 3.14: its hash is kept
    CHECK_EQUAL(walked.getsizeof_(set), 216);
    CHECK_EQUAL(walked.getsizeof_(dict), table.at_least(11) ? 184 : 232);
    CHECK_EQUAL(walked.getsizeof_(mixed), table.at_least(11) ? 224 : 232);
    CHECK_EQUAL(walked.flags(list), kIsGc | kGcTracked);
    CHECK_EQUAL(walked.flags(two), 0);
    const u16 builtin = walked.flags(heap.list_type);
    CHECK_EQUAL(builtin & (kIsType | kStatic | kIsGc), kIsType | kStatic);
    CHECK_EQUAL(walked.shallow(heap.list_type), 0);
    walked.check_reference_counts();
}

void check_slots(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 base = heap.python_class("Point", heap.object_type, {"x", "y"});
    const u64 derived = heap.python_class("Point3", base, {"z"});
    const u64 point = heap.instance(derived), one = heap.number(1), two = heap.number(2);
    heap.own(point + 16, one);
    heap.own(point + 32, two);
    WalkedHeap walked(heap);
    const std::vector<Found> found = walked.references(point);
    CHECK_EQUAL(found.size(), 3);
    CHECK((found[0] == Found{EdgeKind::kType, kNoLabel, derived, kOwned}));
    for (const Found &reference : found) {
        if (reference.target == one)
            CHECK(reference.kind == EdgeKind::kSlot && walked.name(reference.label) == "x");
        if (reference.target == two)
            CHECK(reference.kind == EdgeKind::kSlot && walked.name(reference.label) == "z");
    }
    CHECK_EQUAL(walked.getsizeof_(point), 40 + 16);
    CHECK_EQUAL(walked.shallow(point), 40 + 16);
    const TypeInfo &type =
        *walked.walker().types().types()[walked.columns().type[walked.id(point)]];
    CHECK(type.is_python_class && type.tp_name == "Point3" &&
          type.builtin_base == heap.object_type);
    CHECK_EQUAL(walked.columns().refcount[walked.id(derived)],
                3);  // its instance, its own __mro__, and a C variable
    walked.check_reference_counts();
}

void check_attributes(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Zoo zoo = build_zoo(heap);
    WalkedHeap walked(heap);
    const std::string host = "host", port = "port";
    const auto check_pair = [&](const std::vector<Found> &found) {
        CHECK_EQUAL(found.size(), 3);
        CHECK(found[1].target == zoo.first && found[2].target == zoo.second);
        CHECK(walked.preview(walked.columns().address[found[1].label]) == host);
        CHECK(walked.preview(walked.columns().address[found[2].label]) == port);
    };
    if (zoo.with_values) {
        check_pair(walked.references(zoo.with_values));
        CHECK(walked.references(zoo.with_values)[1].kind == EdgeKind::kAttribute);
    }
    if (zoo.split_dict) check_pair(walked.references(zoo.split_dict));
    const u64 dict = walked.reference(zoo.with_dict, EdgeKind::kDict).target;
    CHECK(walked.targets(dict, EdgeKind::kValue).front() == zoo.first);
    // The names belong to the class, not to those who use them.
    CHECK_EQUAL(walked.targets(zoo.attribute_class, EdgeKind::kKey).size(), 2);
}

void check_c_structs(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Zoo zoo = build_zoo(heap);
    WalkedHeap walked(heap);
    CHECK_EQUAL(walked.counts().invalid_references, 0);
    CHECK_EQUAL(walked.counts().list_breaks, 0);
    CHECK_EQUAL(walked.counts().bytes_unreadable, 0);
    const Objects few{zoo.first, zoo.second, zoo.third};
    for (const u64 object : {zoo.deque, zoo.tee, zoo.node, zoo.record, zoo.array_of_objects}) {
        CHECK(walked.targets(object, EdgeKind::kIndex) == few);
    }
    CHECK_EQUAL(walked.targets(zoo.ordered, EdgeKind::kKey).size(), 2);
    if (present(heap.layout.zone_offsets)) CHECK(walked.targets(zoo.zone, EdgeKind::kField) == few);
    CHECK(walked.reference(zoo.opaque, EdgeKind::kUnnamed).target == zoo.list);
    CHECK(walked.reference(zoo.opaque, EdgeKind::kUnnamed).label == 32);
    CHECK((walked.reference(zoo.weak, EdgeKind::kWeak).target == zoo.list));
    CHECK_EQUAL(walked.reference(zoo.weak, EdgeKind::kWeak).flags, 0);
    CHECK(walked.preview(zoo.code) == "run (app.py:7)");
    CHECK_EQUAL(walked.targets(zoo.cache, EdgeKind::kField).size(),
                6);  // two links, their keys and results
    for (const u64 holder : {zoo.frame, zoo.generator}) {
        const bool inside = table.at_least(11) || holder == zoo.frame;
        CHECK_EQUAL(walked.targets(holder, EdgeKind::kLocal).size(), inside ? 2 : 0);
        CHECK_EQUAL(walked.targets(holder, EdgeKind::kStack).size(), inside ? 1 : 0);
    }
    walked.check_reference_counts();
}

// Memory behind C++ objects and tables of C modules, and what lies there that is none of theirs.
void check_owned_blocks(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 kept = heap.text("kept"), one = heap.number(1001), two = heap.text("two"),
              other = heap.text("other");
    const u64 bound = build_bound(heap, kept, {one, two}, other);
    const u64 hash_table = build_hash_table(heap, {one, two, kept}, other);
    const u64 three = heap.number(1003), four = heap.number(1004), five = heap.number(1005);
    const u64 later = build_bound(heap, three, {four, five}, other);
    heap.list({bound, hash_table, later, other});
    // Unwritten words of the C++ object, in which somebody's vector over the buckets is left, and a
    // pointer behind it.
    const u64 object = get_word(bound + 16), buckets = get_word(get_word(hash_table + 24) + 24);
    const u64 unwritten = object + kBoundBytes / 2;
    put_word(unwritten, buckets);
    put_word(unwritten + 8, buckets + 16);
    put_word(unwritten + 16, buckets + 48);
    put_word(object + kBoundBytes, three);
    WalkedHeap walked(heap);
    CHECK((walked.targets(bound, EdgeKind::kUnnamed) == Objects{kept, one, two}));
    CHECK((walked.targets(later, EdgeKind::kUnnamed) == Objects{three, four, five}));
    CHECK((walked.targets(hash_table, EdgeKind::kKey) == Objects{one, two, kept}));
    // What malloc gave for the table, its bits and its six buckets; the C++ object is no memory of
    // Python's.
    CHECK_EQUAL(walked.shallow(hash_table), 48 + 40 + 24 + 56);
    CHECK_EQUAL(walked.shallow(bound), 32);
    walked.check_reference_counts();
}

// The last word of a block may be a field, or left by others: it is a field where more objects of
// the type have something there.
void check_last_words_of_blocks(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Objects items{heap.number(1001), heap.number(1002)};
    const u64 type = heap.static_type({.name = "pybind11_object", .basicsize = 32});
    const u64 larger = heap.instance(type), one = heap.instance(type), other = heap.instance(type);
    const u64 left = heap.allocate_chunk(56);
    put_word(larger + 16, left);
    put_word(left + 48, items[0]);
    for (const u64 each : {one, other}) {
        const u64 block = heap.allocate_chunk(24);
        put_word(each + 16, block);
        heap.own(block + 16, items[each == other]);
    }
    heap.list({larger, one, other});
    WalkedHeap walked(heap);
    CHECK(walked.targets(larger, EdgeKind::kUnnamed).empty());
    CHECK((walked.targets(one, EdgeKind::kUnnamed) == Objects{items[0]}));
    CHECK((walked.targets(other, EdgeKind::kUnnamed) == Objects{items[1]}));
    walked.check_reference_counts();
}

// The block that begins with an object is the object's, however little its type says; what an
// allocator gives beyond what it was asked for is nobody's, and a block of several objects not the
// first one's.
void check_bytes_behind(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 type = heap.static_type({.name = "extension.Buffer", .basicsize = 48});
    const auto made = [&](u64 at, u64 of_type) {
        put_word(at + heap.layout.refcount, 1);
        put_word(at + heap.layout.type, of_type);
        return at;
    };
    const u64 large = made(heap.allocate_chunk(4000), type),
              tight = made(heap.allocate_chunk(48), type);
    const u64 slab = made(heap.allocate_chunk(4000), type), second = made(slab + 2000, type);
    const u64 classed = heap.python_class("Buffer", type, {});
    const u64 derived = made(heap.allocate_chunk(4000), classed);
    heap.list({large, tight, slab, second, derived});
    WalkedHeap walked(heap);
    CHECK_EQUAL(walked.getsizeof_(large), 48);
    CHECK_EQUAL(walked.shallow(large), 4008);
    CHECK_EQUAL(walked.shallow(tight), 48);
    CHECK_EQUAL(walked.shallow(slab), 48);
    CHECK_EQUAL(walked.shallow(second), 48);
    CHECK_EQUAL(walked.shallow(derived), walked.getsizeof_(derived));
}

// A stack that no thread runs is that of its greenlet: the frames' objects, and what frames without
// one refer to.
void check_suspended_stacks(const LayoutTable &table) {
    if (!table.at_least(11)) return;
    for (const bool runs : {false, true}) {
        HeapBuilder heap(table);
        Objects things;
        for (u64 i = 0; i < 8; ++i) things.push_back(heap.number(1000 + i));
        const u64 code = build_code(heap, {heap.text("left"), heap.text("right")});
        const Stack stack = build_stack(heap, code,
                                        {{things[0], things[1]},
                                         {things[2], things[3]},
                                         {things[4], things[5]},
                                         {things[6], things[7]}});
        const u64 outer = stack.objects.front(), inner = stack.objects.back();
        if (runs) {
            heap.running_frames = stack.frames;
            heap.list(stack.objects);
        }
        heap.list({stack.greenlet, code, heap.tuple(things)});
        WalkedHeap walked(heap);
        const Objects none;
        CHECK(walked.targets(stack.greenlet, EdgeKind::kLocal) ==
              (runs ? none : Objects{things[2], things[3], things[4], things[5]}));
        CHECK(walked.targets(outer, EdgeKind::kLocal) ==
              (runs ? none : Objects{things[0], things[1]}));
        CHECK(walked.targets(inner, EdgeKind::kLocal) ==
              (runs ? none : Objects{things[6], things[7]}));
        if (runs) continue;
        walked.check_reference_counts();
        // The middle frames come with the code that they run.
        CHECK((walked.targets(stack.greenlet, EdgeKind::kField) ==
               Objects{outer, code, code, inner}));
        CHECK((walked.targets(stack.greenlet, EdgeKind::kUnnamed) == Objects{inner}));
    }
}

}  // namespace

void test_objects(const LayoutTable &table) {
    check_values(table);
    check_containers(table);
    check_slots(table);
    check_attributes(table);
    check_c_structs(table);
    check_owned_blocks(table);
    check_last_words_of_blocks(table);
    check_bytes_behind(table);
    check_suspended_stacks(table);
}

}  // namespace heapgraph::test
