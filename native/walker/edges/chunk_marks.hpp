// What is known of a chunk, in one byte: the level at which it is reached, whether several may have
// it, and how its edges aim.
#pragma once

#include "walker/chunks/chunk_map.hpp"

namespace heapgraph {

// Where the edges of one aim are noted: only these are looked at again.
constexpr u8 mark_of(Aim aim) { return static_cast<u8>(1u << (4 + static_cast<unsigned>(aim))); }
constexpr u8 kMarksLevel = 7, kMarksShared = 8, kMarksAims = 0xf0;

}  // namespace heapgraph
