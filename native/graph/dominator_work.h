// The steps of the dominator computation and what they hand to one another.
//
// Semi-NCA (Georgiadis and Tarjan) in depth-first numbers, with two changes that heaps ask for:
//
// 1. Leaves are taken out of the search. More than half of a Python heap refers to nothing, and
//    a leaf is on no path to anything else: its dominator is the nearest common dominator of its
//    referrers. A reference to a root is ignored, since only the virtual root dominates a root;
//    so an object that refers to nothing but its own built-in type is a leaf too.
// 2. The upward walk of Semi-NCA uses skew-binary jump pointers (Myers 1983). The plain walk is
//    quadratic on a linked list whose items share a value, which a real heap does have.
#pragma once

#include <cstdint>
#include <vector>

#include "append_log.h"
#include "csr_graph.h"

namespace heapgraph {

// Depth-first number of an inner object; 0 is the virtual root.
using Number = std::uint32_t;

inline constexpr Number kVirtualRootNumber = 0;
inline constexpr std::uint32_t kUnset = 0xffffffff;

struct CrossReference {
    Number target;
    Number source;
};

struct LeafReference {
    ObjectId leaf;
    Number source;
};

struct DominatorWork {
    DominatorWork(const CsrGraph &graph_, ObjectId *slot_)
        : graph(graph_), slot(slot_), roots(graph_.object_count()), leaves(graph_.object_count()) {}

    const CsrGraph &graph;
    // Inner object -> its number; leaf -> number of its dominator so far; kUnset when not reached.
    // It is the caller's result buffer: the last step turns numbers into ids in place.
    ObjectId *slot;
    ObjectSet roots;
    ObjectSet leaves;

    std::vector<ObjectId> object_of;           // number -> object, [0] = HG_VIRTUAL_ROOT
    std::vector<Number> parent;                // number -> search parent, then immediate dominator
    std::vector<Number> semi;                  // number -> semidominator
    AppendLog<CrossReference> cross;           // references to a lower number, until sorted
    std::vector<std::uint64_t> cross_offsets;  // number -> its first entry in cross_sources
    std::vector<Number> cross_sources;
    AppendLog<LeafReference> leaf_references;  // further referrers of leaves

    [[nodiscard]] Number last_number() const { return static_cast<Number>(parent.size() - 1); }
};

void mark_roots_and_leaves(DominatorWork &work, const ObjectId *roots, std::uint64_t root_count);
void number_inner_objects(DominatorWork &work, const ObjectId *roots, std::uint64_t root_count);
void classify_references(DominatorWork &work);
void sort_cross_references(DominatorWork &work);
void find_semidominators(DominatorWork &work);
void find_dominators(DominatorWork &work);
void write_results(DominatorWork &work, const std::uint64_t *sizes, std::uint64_t *retained);

}  // namespace heapgraph
