// How well each chunk is reached, and which edges are believed for that.
#pragma once

#include "walker/owners/edges.hpp"

namespace heapgraph {

// By an object over edges of that class or better; by variables of libraries; what objects, then
// libraries, lead to by a stray pointer only; by stacks. 0: by nothing.
constexpr u8 kLost = 0, kDirectLevel = 1, kInsideLevel = 2, kDoubtfulLevel = 3, kLibraryLevel = 4,
             kStrayLevel = 5, kLibraryStrayLevel = 6, kStackLevel = 7;

struct Levels {
    Column<u8> of;  // each chunk
};

// A pair of chunks of one size that point at each other is a link of a ring or list as long as
// there are any, which one stale word joins with all others: such edges are doubtful.
void doubt_mutual(const ChunkMap &chunks, ChunkEdges &edges);

// Gives each chunk a level and drops the edges and entries that do not count there: those of a
// class above the level of the target, and from a chunk that is reached worse than it. A chunk that
// a variable leads to itself, and no object does, is global: it is the variable's, with what only
// it leads to, however objects get there. What the library keeps for all its objects would else be
// the first one's.
Levels settle_levels(const ChunkMap &chunks, ChunkEdges &edges, std::vector<Entry> &objects,
                     std::vector<Entry> &libraries, std::vector<Entry> &stacks);

}  // namespace heapgraph
