// Pointers into the middle of lists that somebody else has.
#pragma once

#include "walker/owners/edges.hpp"

namespace heapgraph {

// Where nearly all chunks of a size follow one of the same size, they are lists or trees, which are
// entered at their heads. A pointer from elsewhere to one further on is a place in the list, or was
// left behind in memory that is used again: it would cut the list in two, one half of which is
// shared. Where such pointers are few beside the links, they count only where nothing else leads.
void mark_strays(const ChunkMap &chunks, ChunkEdges &edges);

}  // namespace heapgraph
