// Counting sorts: references by target, dominator children by dominator, and the tree's preorder.
#include <algorithm>
#include <vector>

#include "searches.h"

namespace heapgraph {

void reverse_references(const CsrGraph &graph, std::uint64_t *reverse_offsets, ObjectId *sources,
                        EdgeIndex *edges) {
    const std::uint64_t object_count = graph.object_count();
    std::fill_n(reverse_offsets, object_count + 1, std::uint64_t{0});
    for (EdgeIndex edge = 0; edge < graph.reference_count(); ++edge) {
        ++reverse_offsets[graph.target(edge) + 1ULL];
    }
    for (std::uint64_t row = 1; row <= object_count; ++row) {
        reverse_offsets[row] += reverse_offsets[row - 1];
    }
    for (std::uint64_t source = 0; source < object_count; ++source) {
        const auto object = static_cast<ObjectId>(source);
        for (EdgeIndex edge = graph.begin(object); edge < graph.end(object); ++edge) {
            const std::uint64_t row = reverse_offsets[graph.target(edge)]++;
            sources[row] = object;
            edges[row] = edge;
        }
    }
    // Filling moved each start to the next object's start: shift them back.
    std::copy_backward(reverse_offsets, reverse_offsets + object_count,
                       reverse_offsets + object_count + 1);
    reverse_offsets[0] = 0;
}

int order_children(std::uint64_t object_count, const ObjectId *idom, std::uint32_t *child_offsets,
                   ObjectId *children) {
    const auto row_of = [object_count](ObjectId dominator) {
        return dominator == HG_VIRTUAL_ROOT ? object_count : std::uint64_t{dominator};
    };
    std::fill_n(child_offsets, object_count + 2, 0U);
    for (std::uint64_t object = 0; object < object_count; ++object) {
        if (idom[object] == HG_UNREACHABLE) continue;
        if (row_of(idom[object]) > object_count) return HG_BAD_TREE;
        ++child_offsets[row_of(idom[object]) + 1];
    }
    for (std::uint64_t row = 1; row < object_count + 2; ++row) {
        child_offsets[row] += child_offsets[row - 1];
    }
    for (std::uint64_t object = 0; object < object_count; ++object) {
        if (idom[object] == HG_UNREACHABLE) continue;
        children[child_offsets[row_of(idom[object])]++] = static_cast<ObjectId>(object);
    }
    std::copy_backward(child_offsets, child_offsets + object_count + 1,
                       child_offsets + object_count + 2);
    child_offsets[0] = 0;
    return HG_OK;
}

std::uint64_t number_preorder(std::uint64_t object_count, const ObjectId *idom,
                              const std::uint32_t *child_offsets, const ObjectId *children,
                              const PreorderArrays &arrays) {
    std::fill_n(arrays.position, object_count, HG_UNREACHABLE);
    std::fill_n(arrays.subtree_count, object_count, 0U);
    std::vector<ObjectId> stack;
    const auto push_children = [&](std::uint64_t row) {
        for (std::uint32_t i = child_offsets[row + 1]; i > child_offsets[row]; --i) {
            stack.push_back(children[i - 1]);
        }
    };
    std::uint32_t reached = 0;
    push_children(object_count);
    while (!stack.empty()) {
        const ObjectId object = stack.back();
        stack.pop_back();
        arrays.position[object] = reached;
        arrays.preorder[reached++] = object;
        push_children(object);
    }
    for (std::uint32_t row = reached; row > 0; --row) {
        const ObjectId object = arrays.preorder[row - 1];
        arrays.subtree_count[object] += 1;
        if (idom[object] != HG_VIRTUAL_ROOT) {
            arrays.subtree_count[idom[object]] += arrays.subtree_count[object];
        }
    }
    return reached;
}

}  // namespace heapgraph
