// The heaps of glibc's malloc: chunks one after the other, each with its size in front (malloc.c,
// "Chunks of memory are maintained using a `boundary tag' method").
#include "walker/blocks/allocators.hpp"

#include "walker/image/processor.hpp"
#include "walker/image/windows.hpp"

namespace heapgraph {
namespace {

constexpr u64 kFlags = 7;  // PREV_INUSE, IS_MMAPPED, NON_MAIN_ARENA
constexpr u64 kPrevInUse = 1;
constexpr u64 kMapped = 2;   // never inside a heap
constexpr u64 kHeader = 16;  // size of the chunk before (when that is free), own size and flags
constexpr u64 kLargestFence = 32;  // what an abandoned top leaves at the end of its heap

// pool_header of Objects/obmalloc.c
constexpr i64 kPoolCount = 0, kPoolSizeClass = 36, kPoolNext = 40, kPoolLast = 44;
constexpr u64 kPoolHeader = 48, kAlignment = 16, kSizeClasses = 32;
constexpr u64 kSmallPool = 1 << 12, kLargePool = 1 << 14;

u64 malloc_block_bytes(MemoryImage &image, u64 address) {
    const View header = image.view(address - kHeader, kHeader);
    const u64 word = header.u64_at(8), size = word & ~kFlags, chunk = address - kHeader;
    if (size < 2 * kHeader || size % kHeader != 0 || !image.covers(chunk, size)) return 0;
    if (word & kMapped) {  // pages; the header is no part of the size since glibc 2.42
        if (chunk % kPage != header.u64_at(0)) return 0;
        if ((size + kHeader) % kPage == 0) return size;
        return size % kPage == 0 ? size - kHeader : 0;
    }
    const View following = image.view(chunk + size, kHeader);
    const u64 next = following.u64_at(8);
    if (!(next & kPrevInUse) || (next & ~kFlags) < kHeader || (next & ~kFlags) % kHeader != 0)
        return 0;
    return size - kHeader / 2;  // the word in front of the next chunk belongs to this one
}

}  // namespace

u64 pool_block_bytes(MemoryImage &image, const Layout &layout, u64 address) {
    const u64 pool_size = layout.kinds.pools == kind::pools::large ? kLargePool : kSmallPool;
    const u64 pool = address & ~(pool_size - 1);
    const View header = image.view(pool, kPoolHeader);
    const u64 size = (u64{header.u32_at(kPoolSizeClass)} + 1) * kAlignment, offset = address - pool;
    if (!header || header.u32_at(kPoolSizeClass) >= kSizeClasses ||
        header.u32_at(kPoolLast) != pool_size - size)
        return 0;
    const u64 used = header.u32_at(kPoolCount), end = header.u32_at(kPoolNext);
    if (used == 0 || used > (pool_size - kPoolHeader) / size || end > pool_size) return 0;
    return offset >= kPoolHeader && offset < end && (offset - kPoolHeader) % size == 0 ? size : 0;
}

u64 block_bytes(MemoryImage &image, const Layout &layout, u64 address) {
    if (address % kAlignment != 0) return 0;
    if (const u64 size = pool_block_bytes(image, layout, address)) return size;
    return malloc_block_bytes(image, address);
}

ChunkTotals walk_chunks(MemoryImage &image, u64 start, u64 end, u64 *free_starts, u64 *free_sizes,
                        u64 capacity, HeapRecord &record) {
    ChunkTotals totals{};
    totals.next = start;
    WindowReader reader(image);  // of most chunks nobody will want to know more
    while (totals.next < end && totals.free_chunks < capacity) {
        const u64 at = totals.next;
        const u64 word = reader.word(at + 8), size = word & ~kFlags;
        if (size == 0 && end - at <= kLargestFence) totals.next = end;
        if (size < kHeader || size % kHeader != 0 || word & kMapped || size > end - at) break;
        bool is_free = size == end - at;
        if (!is_free && end - at - size >= kHeader) {
            is_free = !(reader.word(at + size + 8) & kPrevInUse);
            if (is_free && reader.word(at + size) != size) break;
        }
        if (is_free) {
            free_starts[totals.free_chunks] = at;
            free_sizes[totals.free_chunks++] = size;
        } else {
            ++totals.used_chunks;
            totals.used_bytes += size;
        }
        record.add(size, is_free);
        totals.next = at + size;
    }
    record.is_whole = totals.next == end;
    return totals;
}

}  // namespace heapgraph
