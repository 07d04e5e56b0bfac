// Which chunk leads to which: words of chunks and of objects that are pointers.
#pragma once

#include <functional>
#include <vector>

#include "walker/chunks/chunk_map.hpp"
#include "walker/edges/edge_bytes.hpp"

namespace heapgraph {

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

// A table has an object that it does not count, and beside it a block.
struct Kept {
    u32 table, chunk;
    u64 object;
};

struct ChunkEdges : EdgeBytes {
    std::vector<std::pair<u64, u32>> handles;  // wanted ones, and the chunks that begin with them
    std::vector<Kept> kept;
    bool is_whole = true;  // false: there were more than could be kept
};

// What an object that stands beside a pointer to a chunk has of it.
enum class Bond : u8 {
    kNone,
    kLeads,     // words of the object lead there
    kBorrowed,  // the object's references are all known: this one is not counted
};
using BondOf = std::function<Bond(u64 object, u32 chunk)>;

// Looks through all native chunks, in parallel. most_bytes: of edges. handles: those to look for,
// sorted. A pointer that stands beside one to an object that has the chunk, or beside a borrowed
// one, is doubtful: the block is of a registry of all objects (pybind11 and nanobind have such).
ChunkEdges scan_chunks(MemoryImage &image, const ChunkMap &chunks, u64 most_bytes,
                       const std::vector<u64> &handles, const BondOf &bond_of);

}  // namespace heapgraph
