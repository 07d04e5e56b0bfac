// The few pointers on which it hangs that an object has the parts of somebody else's structure.
#pragma once

#include "walker/owners/levels.hpp"

namespace heapgraph {

struct Bridge {
    u32 source, target, place;
};

// A structure whose parts lead back to its head, as the nodes of a document do, is that of the
// object which has the head. Where all that leads to its hundreds of parts from another object's
// chunks is a few pointers, these may be words that were left behind: in a lock, or in the part of
// a table that is not used yet. Sorted by their sources.
// Cost: three looks at the edges of what objects have, two where there is no such structure.
std::vector<Bridge> find_bridges(const Reached &reached, const ChunkEdges &edges);

}  // namespace heapgraph
