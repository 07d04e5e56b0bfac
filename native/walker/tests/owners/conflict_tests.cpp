// Pointers that were left behind, where two objects lead to a chunk.
#include "../tests.hpp"
#include "chunk_heap.hpp"

namespace heapgraph::test {
namespace {

constexpr int kItems = 100;
constexpr u64 kItemBytes = 120, kBufferBytes = 4096;

// A table of items, and what is in them: words of data, and their own bytes in front where
// says_size.
struct Table {
    Table(ChunkHeap &heap, bool says_size = false) : table(heap.chunk(kItems * 8)) {
        const u64 inside = says_size ? 8 : 0;
        for (int i = 0; i < kItems; ++i) {
            items.push_back(heap.chunk(kItemBytes));
            if (says_size) put_word(items[i], kItemBytes - 8);
            put_word(table + i * 8, items[i] + inside);
        }
        if (says_size) put_word(table - 8 + 8, kItems * 8 - 8);
    }
    u64 table;
    std::vector<u64> items;
};

void fill_with_data(u64 block, u64 bytes) {
    for (u64 at = 0; at + 8 <= bytes; at += 8) put_word(block + at, ~(at * 2654435761));
}

// A buffer of data with a pointer that was left in it has no share of what a table leads to, but
// what nothing else leads to. Where it has many such pointers, both have the items.
void check_left_pointers() {
    for (const int count : {1, 30}) {
        ChunkHeap heap(32);
        const Table table(heap), own(heap);
        const u64 buffer = heap.chunk(kBufferBytes), only = heap.chunk();
        fill_with_data(buffer, kBufferBytes);
        put_word(own.items[3], buffer);
        for (int i = 0; i < count; ++i) put_word(buffer + 800 + i * 40, table.items[i]);
        put_word(buffer + 400, only);
        heap.map();
        heap.lead(1, table.table);
        heap.lead(2, own.table);
        heap.settle();
        CHECK(heap.owners(table.items[0]) == (count == 1 ? Sources{1} : Sources{1, 2}));
        CHECK(heap.owners(only) == Sources{2});
        CHECK_EQUAL(heap.level(only), kDirectLevel);
    }
}

// The only pointer to a structure is believed, though the structure leads to its begin as well.
void check_own_pointers_back() {
    ChunkHeap heap(32);
    const Table table(heap), own(heap);
    const u64 buffer = heap.chunk(kBufferBytes), hub = heap.chunk();
    fill_with_data(buffer, kBufferBytes);
    put_word(own.items[3], buffer);
    put_word(own.items[4], table.items[9]);
    put_word(buffer + 800, hub);
    put_word(hub, table.table);
    put_word(table.items[5], hub);
    heap.map();
    heap.lead(1, own.table);
    heap.lead(2, own.items[7]);
    heap.settle();
    CHECK(heap.owners(hub) == Sources{1});
    CHECK(heap.owners(table.items[0]) == Sources{1});
}

// Blocks that begin with their own size lead to one another only.
void check_blocks_with_sizes() {
    ChunkHeap heap(64);
    const Table pages(heap, true), others(heap);
    const u64 lock = heap.chunk(40);
    put_word(lock + 16, pages.items[40] + 8);
    put_word(others.items[2], lock);
    put_word(pages.items[3] + 40, others.items[50]);
    heap.map();
    heap.objects.push_back({1, make_target(heap.chunks.find(pages.table + 8))});
    heap.lead(2, others.table);
    heap.settle();
    CHECK(heap.owners(pages.items[40]) == Sources{1});
    CHECK(heap.owners(others.items[50]) == Sources{2});
    CHECK(heap.owners(lock) == Sources{2});
}

// A document: nodes lead to the head and to the next one; the head leads to the first one where it
// is whole.
void check_bridges() {
    constexpr int kNodes = 400;
    // Whoever is met first has all that nobody had before.
    for (const auto &[is_whole, is_first] :
         {std::pair{true, true}, {true, false}, {false, true}, {false, false}}) {
        ChunkHeap heap(64);
        const u64 lock = heap.chunk(), state = heap.chunk(200), head = heap.chunk(100);
        std::vector<u64> nodes;
        // Of two sizes: else they are a list, which has rules of its own.
        for (int i = 0; i < kNodes; ++i) nodes.push_back(heap.chunk(i % 2 == 0 ? 120 : 136));
        for (int i = 0; i < kNodes; ++i) {
            put_word(nodes[i] + 16, head);
            put_word(nodes[i] + 24, nodes[(i + 1) % kNodes]);
        }
        if (is_whole) put_word(head, nodes[0]);
        put_word(state, lock);
        put_word(lock + 16, nodes[150]);  // was left behind
        heap.map();
        if (is_first) heap.lead(1, state);
        heap.lead(2, head);
        if (!is_first) heap.lead(1, state);
        heap.settle();
        for (const int node : {0, 150, 399})
            CHECK(heap.owners(nodes[node]) == (is_whole ? Sources{2} : Sources{1}));
        CHECK(heap.owners(lock) == Sources{1});
        CHECK(heap.owners(head) == (is_whole ? Sources{2} : Sources{1, 2}));
    }
}

}  // namespace

void test_conflicts() {
    check_left_pointers();
    check_own_pointers_back();
    check_blocks_with_sizes();
    check_bridges();
}

}  // namespace heapgraph::test
