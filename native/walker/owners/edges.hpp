// Which chunk leads to which: words of chunks and of objects that are pointers.
#pragma once

#include <functional>
#include <vector>

#include "walker/chunks/chunk_map.hpp"

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

// Most pointers lead to a chunk nearby: an edge is the distance and the aim, seven bits to a byte,
// the aim in the lowest two of the first one.
inline void append_edge(Column<u8> &bytes, u32 source, Target target) {
    const i64 distance = i64{chunk_of(target)} - i64{source};
    const u64 folded = static_cast<u64>(distance) << 1 ^ static_cast<u64>(distance >> 63);
    u64 value = folded << 2 | (target & 3);
    for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<u8>(value | 0x80));
    bytes.push_back(static_cast<u8>(value));
}
// The edge at a place, which goes on to the next one.
inline Target next_edge(const Column<u8> &bytes, u32 source, u32 &place) {
    u64 value = 0;
    u8 byte = 0x80;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        byte = bytes[place++];
        value |= u64{byte & 0x7fu} << shift;
    }
    const u64 folded = value >> 2;
    const i64 distance = static_cast<i64>(folded >> 1) ^ -static_cast<i64>(folded & 1);
    const u64 chunk = static_cast<u64>(i64{source} + distance);
    return static_cast<u32>(chunk << 2 | (value & 3));
}
inline void doubt_edge(Column<u8> &bytes, u32 place) {
    bytes[place] |= static_cast<u8>(Aim::kDoubtful);
}
// An edge without an aim is a stray.
inline void stray_edge(Column<u8> &bytes, u32 place) { bytes[place] &= static_cast<u8>(~3); }

// A table has an object that it does not count, and beside it a block.
struct Kept {
    u32 table, chunk;
    u64 object;
};

// The edges of chunk i are bytes[offsets[i]] .. bytes[offsets[i + 1] - 1].
struct ChunkEdges {
    Column<u32> offsets;
    Column<u8> bytes;
    u64 count = 0;
    std::vector<std::pair<u64, u32>> handles;  // wanted ones, and the chunks that begin with them
    std::vector<Kept> kept;
    bool has_strays = false;
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
