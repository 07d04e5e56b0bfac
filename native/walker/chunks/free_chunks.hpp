// Chunks that nobody leads to though their headers say that they are in use: those that malloc has
// put aside to give them out again, and those of CPython's compiler.
#pragma once

#include "walker/chunks/chunk_map.hpp"

namespace heapgraph {

// struct malloc_state of glibc's malloc/malloc.c (2.26 and later, 64 bits).
constexpr u64 kArenaBytes = 0x898;

// Where main_arena lies in the data of a library: no symbol leads to it. Its 127 bins point at
// themselves, or at chunks that point back. 0 when it is not in this range.
u64 find_main_arena(MemoryImage &image, AddressRange data);

// Marks the chunks in the lists for small ones of an arena and of those it is linked with.
void free_fastbins(MemoryImage &image, ChunkMap &chunks, u64 main_arena);

// Marks the chunks in the caches of threads. A cache is a chunk of its own, known by its size and
// by lists that hold as many chunks as it says, each of the right size.
void free_thread_caches(MemoryImage &image, ChunkMap &chunks);

// Marks the blocks in which CPython has the syntax tree of what it compiles, that of the program
// itself as long as it runs (struct _block of Python/pyarena.c). They are full of what lay there
// before, and objects seem to lead to them.
void mark_compiler_blocks(MemoryImage &image, ChunkMap &chunks);

}  // namespace heapgraph
