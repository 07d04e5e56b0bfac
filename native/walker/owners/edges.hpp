// Which chunk leads to which: words of chunks and of objects that are pointers.
#pragma once

#include <vector>

#include "walker/owners/chunk_map.hpp"

namespace heapgraph {

// A chunk and how it is pointed at, in 32 bits.
using Target = u32;
constexpr u32 kMaxChunks = 1u << 30;
constexpr Target make_target(Pointer pointer) {
    return pointer.chunk << 2 | static_cast<u32>(pointer.aim);
}
constexpr u32 chunk_of(Target target) { return target >> 2; }
constexpr Aim aim_of(Target target) { return static_cast<Aim>(target & 3); }

// What is no chunk and leads to one: an object by its id, or a word elsewhere by its number.
struct Entry {
    u32 source;
    Target target;
};

// A number that stands for a chunk, as the identifiers of HDF5 do: the kind of thing in the highest
// byte, counted from 1, and a running number. The chunk begins with it.
constexpr bool is_handle(u64 word) {
    return word >> 56 != 0 && word >> 56 < 0x80 && (word << 8) >> 40 == 0;
}

// The targets of chunk i are targets[offsets[i]] .. targets[offsets[i + 1] - 1].
struct ChunkEdges {
    Column<u32> offsets;
    Column<u32> targets;
    std::vector<std::pair<u64, u32>> handles;  // wanted ones, and the chunks that begin with them
    bool is_whole = true;                      // false: there were more than could be kept
};

// Looks through all native chunks, in parallel. handles: those to look for, sorted.
ChunkEdges scan_chunks(MemoryImage &image, const ChunkMap &chunks, u64 most_edges,
                       const std::vector<u64> &handles);

}  // namespace heapgraph
