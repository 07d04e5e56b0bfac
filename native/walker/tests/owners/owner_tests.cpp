// Who leads to chunks of malloc, in sound heaps and random ones.
#include <random>

#include "../tests.hpp"
#include "chunk_heap.hpp"

namespace heapgraph::test {
namespace {

constexpr u64 kManyChunks = 200'000;  // one behind the other: recursion would overflow the stack

void check_chains_and_sharing() {
    ChunkHeap heap(4);
    const u64 root = heap.chunk(), child = heap.chunk(), shared = heap.chunk(),
              other = heap.chunk(), kept = heap.chunk(), lost = heap.chunk();
    put_word(root, child);
    put_word(child, shared);
    put_word(other, shared);
    put_word(kept, shared);  // a library leads to what objects have: that changes nothing
    heap.map();
    heap.lead(7, root);
    heap.lead(9, other);
    heap.lead_weakly(500, kept);
    heap.lead_weakly(500, root);
    heap.settle();
    CHECK(heap.owners(root) == Sources{7});
    CHECK(heap.owners(child) == Sources{7});
    CHECK((heap.owners(shared) == Sources{7, 9}));
    CHECK(heap.owners(kept) == Sources{500});
    CHECK(heap.owners(lost).empty());
    CHECK_EQUAL(heap.level(root), 1);
    CHECK_EQUAL(heap.level(shared), 1);
    CHECK_EQUAL(heap.level(kept), kLibraryLevel);
    CHECK_EQUAL(heap.level(lost), kLost);
}

// A pointer into the middle of a chunk counts where no better one leads there.
void check_levels() {
    ChunkHeap heap(4);
    const u64 one = heap.chunk(), other = heap.chunk(), target = heap.chunk(), inner = heap.chunk();
    put_word(one, target);
    put_word(other, target + 16);
    put_word(other + 8, inner + 16);
    heap.map();
    heap.lead(1, one);
    heap.lead(2, other);
    heap.settle();
    CHECK(heap.owners(target) == Sources{1});
    CHECK(heap.owners(inner) == Sources{2});
    CHECK_EQUAL(heap.level(inner), 2);
}

// The last word of a chunk is what others left there, unless nothing else leads to its target.
void check_last_words() {
    ChunkHeap heap(4);
    const u64 one = heap.chunk(), other = heap.chunk(), target = heap.chunk(), only = heap.chunk();
    put_word(one, target);
    put_word(ChunkHeap::usable_end(other) - 8, target);
    put_word(ChunkHeap::usable_end(one) - 8, only);
    heap.map();
    heap.lead(1, one);
    heap.lead(2, other);
    heap.settle();
    CHECK(heap.owners(target) == Sources{1});
    CHECK(heap.owners(only) == Sources{1});
    CHECK_EQUAL(heap.level(only), kDoubtfulLevel);
}

// A list whose items point at one another is its owner's; a stale link to another list of such
// items does not join the two where each has its own first item.
void check_rings() {
    ChunkHeap heap(8);
    std::vector<u64> items;
    for (int i = 0; i < 8; ++i) items.push_back(heap.chunk());
    const u64 head = heap.chunk(100), other_head = heap.chunk(100);
    const auto link = [](u64 one, u64 other) {
        put_word(one, other);
        put_word(other + 8, one);
    };
    for (int i : {0, 1, 2, 4, 5, 6}) link(items[i], items[i + 1]);
    put_word(head, items[0]);
    put_word(other_head, items[4]);
    heap.map();
    heap.lead(1, head);
    heap.lead(2, other_head);
    heap.settle();
    for (int i = 0; i < 8; ++i) CHECK(heap.owners(items[i]) == Sources{i < 4 ? 1u : 2u});
    CHECK_EQUAL(heap.level(items[0]), 1);
    CHECK_EQUAL(heap.level(items[1]), kDoubtfulLevel);
}

// What a variable leads to itself is the library's, with what is behind it, though an object has a
// pointer there too; not where the object itself points at it.
void check_globals() {
    for (const bool is_direct : {false, true}) {
        ChunkHeap heap(4);
        const u64 item = heap.chunk(), global = heap.chunk(), behind = heap.chunk(),
                  own = heap.chunk();
        put_word(item, global);
        put_word(item + 8, own);
        put_word(global, behind);
        put_word(global + 8, own);
        heap.map();
        heap.lead(1, item);
        if (is_direct) heap.lead(2, global);
        heap.lead_weakly(500, global);
        heap.settle();
        CHECK(heap.owners(global) == (is_direct ? Sources{1, 2} : Sources{500}));
        CHECK(heap.owners(behind) == (is_direct ? Sources{1, 2} : Sources{500}));
        CHECK(heap.owners(own) == (is_direct ? Sources{1, 2} : Sources{1}));
        CHECK_EQUAL(heap.level(global), is_direct ? kDirectLevel : kLibraryLevel);
    }
}

// What an object may lead to, by the last word of a chunk, is the library's that surely does.
void check_doubts_beside_libraries() {
    for (const bool has_library : {false, true}) {
        ChunkHeap heap(4);
        const u64 item = heap.chunk(), first = heap.chunk(), second = heap.chunk();
        put_word(first, second);
        put_word(ChunkHeap::usable_end(item) - 8, second);
        heap.map();
        heap.lead(1, item);
        if (has_library) heap.lead_weakly(500, first);
        heap.settle();
        CHECK(heap.owners(second) == (has_library ? Sources{500} : Sources{1}));
        CHECK_EQUAL(heap.level(second), has_library ? kLibraryLevel : kDoubtfulLevel);
    }
}

// A list that a library has, and a pointer into its middle from a block of an object: the library
// has all of it. Where nobody has the list, the object has what its pointer leads to. Where each
// item has a block that leads to it, none of these is a stray.
void check_strays() {
    for (const auto &[has_list, has_items] :
         {std::pair{true, false}, {false, false}, {true, true}}) {
        ChunkHeap heap(16);
        std::vector<u64> items, blocks;
        for (int i = 0; i < 100; ++i) items.push_back(heap.chunk());
        for (int i = 0; i + 1 < 100; ++i) put_word(items[i], items[i + 1]);
        for (int i = 0; i < 100; ++i) blocks.push_back(heap.chunk(100));
        for (int i = 0; i < 100; ++i) {
            if (has_items || i == 40) put_word(blocks[i], items[i]);
        }
        heap.map();
        heap.lead(2, blocks[40]);
        if (has_list) heap.lead_weakly(500, items[0]);
        heap.settle();
        const bool is_stray = has_list && !has_items;
        CHECK(heap.owners(items[39]) == (has_list ? Sources{500} : Sources{}));
        CHECK(heap.owners(items[40]) == (is_stray ? Sources{500} : Sources{2}));
        CHECK(heap.owners(items[99]) == (is_stray ? Sources{500} : Sources{2}));
        CHECK_EQUAL(heap.level(items[99]), is_stray ? kLibraryLevel : has_list ? 1 : kStrayLevel);
    }
}

// A block with many pointers into freed memory was written by somebody else before.
void check_stale_blocks() {
    ChunkHeap heap(4);
    const u64 stale = heap.chunk(100), one = heap.chunk(), target = heap.chunk(),
              gone = heap.chunk();
    heap.chunk();
    ChunkHeap::release(gone);
    put_word(one, target);
    for (int i = 0; i < 3; ++i) put_word(stale + i * 8, gone);
    put_word(stale + 32, target);
    heap.map();
    heap.lead(1, one);
    heap.lead(2, stale);
    heap.settle();
    CHECK(heap.owners(target) == Sources{1});
}

void check_long_list() {
    ChunkHeap heap(kManyChunks * 48 / kPage + 2);
    std::vector<u64> items;
    for (u64 i = 0; i < kManyChunks; ++i) items.push_back(heap.chunk());
    for (u64 i = 0; i + 1 < kManyChunks; ++i) put_word(items[i], items[i + 1]);
    put_word(items.back(), items.front());  // one ring of all of them
    heap.map();
    heap.lead(3, items[kManyChunks / 2]);
    heap.lead(4, items[5]);
    heap.settle();
    CHECK((heap.owners(items[0]) == Sources{3, 4}));
    CHECK((heap.owners(items.back()) == Sources{3, 4}));
}

// A number of a kind and a running one, as HDF5 has them, where a chunk begins with it.
void check_handles() {
    constexpr u64 number = u64{5} << 56 | 17, other = u64{5} << 56 | 18;
    CHECK(is_handle(number));
    for (const u64 word : {u64{17}, u64{0x3ff0000000000000}, UINT64_MAX, u64{0x7f0012345678}})
        CHECK(!is_handle(word));
    ChunkHeap heap(4);
    const u64 one = heap.chunk(), inside = heap.chunk(100), unwanted = heap.chunk();
    put_word(one, number);
    put_word(inside + 16, number);
    put_word(unwanted, other);
    heap.map();
    heap.handles = {number};
    heap.settle();
    CHECK_EQUAL(heap.handled.size(), 1);
    CHECK(heap.handled[0] == (std::pair<u64, u32>{number, heap.number(one)}));
}

void check_bounds() {
    ChunkHeap heap(4);
    for (int i = 0; i < 20; ++i) heap.chunk();
    heap.map();
    ChunkMap few;
    WindowReader reader(*heap.image);
    CHECK(!few.add_heap(reader, {heap.arena.start(), heap.arena.end()}, 10));
    std::vector<u32> labels{1, 2, 3};
    OwnerSets sets(10);
    const u32 set = sets.join(labels);
    CHECK((sets.members(set) == Sources{0, 1, 2}));
    labels = {set, 2};
    CHECK_EQUAL(sets.join(labels), set);
    labels = {set, OwnerSets::kMany};
    CHECK_EQUAL(sets.join(labels), OwnerSets::kMany);
}

// The nodes of a registry have an object beside the block that it has: what leads to the registry
// has not the blocks. A block beside an object that does not have it is the node's.
void check_registry() {
    ChunkHeap heap(4);
    const u64 registry = heap.chunk(), owned = heap.chunk(), other = heap.chunk();
    const u64 object = heap.chunk(), below = heap.chunk();
    put_word(registry, owned);
    put_word(registry + 8, object);
    put_word(registry + 16, other);
    put_word(owned, below);
    heap.chunk();
    heap.map();
    heap.set_object(object);
    heap.having = {{object, owned}};
    heap.lead(3, owned);
    heap.lead(4, registry);
    heap.settle();
    CHECK((heap.owners(owned) == Sources{3}));
    CHECK((heap.owners(below) == Sources{3}));
    CHECK((heap.owners(other) == Sources{4}));
}

// A table of objects that it does not count, and blocks beside them: the blocks are not of what
// leads to the table, and told with their objects.
void check_borrowed_keys() {
    ChunkHeap heap(4);
    const u64 table = heap.chunk(), object = heap.chunk(), counted = heap.chunk();
    const u64 own = heap.chunk(), kept = heap.chunk(), other = heap.chunk();
    put_word(own, kept);
    put_word(table, object);
    put_word(table + 8, kept);
    put_word(table + 16, 0);
    put_word(table + 24, counted);
    put_word(table + 32, other);
    heap.chunk();
    heap.map();
    heap.set_object(object);
    heap.set_object(counted);
    heap.borrowed = {object};
    heap.lead(3, own);
    heap.lead(4, table);
    heap.settle();
    CHECK((heap.owners(kept) == Sources{3}));
    CHECK((heap.owners(other) == Sources{4}));
    CHECK_EQUAL(heap.kept.size(), 1);
    CHECK_EQUAL(heap.kept[0].table, heap.number(table));
    CHECK_EQUAL(heap.kept[0].chunk, heap.number(kept));
    CHECK_EQUAL(heap.kept[0].object, object);
}

// A short text of a std::string lies in the string, and leaves behind it what was there before.
void check_short_texts() {
    ChunkHeap heap(4);
    const u64 source = heap.chunk(100), stale = heap.chunk(), behind = heap.chunk();
    put_word(source, source + 16);
    put_word(source + 8, 9);
    put_word(source + 16, stale);
    put_word(source + 24, stale + 8);
    put_word(source + 32, behind);
    put_word(source + 48, source + 64);  // longer than what lies in a string: no such
    put_word(source + 56, 16);
    put_word(source + 64, behind + 8);
    heap.map();
    heap.lead(1, source);
    heap.settle();
    CHECK(heap.owners(stale).empty());
    CHECK((heap.owners(behind) == Sources{1}));
}

// Whatever the words are, it ends, and reads nothing that is not there (the sanitizers look).
void check_random_heaps(unsigned seed) {
    std::mt19937_64 random(seed);
    ChunkHeap heap(16);
    std::vector<u64> blocks;
    for (int i = 0; i < 500; ++i) blocks.push_back(heap.chunk(24 + random() % 8 * 16));
    for (u64 at = heap.arena.start(); at < heap.arena.start() + heap.arena.used(); at += 8) {
        const bool is_size = random() % 50 != 0 && get_word(at) & kInUse;
        if (is_size) continue;
        const u64 word = random() % 3 == 0 ? random() : blocks[random() % blocks.size()];
        put_word(at, word + random() % 64);
    }
    heap.map();
    free_fastbins(*heap.image, heap.chunks, heap.arena.start());
    free_thread_caches(*heap.image, heap.chunks);
    find_main_arena(*heap.image, {heap.arena.start(), heap.arena.end()});
    for (u32 source = 0; source < 50; ++source) {
        const Pointer pointer = heap.chunks.find(blocks[random() % blocks.size()]);
        if (pointer.chunk != kNoChunk) heap.objects.push_back({source, make_target(pointer)});
    }
    heap.settle();
    for (u32 chunk = 0; chunk < heap.chunks.count(); ++chunk)
        CHECK(heap.sets.members(heap.settled->label(chunk)).size() <= 50);
}

}  // namespace

void test_owners(unsigned seed) {
    check_chains_and_sharing();
    check_levels();
    check_last_words();
    check_rings();
    check_globals();
    check_doubts_beside_libraries();
    check_strays();
    check_stale_blocks();
    check_long_list();
    check_handles();
    check_bounds();
    check_registry();
    check_borrowed_keys();
    check_short_texts();
    for (unsigned round = 0; round < 200; ++round) check_random_heaps(seed + round);
}

}  // namespace heapgraph::test
