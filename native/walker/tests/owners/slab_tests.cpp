// Slabs of other allocators: sound ones, and what is refused of others.
#include <random>

#include "../tests.hpp"
#include "chunk_heap.hpp"

namespace heapgraph::test {
namespace {

constexpr u64 kBlock = 64;

class SlabHeap : public ChunkHeap {
public:
    explicit SlabHeap(u64 pages) : ChunkHeap(pages) {}

    u64 slab(u64 size, u32 count, std::vector<u64> used) {
        const u64 start = arena.allocate(size * count);
        slabs.push_back({start, size, count, 3});
        words.insert(words.end(), used.begin(), used.end());
        return start;
    }
    bool map_slabs(u64 most = kMaxChunks) {
        const AddressRange range{arena.start(), arena.end()};
        image = MemoryImage::open(own_memory(), &range, 1);
        CHECK(image != nullptr);
        chunks.finish(*image);
        hg_native_places places{};
        places.slabs = slabs.data();
        places.slab_count = slabs.size();
        places.slab_words = words.data();
        places.slab_word_count = words.size();
        return chunks.add_slabs(*image, places, most);
    }
    bool aims(u64 address, u32 number, Aim aim) const {
        const Pointer found = chunks.find(address);
        return found.chunk == number && found.aim == aim;
    }

    std::vector<hg_slab> slabs;
    std::vector<u64> words;
};

void check_places() {
    SlabHeap heap(64);
    const u64 small = heap.slab(kBlock, 70, {0b1011, 0b100000});
    const u64 large = heap.slab(5 * kPage, 1, {1});
    const u64 tiny = heap.slab(8, 64, {u64{1} << 63});
    CHECK(heap.map_slabs());
    CHECK_EQUAL(heap.chunks.count(), 6);
    CHECK(heap.aims(small, 0, Aim::kStart));
    CHECK(heap.aims(small + kBlock + 1, 1, Aim::kInside));
    CHECK(heap.aims(small + 2 * kBlock, kNoChunk, Aim::kDoubtful));  // it is free
    CHECK(heap.aims(small + 69 * kBlock, 3, Aim::kStart));
    CHECK(heap.aims(large, 4, Aim::kStart));
    CHECK(heap.aims(large + 5 * kPage - 1, 4, Aim::kInside));
    CHECK(heap.aims(tiny + 63 * 8, 5, Aim::kStart));
    CHECK(heap.aims(heap.arena.end() + 8, kNoChunk, Aim::kNothing));
    for (const u64 wild : {u64{0}, u64{1} << 47, UINT64_MAX})
        CHECK(heap.aims(wild, kNoChunk, Aim::kNothing));
    CHECK_EQUAL(heap.chunks.headed(small - kChunkHeader), 0);
    CHECK_EQUAL(heap.chunks.headed(small + 8 - kChunkHeader), kNoChunk);
    CHECK_EQUAL(heap.chunks.size(0), kBlock);
    CHECK_EQUAL(heap.chunks.size(4), 5 * kPage);
    CHECK_EQUAL(heap.chunks.size(5), 8);
    CHECK_EQUAL(heap.chunks.slabs().source_of(5), 3);
    std::vector<u64> starts;
    heap.chunks.each([&](u32 number, u64 start) {
        CHECK_EQUAL(number, starts.size());
        starts.push_back(start);
    });
    CHECK((starts == std::vector<u64>{small, small + kBlock, small + 3 * kBlock,
                                      small + 69 * kBlock, large, tiny + 63 * 8}));
}

// A large block ends in the middle of what can be seen at once: its last words count as well.
void check_chains() {
    SlabHeap heap(300);
    const u64 first = heap.slab(kBlock, 4, {0b1111}), large = heap.slab(280 * kPage, 1, {1});
    const u64 last = heap.slab(kBlock, 2, {0b11});
    put_word(first, large + 100);
    put_word(large + 280 * kPage - 8, last);
    put_word(first + 2 * kBlock, first + 3 * kBlock);
    CHECK(heap.map_slabs());
    heap.lead(7, first);
    heap.settle();
    const auto owners = [&](u64 block) { return heap.owners(block); };
    CHECK(owners(large) == Sources{7});
    CHECK(owners(last) == Sources{7});
    CHECK(owners(last + kBlock).empty());
    CHECK(owners(first + 3 * kBlock).empty());
    CHECK_EQUAL(heap.level(large), 2);
}

// Pointers to blocks that are free say that somebody else wrote them.
void check_stale_blocks() {
    SlabHeap heap(4);
    const u64 first = heap.slab(kBlock, 8, {0b10111});
    const u64 stale = first, one = first + kBlock, target = first + 2 * kBlock;
    const u64 gone = first + 3 * kBlock;
    for (u64 i = 0; i < 3; ++i) put_word(stale + 8 * i, gone);
    put_word(stale + 32, target);
    put_word(one, target);
    CHECK(heap.map_slabs());
    heap.lead(1, one);
    heap.lead(2, stale);
    heap.settle();
    CHECK(heap.owners(target) == Sources{1});
}

// What does not fit where it says it is is left out; what is sound beside it is not.
void check_hostile_slabs() {
    SlabHeap heap(16);
    const u64 sound = heap.slab(kBlock, 4, {~u64{0}});  // bits of blocks that there are not
    const u64 end = heap.arena.end(), start = heap.arena.start();
    const auto add = [&](hg_slab slab) {
        heap.slabs.push_back(slab);
        heap.words.resize(heap.words.size() + (u64{slab.count} + 63) / 64, ~u64{0});
    };
    add({sound + 2 * kBlock, kBlock, 4, 0});  // overlaps
    add({start - kPage, kBlock, 4, 0});       // no memory
    add({0, kBlock, 4, 0});
    add({start + kPage, 0, 4, 0});
    add({start + kPage, 24, 4, 0});
    add({start + kPage, kBlock, 0, 0});
    add({start + kPage + 4, kBlock, 1, 0});
    add({start + kPage, kBlock, 1 << 20, 0});
    add({start + kPage, UINT64_MAX & ~u64{15}, 2, 0});
    add({end - kBlock, kBlock, 2, 0});
    add({UINT64_MAX - 7, 16, 1, 0});
    add({start + 2 * kPage, kBlock, 2, 0});
    add({start + 3 * kPage, kBlock, 65, 0});
    heap.words.pop_back();  // of the last one, some are missing
    CHECK(heap.map_slabs());
    CHECK_EQUAL(heap.chunks.count(), 6);
    CHECK(heap.aims(sound + 3 * kBlock, 3, Aim::kStart));
    CHECK(heap.aims(sound + 4 * kBlock, kNoChunk, Aim::kNothing));
    CHECK(heap.aims(start + 2 * kPage + kBlock, 5, Aim::kStart));
    SlabHeap many(4);
    many.slab(kBlock, 64, {~u64{0}});
    CHECK(!many.map_slabs(63));
}

void check_random_slabs(unsigned seed) {
    std::mt19937_64 random(seed);
    SlabHeap heap(64);
    std::vector<u64> blocks;
    for (int i = 0; i < 40; ++i) {
        const u64 size = 16 + random() % 64 * 16;
        const u32 count = 1 + static_cast<u32>(random() % 70);
        if (heap.arena.used() + size * count + 16 > 64 * kPage) break;
        std::vector<u64> used((count + 63) / 64);
        for (u64 &word : used) word = random() & random();
        const u64 start = heap.slab(size, count, used);
        for (u32 k = 0; k < count; ++k) blocks.push_back(start + k * size);
        if (random() % 10 == 0) heap.slabs.back().start += random() % 4096 - 2048;
        if (random() % 10 == 0) heap.slabs.back().size ^= random() % 256;
    }
    for (u64 at = heap.arena.start(); at < heap.arena.start() + heap.arena.used(); at += 8)
        put_word(at, blocks[random() % blocks.size()] + random() % 64);
    CHECK(heap.map_slabs());
    for (u32 source = 0; source < 50; ++source) {
        const Pointer pointer = heap.chunks.find(blocks[random() % blocks.size()]);
        if (pointer.chunk != kNoChunk) heap.objects.push_back({source, make_target(pointer)});
    }
    heap.settle();
    for (u32 chunk = 0; chunk < heap.chunks.count(); ++chunk)
        CHECK(heap.sets.members(heap.settled->label(chunk)).size() <= 50);
}

}  // namespace

void test_slabs(unsigned seed) {
    check_places();
    check_chains();
    check_stale_blocks();
    check_hostile_slabs();
    for (unsigned round = 0; round < 200; ++round) check_random_slabs(seed + round);
}

}  // namespace heapgraph::test
