// Pointers by which a second owner seems to have a chunk, and which somebody else left behind.
#pragma once

#include "walker/edges/object_words.hpp"
#include "walker/owners/levels.hpp"

namespace heapgraph {

// Reaches the chunks, and doubts pointers where they give one to several objects: a page of sqlite
// or a window of zlib that is not written to its end has what was there before, and a cursor still
// leads to where its buffer was. Of the pointers to such a chunk these count only if there is no
// other:
// - from the last word of a chunk;
// - into the middle of a chunk where pointers to chunks of its size do not lead;
// - between a block that begins with its own size and one that does not: sqlite asks for its
//   memory like that, and its blocks lead to one another only;
// - of a block that is mostly data, at a place where hardly one of its size has such a pointer;
// - that alone give an object the parts of another one's structure (see bridges.hpp).
// words: of objects; null where their entries are to be believed.
// Cost: a look at each edge, and at the words of blocks that lead to what several have.
Reached settle_conflicts(MemoryImage &image, const ChunkMap &chunks, ObjectWords *words,
                         std::vector<Entry> &objects, const std::vector<Entry> &libraries,
                         const std::vector<Entry> &stacks, ChunkEdges &edges);

}  // namespace heapgraph
