// Which chunks and blocks there are, which are free, and what a pointer means.
#include "../tests.hpp"
#include "chunk_heap.hpp"

namespace heapgraph::test {
namespace {

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

// tcache_perthread_struct up to glibc 2.41: counts of two bytes, then the first chunk of each size;
// links are mixed with their own place.
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

// Since glibc 2.42 the numbers say how many more there is room for.
void check_thread_cache_of_room() {
    ChunkHeap heap(4);
    constexpr u64 lists = 76, room = 16, list = (0x30 - 0x20) / 16, large = 64;
    const u64 cache = heap.chunk(lists * 10), first = heap.chunk(), second = heap.chunk(),
              other = heap.chunk(), used = heap.chunk(), fake = heap.chunk(lists * 10);
    for (const u64 each : {cache, fake}) {
        for (u64 i = 0; i < lists; ++i) put<u16>(each + i * 2, room);
    }
    put<u16>(cache + list * 2, room - 2);
    put_word(cache + lists * 2 + list * 8, first);
    put_word(first, second ^ first >> 12);
    put_word(second, second >> 12);
    put<u16>(cache + large * 2, room - 1);  // of chunks of several sizes
    put_word(cache + lists * 2 + large * 8, other);
    put_word(other, other >> 12);
    put_word(fake + lists * 2 + list * 8, used);  // has one, and says none
    put_word(used, used >> 12);
    heap.map();
    free_thread_caches(*heap.image, heap.chunks);
    for (const u64 free : {first, second, other})
        CHECK(heap.chunks.use(heap.number(free)) == ChunkUse::kFree);
    for (const u64 native : {cache, used, fake})
        CHECK(heap.chunks.use(heap.number(native)) == ChunkUse::kNative);
}

// Blocks of the compiler say how long they are and where their memory begins.
void check_compiler_blocks() {
    ChunkHeap heap(12);
    Pairs blocks;  // of the chunk, and whether it is one
    for (const auto &[size, used, memory, is_one] : {std::tuple{8192, 8192, 32, true},
                                                     {8192, 16, 32, true},
                                                     {8192, 8200, 32, false},
                                                     {8192, 16, 40, false},
                                                     {8160, 16, 32, false}}) {
        const u64 block = heap.chunk(8192 + 32);
        put_word(block, static_cast<u64>(size));
        put_word(block + 8, static_cast<u64>(used));
        put_word(block + 16, blocks.empty() ? 0 : blocks.back().first);
        put_word(block + 24, block + static_cast<u64>(memory));
        blocks.emplace_back(block, is_one);
    }
    heap.map();
    mark_compiler_blocks(*heap.image, heap.chunks);
    for (const auto &[block, is_one] : blocks)
        CHECK(heap.chunks.use(heap.number(block)) ==
              (is_one ? ChunkUse::kBuffer : ChunkUse::kNative));
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
    put_word(block + 5 * kBlock + 8, type);  // what an object without a head would have there
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
    small.add_pools(
        *heap.image, [&](u64 word, u64 at, u64) { return word == type && at == 24; }, pools, sizes,
        3, kPool);
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
    CHECK_EQUAL(heap.settled->level(first), 1);
    CHECK_EQUAL(heap.settled->level(first + 1), 2);
    CHECK_EQUAL(heap.settled->level(first + 2), kLost);
    CHECK((heap.sets.members(heap.settled->label(first + 1)) == Sources{7}));
}

}  // namespace

void test_blocks() {
    check_pointers();
    check_thread_cache();
    check_thread_cache_of_room();
    check_fastbins();
    check_compiler_blocks();
    check_small_blocks();
}

}  // namespace heapgraph::test
