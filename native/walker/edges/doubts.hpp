// Pointers between chunks that are believed less: links of lists, and pointers into their middle.
#pragma once

#include "walker/edges/edges.hpp"

namespace heapgraph {

// Says which edges are doubtful or strays, and makes the marks of the edges; in parallel.
//
// A pair of chunks of one size that point at each other is a link of a ring or list as long as
// there are any, which one stale word joins with all others: such edges are doubtful.
//
// Where nearly all chunks of a size follow one of the same size, they are lists or trees, which are
// entered at their heads. A pointer from elsewhere to one further on is a place in the list, or was
// left behind in memory that is used again: it would cut the list in two, one half of which is
// shared. Where such pointers are few beside the links, they count only where nothing else leads.
void mark_doubts(const ChunkMap &chunks, ChunkEdges &edges);

}  // namespace heapgraph
