// Stacks that a library with coroutines of its own (greenlet, and gevent on it) has put aside:
// frames that no thread runs, in memory of the interpreter. 3.11 and later; before, frames are
// objects.
#pragma once

#include "walker/types/edges.hpp"

namespace heapgraph {

class HeapReader;

// What the frames of a stack refer to, by the state that the library keeps of it. Nothing when the
// words are no such state, or a thread runs the stack.
void add_suspended_stack(HeapReader &reader, View state, EdgeList &out);

}  // namespace heapgraph
