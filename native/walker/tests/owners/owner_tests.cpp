// Who leads to chunks of malloc: heaps of chunks laid by hand, sound ones and random ones.
#include <random>

#include "arena.hpp"
#include "heap_builder.hpp"
#include "tests.hpp"
#include "walked_heap.hpp"
#include "walker/owners/attribution.hpp"
#include "walker/owners/free_chunks.hpp"
#include "walker/owners/levels.hpp"

namespace heapgraph::test {
namespace {

constexpr u64 kInUse = 1;
constexpr u64 kManyChunks = 200'000;  // one behind the other: recursion would overflow the stack

// Chunks one behind the other, and what leads to them. Addresses are those of usable bytes.
class ChunkHeap {
public:
    explicit ChunkHeap(u64 pages) : arena(pages) {}

    // Usable bytes are 8 less than a multiple of 16, as malloc gives them.
    u64 chunk(u64 usable = 40) {
        const u64 size = (usable + 8 + 15) / 16 * 16, address = arena.allocate(size);
        put_word(address + 8, size | kInUse);
        return address + kChunkHeader;
    }
    static u64 usable_end(u64 block) {
        return block - kChunkHeader + (get_word(block - 8) & ~u64{7}) + 8;
    }
    // Says in the header behind a chunk that it is free.
    static void release(u64 block) {
        const u64 next = usable_end(block) - 8;
        put_word(next, next - (block - kChunkHeader));
        put_word(next + 8, get_word(next + 8) & ~kInUse);
    }
    // The rest is the top.
    void map() {
        const u64 top = arena.allocate(16);
        put_word(top + 8, (arena.end() - top) | kInUse);
        const AddressRange range{arena.start(), arena.end()};
        image = MemoryImage::open(own_memory(), &range, 1);
        CHECK(image != nullptr);
        WindowReader reader(*image);
        CHECK(chunks.add_heap(reader, range, kMaxChunks));
        chunks.finish(*image);
    }
    u32 number(u64 block) const { return chunks.headed(block - kChunkHeader); }
    void lead(u32 source, u64 address) {
        objects.push_back({source, make_target(chunks.find(address))});
    }
    void lead_weakly(u32 source, u64 address) {
        libraries.push_back({source, make_target(chunks.find(address))});
    }
    void settle() {
        const auto leads_to = [&](u64 object, u32 chunk) {
            return std::any_of(having.begin(), having.end(), [&](const auto &each) {
                return each.first == object && number(each.second) == chunk;
            });
        };
        ChunkEdges edges = scan_chunks(*image, chunks, 1 << 24, handles, leads_to);
        handled = edges.handles;
        CHECK(edges.is_whole);
        doubt_mutual(chunks, edges);
        levels = settle_levels(chunks, edges, objects, libraries, stacks);
        std::vector<Entry> entries = objects;
        entries.insert(entries.end(), libraries.begin(), libraries.end());
        labels = attribute(chunks.count(), edges, entries, sets);
    }
    u8 level(u64 block) const { return levels.of[number(block)]; }
    std::vector<u32> owners(u64 block) const { return sets.members(labels[number(block)]); }

    Arena arena;
    std::unique_ptr<MemoryImage> image;
    ChunkMap chunks;
    std::vector<Entry> objects, libraries, stacks;
    std::vector<u64> handles;
    Pairs having;  // objects and the blocks that they lead to
    std::vector<std::pair<u64, u32>> handled;
    Levels levels;
    OwnerSets sets{1000};
    Column<u32> labels;
};

using Owners = std::vector<u32>;

void check_pointers() {
    ChunkHeap heap(4);
    const u64 first = heap.chunk(), second = heap.chunk(), third = heap.chunk(),
              last = heap.chunk();
    ChunkHeap::release(third);
    heap.map();
    const auto aims = [&](u64 address, u64 block, Aim aim) {
        const Pointer found = heap.chunks.find(address);
        return found.chunk == heap.number(block) && found.aim == aim;
    };
    CHECK(aims(first, first, Aim::kStart));
    CHECK(aims(first + 8, first, Aim::kInside));
    CHECK(aims(ChunkHeap::usable_end(first), first, Aim::kInside));  // an end pointer
    CHECK(aims(second - kChunkHeader, first, Aim::kDoubtful));       // the header of the next one
    CHECK(aims(third - kChunkHeader, second, Aim::kNothing));  // as the lists of malloc have it
    CHECK(heap.chunks.find(heap.arena.start()).chunk == kNoChunk);
    CHECK(heap.chunks.find(heap.arena.end() + 16).chunk == kNoChunk);
    for (const u64 wild : {u64{0}, u64{8}, u64{1} << 47, UINT64_MAX})
        CHECK(heap.chunks.find(wild).chunk == kNoChunk);
    CHECK(heap.chunks.use(heap.number(second)) == ChunkUse::kNative);
    CHECK(heap.chunks.use(heap.number(third)) == ChunkUse::kFree);
    CHECK(heap.chunks.use(heap.number(last)) == ChunkUse::kNative);
    CHECK_EQUAL(heap.chunks.count(), 5);  // the top is the last one
    CHECK(heap.chunks.use(4) == ChunkUse::kFree);
}

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
    CHECK(heap.owners(root) == Owners{7});
    CHECK(heap.owners(child) == Owners{7});
    CHECK((heap.owners(shared) == Owners{7, 9}));
    CHECK(heap.owners(kept) == Owners{500});
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
    CHECK(heap.owners(target) == Owners{1});
    CHECK(heap.owners(inner) == Owners{2});
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
    CHECK(heap.owners(target) == Owners{1});
    CHECK(heap.owners(only) == Owners{1});
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
    for (int i = 0; i < 8; ++i) CHECK(heap.owners(items[i]) == Owners{i < 4 ? 1u : 2u});
    CHECK_EQUAL(heap.level(items[0]), 1);
    CHECK_EQUAL(heap.level(items[1]), kDoubtfulLevel);
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
    CHECK(heap.owners(target) == Owners{1});
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
    CHECK((heap.owners(items[0]) == Owners{3, 4}));
    CHECK((heap.owners(items.back()) == Owners{3, 4}));
}

// tcache_perthread_struct: counts of two bytes, then the first chunk of each size; links are mixed
// with their own place.
void check_thread_cache() {
    ChunkHeap heap(4);
    const u64 cache = heap.chunk(0x290 - 8), first = heap.chunk(), second = heap.chunk(),
              used = heap.chunk(), fake = heap.chunk(0x290 - 8);
    constexpr u64 list = (0x30 - 0x20) / 16;
    put<u16>(cache + list * 2, 2);
    put_word(cache + 128 + list * 8, first);
    put_word(first, second ^ first >> 12);
    put_word(second, second >> 12);
    put<u16>(fake + list * 2, 3);  // says three, and has one
    put_word(fake + 128 + list * 8, used);
    put_word(used, used >> 12);
    heap.map();
    free_thread_caches(*heap.image, heap.chunks);
    CHECK(heap.chunks.use(heap.number(first)) == ChunkUse::kFree);
    CHECK(heap.chunks.use(heap.number(second)) == ChunkUse::kFree);
    CHECK(heap.chunks.use(heap.number(used)) == ChunkUse::kNative);
    CHECK(heap.chunks.use(heap.number(cache)) == ChunkUse::kNative);
}

// malloc_state is found by bins that point at themselves, and leads to the lists of small chunks.
void check_fastbins() {
    ChunkHeap heap(4);
    const u64 arena = heap.chunk(kArenaBytes) + 8;  // anywhere: nothing else tells where it is
    const u64 one = heap.chunk(), two = heap.chunk(), used = heap.chunk();
    for (u64 bin = 0; bin < 127; ++bin) {
        const u64 place = arena + 0x70 + bin * 16;
        put_word(place, place - 16);
        put_word(place + 8, place - 16);
    }
    put_word(arena + 0x870, arena);
    const u64 header = one - kChunkHeader, next = two - kChunkHeader;
    put_word(arena + 0x10 + (0x30 - 0x20) / 16 * 8, header);
    put_word(one, next ^ one >> 12);
    put_word(two, two >> 12);
    heap.map();
    const AddressRange data{heap.arena.start(), heap.arena.start() + 2 * kPage};
    CHECK_EQUAL(find_main_arena(*heap.image, data), arena);
    free_fastbins(*heap.image, heap.chunks, arena);
    CHECK(heap.chunks.use(heap.number(one)) == ChunkUse::kFree);
    CHECK(heap.chunks.use(heap.number(two)) == ChunkUse::kFree);
    CHECK(heap.chunks.use(heap.number(used)) == ChunkUse::kNative);
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
    CHECK((sets.members(set) == Owners{0, 1, 2}));
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
    const u64 bit = (object - heap.arena.start()) / 8;
    heap.image->regions()[0].known[bit / 64] |= u64{1} << (bit % 64);
    heap.chunks.set_use(heap.number(object), ChunkUse::kObject);
    heap.having = {{object, owned}};
    heap.lead(3, owned);
    heap.lead(4, registry);
    heap.settle();
    CHECK((heap.owners(owned) == Owners{3}));
    CHECK((heap.owners(below) == Owners{3}));
    CHECK((heap.owners(other) == Owners{4}));
}

// A pool of blocks of 64 bytes: the second one is free, the third one an object, the fourth one was
// an object, the fifth one is the buffer of an object; the rest of the pool was never used.
void check_small_blocks() {
    constexpr u64 kPool = 1 << 14, kBlock = 64, kFirst = 48;
    ChunkHeap heap(32);
    const u64 source = heap.chunk(), top = heap.chunk();
    const u64 rest = (heap.arena.start() + kPool * 2 - 1) / kPool * kPool;
    heap.arena.allocate(rest - heap.arena.start() - heap.arena.used());
    const u64 pool = heap.arena.allocate(kPool), block = pool + kFirst, type = pool + kPool - 16;
    put_word(pool, 6);                         // blocks in use
    put_word(pool + 8, block + kBlock);        // the first free one
    put_word(pool + 40, kFirst + 7 * kBlock);  // behind the last that was ever used
    put_word(block + 3 * kBlock + 24, type);
    put_word(source, block);
    put_word(block + 16, block + 5 * kBlock + 8);
    const AddressRange region{heap.arena.start(), heap.arena.end()};
    heap.image = MemoryImage::open(own_memory(), &region, 1);
    for (const u64 object : {block + 2 * kBlock + 16, type}) {
        const u64 bit = (object - region.start) / 8;
        heap.image->regions()[0].known[bit / 64] |= u64{1} << (bit % 64);
    }
    WindowReader reader(*heap.image);
    CHECK(heap.chunks.add_heap(reader, {region.start, top + 40 - 8}, kMaxChunks));
    heap.chunks.finish(*heap.image);
    SmallBlocks &small = heap.chunks.small_blocks();
    const u32 size = kBlock;
    const u64 pools[] = {pool, pool + 8, 0};
    const u32 sizes[] = {size, size, size};
    small.add_pools(*heap.image, [&](u64 word) { return word == type; }, pools, sizes, 3, kPool);
    small.remove(block + 4 * kBlock);
    CHECK(!heap.chunks.number_small(heap.chunks.count() + 2));
    CHECK(heap.chunks.find(block).chunk == kNoChunk);
    CHECK(heap.chunks.number_small(kMaxChunks));
    const u64 first = heap.chunks.first_small();
    CHECK_EQUAL(heap.chunks.count(), first + 3);
    CHECK_EQUAL(heap.chunks.find(block).chunk, first);
    CHECK_EQUAL(heap.chunks.find(block + 5 * kBlock + 63).chunk, first + 1);
    CHECK(heap.chunks.find(block + 5 * kBlock + 63).aim == Aim::kInside);
    CHECK_EQUAL(heap.chunks.find(block + 6 * kBlock).chunk, first + 2);
    for (const u64 other : {1, 2, 3, 4, 7})
        CHECK(heap.chunks.find(block + other * kBlock).chunk == kNoChunk);
    heap.lead(7, source);
    heap.settle();
    CHECK_EQUAL(heap.levels.of[first], 1);
    CHECK_EQUAL(heap.levels.of[first + 1], 2);
    CHECK_EQUAL(heap.levels.of[first + 2], kLost);
    CHECK((heap.sets.members(heap.labels[first + 1]) == Owners{7}));
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
        CHECK(heap.sets.members(heap.labels[chunk]).size() <= 50);
}

}  // namespace

void test_owners(unsigned seed) {
    check_pointers();
    check_chains_and_sharing();
    check_levels();
    check_last_words();
    check_rings();
    check_stale_blocks();
    check_long_list();
    check_thread_cache();
    check_fastbins();
    check_handles();
    check_bounds();
    check_small_blocks();
    check_registry();
    for (unsigned round = 0; round < 200; ++round) check_random_heaps(seed + round);
}

}  // namespace heapgraph::test
