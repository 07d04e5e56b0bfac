// Which blocks lead to what several objects lead to.
#pragma once

#include "walker/owners/block_reader.hpp"

namespace heapgraph {

// The blocks whose words are to be looked at, in order: a million, and 256 MiB of them, at most.
// Where structs of a size mostly lead to chunks of some size, such a pointer is a field: these need
// no second look, and set is_sure for what they lead to. Cost: a look at all edges, and at a
// quarter of them once more.
// Each is the address of its first usable byte.
std::vector<u64> find_sources(const ChunkMap &chunks, const Contested &contested,
                              const Reached &reached, const ChunkEdges &edges, Bits &is_sure);

}  // namespace heapgraph
