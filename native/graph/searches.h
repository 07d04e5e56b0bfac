// Searches and orders over a checked graph; the arguments are those of graph_kernels.h.
#pragma once

#include <cstdint>

#include "csr_graph.h"

namespace heapgraph {

struct PathArrays {
    ObjectId *parent;
    std::uint32_t *distance;
    ObjectId *order;
};

std::uint64_t breadth_first(const CsrGraph &graph, const ObjectId *roots,
                            const std::uint64_t *group_offsets, std::uint64_t group_count,
                            const PathArrays &paths);

std::uint64_t mark_reachable(const CsrGraph &graph, const ObjectId *roots, std::uint64_t root_count,
                             std::uint8_t *mark);

void reverse_references(const CsrGraph &graph, std::uint64_t *reverse_offsets, ObjectId *sources,
                        EdgeIndex *edges);

int order_children(std::uint64_t object_count, const ObjectId *idom, std::uint32_t *child_offsets,
                   ObjectId *children);

struct PreorderArrays {
    ObjectId *preorder;
    std::uint32_t *position;
    std::uint32_t *subtree_count;
};

std::uint64_t number_preorder(std::uint64_t object_count, const ObjectId *idom,
                              const std::uint32_t *child_offsets, const ObjectId *children,
                              const PreorderArrays &arrays);

}  // namespace heapgraph
