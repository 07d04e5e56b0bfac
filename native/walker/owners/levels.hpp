// How well each chunk is reached, and which edges are believed for that.
#pragma once

#include "walker/owners/edges.hpp"

namespace heapgraph {

// 1-3: by an object over edges of that class or better; then what owns only what no object reaches.
// 0: by nothing.
constexpr u8 kLost = 0, kDoubtfulLevel = 3, kLibraryLevel = 4, kStackLevel = 5;

struct Levels {
    Column<u8> of;  // each chunk
};

// A pair of chunks of one size that point at each other is a link of a ring or list as long as
// there are any, which one stale word joins with all others: such edges are doubtful.
void doubt_mutual(const ChunkMap &chunks, ChunkEdges &edges);

// Gives each chunk the lowest level at which an entry reaches it, and drops the edges and entries
// that do not count there: those of a class above the level of the target, and from a chunk that is
// reached worse than it. `libraries` and `stacks` count where no object leads.
Levels settle_levels(const ChunkMap &chunks, ChunkEdges &edges, std::vector<Entry> &objects,
                     std::vector<Entry> &libraries, std::vector<Entry> &stacks);

}  // namespace heapgraph
