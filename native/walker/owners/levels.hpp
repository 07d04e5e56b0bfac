// How well each chunk is reached, which edges are believed for that, and by whom it is reached.
#pragma once

#include "walker/edges/chunk_marks.hpp"
#include "walker/edges/edges.hpp"
#include "walker/owners/crossings.hpp"
#include "walker/owners/number_lists.hpp"
#include "walker/owners/owner_sets.hpp"

namespace heapgraph {

// By an object over edges of that class or better; by variables of libraries; what objects, then
// libraries, lead to by a stray pointer only; by stacks. 0: by nothing.
constexpr u8 kLost = 0, kDirectLevel = 1, kInsideLevel = 2, kDoubtfulLevel = 3, kLibraryLevel = 4,
             kStrayLevel = 5, kLibraryStrayLevel = 6, kStackLevel = 7;

// The best level at which an edge counts.
constexpr u8 class_of(Target target) {
    const Aim aim = aim_of(target);
    return aim == Aim::kNothing ? kStrayLevel : static_cast<u8>(aim);
}

// Whether an edge counts: not where its class is above the level of the target, nor where it comes
// from a chunk that is reached worse. Libraries and stacks have only what they lead to themselves.
constexpr bool counts(u8 from, u8 to, Target target) {
    if (to == kLibraryLevel || to == kStackLevel) return from == to && class_of(target) <= to;
    if (from == kLibraryLevel && to == kStrayLevel) return false;
    return class_of(target) <= to && from != kLost && from <= to;
}
// Whether the word of an object counts that leads to a chunk of this level.
constexpr bool counts(Target target, u8 to) {
    return to <= kDoubtfulLevel && class_of(target) <= to;
}

// Chunks that are reached from one entry first, over edges and entries that count: so whatever
// leads to the root leads to all of them.
struct Tree {
    u32 root = kNoChunk;  // none: an entry that leads to a chunk of another tree
    u32 label = OwnerSets::kNobody;
    u64 chunks = 0;  // that are reached from there first
};

// How chunks are reached.
struct Reached {
    Reached(u64 chunks, Column<u8> marks_of_edges)
        : trees(1), tree(chunks), marks(std::move(marks_of_edges)) {}

    u8 level(u32 chunk) const { return marks[chunk] & kMarksLevel; }
    u32 tree_of(u32 chunk) const { return tree.first(chunk); }
    // The label of the tree that it is in first.
    u32 label(u32 chunk) const { return trees[tree_of(chunk)].label; }
    bool is_root(u32 chunk) const { return trees[tree_of(chunk)].root == chunk; }

    std::vector<Tree> trees;  // the first one is none
    NumberLists tree;         // of each chunk its own, then others that lead there
    std::vector<u32> met;     // chunks that other trees lead to
    Column<u8> marks;         // of each chunk
    Crossings crossings;      // edges between chunks that objects lead to
};

// Gives each chunk a level and a tree. A chunk that a variable leads to itself, and no object does,
// is global: it is the variable's, with what only it leads to, however objects get there. What the
// library keeps for all its objects would else be the first one's.
Reached reach_chunks(ChunkEdges &edges, const std::vector<Entry> &objects,
                     const std::vector<Entry> &libraries, const std::vector<Entry> &stacks);

}  // namespace heapgraph
