// What the account of resident memory asks of the image: many small reads, and glibc's chunks.
#pragma once

#include "walker/chunks/heap_record.hpp"
#include "walker/image/memory_image.hpp"
#include "walker/types/layout.hpp"

namespace heapgraph {

using ChunkTotals = hg_chunk_totals;

// Follows the chunks of [start, end). Of each free one its start and size go to the output; the
// walk also stops when that is full. A chunk is free when its successor says so, and the last one
// (top) always is. All are noted in the record.
ChunkTotals walk_chunks(MemoryImage &image, u64 start, u64 end, u64 *free_starts, u64 *free_sizes,
                        u64 capacity, HeapRecord &record);

// Bytes that can be used of a block that was given out at exactly this address, 0 when there is
// none. Small blocks are those of CPython's own allocator, larger ones those of glibc's malloc;
// both are told by their bookkeeping.
u64 block_bytes(MemoryImage &image, const Layout &layout, u64 address);
// The same of CPython's own allocator alone.
u64 pool_block_bytes(MemoryImage &image, const Layout &layout, u64 address);

}  // namespace heapgraph
