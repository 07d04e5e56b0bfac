// Frames: those of frame objects and generators, and, since 3.11, those that lie in memory of the
// interpreter.
#pragma once

#include "walker/types/heap_reader.hpp"

namespace heapgraph {

constexpr u8 kOwnedByThread = 0, kOwnedByFrameObject = 2;  // if.owner, 3.11 and later

// The object that a word of a frame refers to, without its tag.
inline u64 object_of(const Layout &layout, u64 word) {
    return layout.kinds.stack_reference == kind::stack_reference::pointer ? word : word & ~u64{3};
}

// What the frames of a code object have room for, in words.
struct FrameSlots {
    i64 locals = 0;  // with cells and free variables
    i64 stack = 0;   // most that its evaluation takes
    bool is_sound = false;

    u64 all() const { return u64(locals) + u64(stack); }
};

FrameSlots frame_slots(HeapReader &reader, u64 code);

// A word of a frame, tagged or not: nothing where it holds no object.
void add_stackref(HeapReader &reader, u64 word, EdgeKind kind, u64 label, u8 flags, EdgeList &out);

// What an interpreter frame of 3.11 and later refers to. flags: of the references that it surely
// holds.
void add_frame(HeapReader &reader, u64 frame, u8 flags, EdgeList &out);

}  // namespace heapgraph
