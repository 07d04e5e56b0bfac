// What lies at the borders of regions, in holes, or nowhere; and the collector's lists.
#include <unistd.h>

#include <algorithm>

#include "tests.hpp"
#include "walked_heap.hpp"

namespace heapgraph::test {
namespace {

Ranges regions_of(const HeapBuilder &heap, std::initializer_list<u64> cuts_in_data) {
    Ranges regions{{heap.statics.start(), heap.statics.end()}};
    u64 start = heap.data.start();
    for (const u64 cut : cuts_in_data) {
        regions.emplace_back(start, cut);
        start = cut;
    }
    regions.emplace_back(start, heap.data.end());
    std::sort(regions.begin(), regions.end());
    return regions;
}

void check_end_of_region(const LayoutTable &table) {
    HeapBuilder heap(table, 4);
    const u64 list = heap.list({0, 0});
    // Objects begin at multiples of 16: as many items as make the last one end with the region.
    const Objects items(heap.layout.tuple_item % 16 ? 1 : 2, heap.number(1));
    const u64 size = heap.layout.tuple_item + items.size() * 8;
    heap.data.leave_only(16 + size);
    const u64 last = heap.tuple(items);
    CHECK_EQUAL(last + size, heap.data.end());
    heap.own(get_word(list + heap.layout.list_item), last);
    WalkedHeap walked(heap);
    CHECK(walked.targets(list, EdgeKind::kIndex) == Objects{last});
    CHECK(walked.targets(last, EdgeKind::kIndex) == items);
    CHECK_EQUAL(walked.getsizeof_(last), 16 + size);
    put_word(last + heap.layout.var_size,
             items.size() + 1);  // now it would reach out of the region
    WalkedHeap beyond(heap);
    CHECK_EQUAL(beyond.targets(last, EdgeKind::kIndex).size(), 0);
}

// A compact ASCII string is smaller than the basic size of its type.
void check_text_at_end(const LayoutTable &table) {
    HeapBuilder heap(table, 4);
    const u64 list = heap.list({0});
    heap.data.leave_only((heap.layout.uni_ascii_size + 4 + 15) / 16 * 16);
    const u64 text = heap.text("end");
    heap.own(get_word(list + heap.layout.list_item), text);
    WalkedHeap walked(heap);
    CHECK(walked.targets(list, EdgeKind::kIndex) == Objects{text});
    CHECK(walked.preview(text) == "end");
    CHECK_EQUAL(walked.getsizeof_(text), heap.layout.uni_ascii_size + 4);
}

// A static type has less than the basic size of `type`, which is that of heap types.
void check_static_type_at_end(const LayoutTable &table) {
    HeapBuilder heap(table, 4);
    const u64 size = (heap.layout.tp_size + 15) / 16 * 16;
    const u64 type = heap.static_type({.name = "extension.Last", .basicsize = 32});
    const u64 object = heap.instance(type);
    heap.statics.leave_only(size);
    const u64 last = heap.statics.allocate(size);
    CHECK_EQUAL(last + size, heap.statics.end());
    for (i64 at = 0; at < heap.layout.tp_size; at += 8) put_word(last + at, get_word(type + at));
    put_word(object + heap.layout.type, last);
    const u64 list = heap.list({object, last});
    WalkedHeap walked(heap);
    CHECK((walked.targets(list, EdgeKind::kIndex) == Objects{object, last}));
    CHECK(walked.targets(object, EdgeKind::kType) == Objects{last});
    CHECK_EQUAL(walked.counts().invalid_references, 0);
}

void check_border_inside_object(const LayoutTable &table) {
    HeapBuilder heap(table, 8);
    const u64 list = heap.list({0, 0});
    const u64 cut = heap.data.start() + 4 * kPage;
    heap.data.leave_only(4 * kPage + 32);
    const u64 across = heap.tuple({heap.number(1), heap.number(2)});
    CHECK(across < cut || across > cut);
    put_word(get_word(list + heap.layout.list_item), across);
    WalkedHeap whole(heap);
    CHECK(whole.has(across));
    CHECK_EQUAL(whole.targets(across, EdgeKind::kIndex).size(), 2);
    // Cut anywhere in the object: its header alone makes it an object, its items must lie with it.
    for (u64 at = across - 16; at <= across + heap.layout.tuple_item + 16; at += 8) {
        WalkedHeap walked(heap, regions_of(heap, {at}), {heap.gc_head}, {});
        const bool header_whole = at <= across || at >= across + heap.layout.tuple_item;
        CHECK_EQUAL(walked.has(across), header_whole);
        if (walked.has(across)) {
            const u64 items = across + heap.layout.tuple_item;
            const bool items_whole = at <= items || at >= items + 16;
            CHECK_EQUAL(walked.targets(across, EdgeKind::kIndex).size(), items_whole ? 2 : 0);
        }
    }
}

void check_holes(const LayoutTable &table) {
    HeapBuilder heap(table, 260);  // more than a block of the image
    const u64 before = heap.number(1);
    const u64 list = heap.list({before, 0, 0});
    const u64 items = get_word(list + heap.layout.list_item);
    heap.data.leave_only(130 * kPage - 2 * kPage);
    const u64 hidden = heap.number(2);
    heap.data.leave_only(64 * kPage);
    const u64 after = heap.number(3);
    heap.own(items + 8, hidden);
    heap.own(items + 16, after);
    const u64 page = (hidden - heap.data.start()) / kPage;
    heap.data.take_away(page);
    WalkedHeap walked(heap);
    CHECK((walked.targets(list, EdgeKind::kIndex) == Objects{before, after}));
    CHECK(!walked.has(hidden));
    CHECK_EQUAL(walked.counts().bytes_unreadable, kPage);
    CHECK_EQUAL(walked.counts().invalid_references, 1);
    heap.data.put_back(page);
    WalkedHeap filled(heap);
    CHECK(filled.has(hidden));
}

void check_wild_addresses(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 number = heap.number(5);
    const u64 list = heap.list({number, 0, 0, 0, 0, 0, 0});
    const u64 items = get_word(list + heap.layout.list_item);
    const Objects wild{1, 0x1000, heap.data.end(), ~u64{0}, 0x7fffffffffff, 0xffff800000000000};
    for (u64 i = 0; i < wild.size(); ++i) put_word(items + 8 + i * 8, wild[i]);
    WalkedHeap walked(heap, wild);
    CHECK(walked.targets(list, EdgeKind::kIndex) == Objects{number});
    CHECK_EQUAL(walked.counts().invalid_references, wild.size());
    // Pointers into objects are none: a value, an item, an address that is not aligned.
    put_word(items + 8, number + 8);
    put_word(items + 16, number + 4);
    WalkedHeap inner(heap);
    CHECK(inner.targets(list, EdgeKind::kIndex) == Objects{number});
}

void check_freed_objects(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 kept = heap.number(6), freed = heap.number(7), next = heap.data.start() + 64;
    const u64 list = heap.list({kept, freed});
    // The link to the next free block: of pymalloc, of glibc, of glibc at the end of its list.
    for (const u64 link : {next, next ^ freed >> 12, freed >> 12, u64{0}}) {
        put_word(freed + heap.layout.refcount, table.at_least(12) ? link : 0);
        if (link != 0 && !(link & 0xffff00000000)) continue;  // as small as a count
        WalkedHeap walked(heap);
        CHECK(walked.targets(list, EdgeKind::kIndex) == Objects{kept});
        CHECK(!walked.has(freed));
    }
}

// An immortal object stays one when an extension has counted in all 64 bits of its word.
void check_carried_counts(const LayoutTable &table) {
    if (!table.at_least(12)) return;
    HeapBuilder heap(table);
    const u64 number = heap.number(6), list = heap.list({number});
    for (const u64 word : {0xffffffffull + 1000, 0xffffffffull + (5ull << 32), 1ull << 32,
                           0x123'ffffffffull, 0xffffffffull}) {
        put_word(number + heap.layout.refcount, word);
        WalkedHeap walked(heap);
        CHECK(walked.targets(list, EdgeKind::kIndex) == Objects{number});
        CHECK(walked.flags(number) & kImmortal);
        CHECK_EQUAL(walked.counts().invalid_references, 0);
    }
}

// A metaclass may be its own type, where its bases lead to `type`; the head of an empty list is no
// type.
void check_self_typed(const LayoutTable &table) {
    HeapBuilder heap(table);
    const auto made_own = [&](const TypeSpec &spec) {
        const u64 type = heap.static_type(spec);
        put_word(type + heap.layout.type, type);
        return type;
    };
    TypeSpec spec{.name = "extension.Meta", .base = heap.type_type, .flags = type_flag::kType};
    spec.basicsize = heap.layout.ht_size + 8;
    const u64 metaclass = made_own(spec);
    const u64 without_base = made_own({.name = "list head", .flags = type_flag::kType});
    spec.basicsize = 16;
    const u64 too_small = made_own(spec);
    const u64 list = heap.list({metaclass, without_base, too_small});
    WalkedHeap walked(heap);
    CHECK(walked.targets(list, EdgeKind::kIndex) == Objects{metaclass});
}

void check_gc_lists(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 first = heap.list({}), second = heap.list({}), third = heap.list({});
    const u64 link = second - 16;
    const u64 tracked = WalkedHeap(heap).counts().gc_tracked;
    CHECK(tracked >= 3);
    const auto breaks_with = [&](u64 next) {
        put_word(link, next);
        WalkedHeap walked(heap);
        CHECK(walked.has(first) && walked.has(second) && !walked.has(third));
        CHECK_EQUAL(walked.counts().gc_tracked, tracked - 1);
        CHECK_EQUAL(walked.counts().list_breaks, 1);
    };
    for (const u64 next : {u64{0}, u64{0x1000}, link, first - 16, heap.data.end() - 8, ~u64{7}})
        breaks_with(next);
    // The two low bits of a link are flags of the collector.
    put_word(link, (third - 16) | 3);
    WalkedHeap flagged(heap);
    CHECK(flagged.has(third) && flagged.counts().list_breaks == 0);
    // An empty list, a head that is not mapped, and the same list twice.
    const u64 empty = heap.data.allocate(16);
    put_word(empty, empty);
    const Ranges regions = regions_of(heap, {});
    WalkedHeap odd(heap, regions, {empty, heap.gc_head, 0x1000, heap.gc_head}, {});
    CHECK(odd.has(third));
    CHECK_EQUAL(odd.counts().list_breaks, 2);
    CHECK_EQUAL(odd.counts().gc_tracked, tracked);
}

Ranges sorted(Ranges regions) {
    std::sort(regions.begin(), regions.end());
    return regions;
}

// A page below 2^32, as a program that is not position-independent has them.
u64 low_region() {
    void *const wanted = reinterpret_cast<void *>(0x2a000000);
    void *place = mmap(wanted, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(place == wanted);
    return reinterpret_cast<u64>(place);
}

void check_scan(const LayoutTable &table) {
    HeapBuilder heap(table);
    const u64 list = heap.list({}), number = heap.number(9);
    const u64 words = heap.data.allocate(5 * 8);
    put_word(words, list);
    put_word(words + 8, number + 8);
    put_word(words + 16, ~u64{0});
    put_word(words + 32, number);
    heap.hold(number);
    WalkedHeap walked(heap, {number});
    u64 addresses[5], offsets[5];
    Walker &walker = walked.walker();
    CHECK_EQUAL(walker.scan_range(words, 5 * 8, addresses, offsets, 5), 2);
    CHECK(addresses[0] == list && offsets[0] == 0 && addresses[1] == number && offsets[1] == 32);
    CHECK_EQUAL(walker.scan_range(words, 5 * 8, addresses, offsets, 1), 1);
    CHECK_EQUAL(walker.scan_range(0x1000, 64, addresses, offsets, 5), 0);
    // Two pointers in a row, the second to a type, are no object; those of a program may be short.
    const u64 low = low_region();
    const Ranges regions{{low, low + kPage},
                         {heap.data.start(), heap.data.end()},
                         {heap.statics.start(), heap.statics.end()}};
    const u64 table_of_c = heap.data.allocate(64);
    put_word(table_of_c, low);
    put_word(table_of_c + 8, heap.int_type);
    put_word(words, table_of_c);
    WalkedHeap with_table(heap, sorted(regions), {heap.gc_head}, {});
    CHECK_EQUAL(with_table.walker().scan_range(words, 5 * 8, addresses, offsets, 5), 1);
    munmap(reinterpret_cast<void *>(low), kPage);
    // Without the memory the rows stay, and what follows from them can still be made.
    const u32 row = walker.object_id(list);
    walker.forget_memory();
    CHECK(!walker.image().view(list, 8) && !walker.image().load(list, list + 8));
    walker.complete();
    CHECK(walker.object_id(list) == row && walker.columns().address[row] == list);
}

void check_bad_regions() {
    const AddressRange overlapping[] = {{0x10000, 0x20000}, {0x18000, 0x28000}};
    CHECK(MemoryImage::open(own_memory(), overlapping, 2) == nullptr);
    const AddressRange empty{0x10000, 0x10000};
    const auto nothing = MemoryImage::open(own_memory(), &empty, 1);
    CHECK(nothing != nullptr && nothing->find(0x10000) == nullptr && !nothing->view(0, 8));
}

}  // namespace

void test_borders(const LayoutTable &table) {
    check_end_of_region(table);
    check_text_at_end(table);
    check_static_type_at_end(table);
    check_border_inside_object(table);
    check_holes(table);
    check_wild_addresses(table);
    check_freed_objects(table);
    check_carried_counts(table);
    check_self_typed(table);
    check_gc_lists(table);
    check_scan(table);
    check_bad_regions();
}

}  // namespace heapgraph::test
