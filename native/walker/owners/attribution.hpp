// Whose each chunk is: all sources that lead to it, over chunks only.
#pragma once

#include "walker/owners/edges.hpp"
#include "walker/owners/owner_sets.hpp"

namespace heapgraph {

// Chunks lead to no object, so every path to a chunk enters the chunks at one of these sources, and
// the dominator of the chunk among the objects is the nearest common one of them. So no tree of the
// chunks is needed: sources flow along the edges, ring by ring (strongly connected component), from
// the entries on.
// Returns a label of `sets` for each chunk. The edges are used up.
Column<u32> attribute(u64 chunks, ChunkEdges &edges, std::vector<Entry> &entries, OwnerSets &sets);

}  // namespace heapgraph
