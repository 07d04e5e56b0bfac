// Whose each chunk is: all sources that lead to it, over chunks only.
#pragma once

#include "walker/owners/levels.hpp"

namespace heapgraph {

// Chunks lead to no object, so every path to a chunk enters the chunks at one of these sources, and
// the dominator of the chunk among the objects is the nearest common one of them. So no dominator
// tree of the chunks is needed: sources flow along the edges, ring by ring (strongly connected
// component). A tree is like one chunk there, with what is of it alone; most chunks are.
class Owners {
public:
    Owners(const EdgeBytes &edges, Reached reached, OwnerSets &sets);

    // A label of `sets`.
    u32 label(u32 chunk) const { return reached_.label(chunk); }
    u8 level(u32 chunk) const { return reached_.level(chunk); }

private:
    Reached reached_;  // of a shared chunk a tree of its label, without a root
};

}  // namespace heapgraph
