// The C interface: check the arguments, call the C++, turn failure into a status.
#include "graph_kernels.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <vector>

#include "dominator_work.h"
#include "number_keys.h"
#include "searches.h"

namespace {

using heapgraph::CsrGraph;

// Runs a kernel that may allocate; both exceptions mean that memory did not suffice.
template <typename Kernel>
int guarded(Kernel kernel) {
    try {
        return kernel();
    } catch (const std::bad_alloc &) {
        return HG_OUT_OF_MEMORY;
    } catch (const std::length_error &) {
        return HG_OUT_OF_MEMORY;
    }
}

int check(const CsrGraph &graph, const std::uint32_t *roots, std::uint64_t root_count) {
    const int status = graph.check();
    return status != HG_OK ? status
                           : heapgraph::check_roots(graph.object_count(), roots, root_count);
}

// Whether offsets rise from 0 to the number of references.
bool are_good(const std::uint64_t *offsets, std::uint64_t object_count,
              std::uint64_t reference_count) {
    return offsets[0] == 0 && offsets[object_count] == reference_count &&
           std::is_sorted(offsets, offsets + object_count + 1);
}

}  // namespace

int hg_kernel_version(void) { return HG_KERNEL_VERSION; }

int hg_dominator_tree(const hg_graph *raw, const uint32_t *roots, uint64_t root_count,
                      const uint64_t *sizes, uint32_t *idom, uint64_t *retained) {
    const CsrGraph graph(*raw);
    if (const int status = check(graph, roots, root_count); status != HG_OK) return status;
    return guarded([&] {
        heapgraph::DominatorWork work(graph, idom);
        heapgraph::mark_roots_and_leaves(work, roots, root_count);
        heapgraph::number_inner_objects(work, roots, root_count);
        heapgraph::classify_references(work);
        heapgraph::sort_cross_references(work);
        heapgraph::find_semidominators(work);
        heapgraph::find_dominators(work);
        heapgraph::write_results(work, sizes, retained);
        return HG_OK;
    });
}

int hg_breadth_first(const hg_graph *raw, const uint32_t *roots, const uint64_t *group_offsets,
                     uint64_t group_count, uint32_t *parent, uint32_t *distance, uint32_t *order,
                     uint64_t *reached) {
    const CsrGraph graph(*raw);
    if (group_offsets[0] != 0 || !std::is_sorted(group_offsets, group_offsets + group_count + 1)) {
        return HG_BAD_OFFSETS;
    }
    if (const int status = check(graph, roots, group_offsets[group_count]); status != HG_OK) {
        return status;
    }
    *reached = heapgraph::breadth_first(graph, roots, group_offsets, group_count,
                                        {parent, distance, order});
    return HG_OK;
}

int hg_reachable(const hg_graph *raw, const uint32_t *roots, uint64_t root_count, uint8_t *mark,
                 uint64_t *reached) {
    const CsrGraph graph(*raw);
    if (const int status = check(graph, roots, root_count); status != HG_OK) return status;
    return guarded([&] {
        *reached = heapgraph::mark_reachable(graph, roots, root_count, mark);
        return HG_OK;
    });
}

int hg_reverse_references(const hg_graph *raw, uint64_t *reverse_offsets, uint32_t *sources,
                          uint64_t *edges) {
    const CsrGraph graph(*raw);
    if (const int status = graph.check(); status != HG_OK) return status;
    heapgraph::reverse_references(graph, reverse_offsets, sources, edges);
    return HG_OK;
}

int hg_count_in_references(uint64_t object_count, uint64_t reference_count, const uint32_t *targets,
                           const uint8_t *counted, uint32_t *counts) {
    std::fill_n(counts, object_count, 0U);
    for (std::uint64_t edge = 0; edge < reference_count; ++edge) {
        if (targets[edge] >= object_count) return HG_TARGET_OUT_OF_RANGE;
        counts[targets[edge]] += counted == nullptr || counted[edge] != 0 ? 1U : 0U;
    }
    return HG_OK;
}

int hg_count_out_references(uint64_t object_count, uint64_t reference_count,
                            const uint64_t *offsets, const uint8_t *counted, uint32_t *counts) {
    if (!are_good(offsets, object_count, reference_count)) return HG_BAD_OFFSETS;
    for (std::uint64_t object = 0; object < object_count; ++object) {
        std::uint32_t count = 0;
        for (std::uint64_t edge = offsets[object]; edge < offsets[object + 1]; ++edge) {
            count += counted[edge] != 0 ? 1U : 0U;
        }
        counts[object] = count;
    }
    return HG_OK;
}

int hg_reference_sources(uint64_t object_count, uint64_t reference_count, const uint64_t *offsets,
                         uint32_t *sources) {
    if (object_count >= HG_UNREACHABLE) return HG_TOO_MANY_OBJECTS;
    if (!are_good(offsets, object_count, reference_count)) return HG_BAD_OFFSETS;
    for (std::uint64_t object = 0; object < object_count; ++object) {
        std::fill(sources + offsets[object], sources + offsets[object + 1],
                  static_cast<std::uint32_t>(object));
    }
    return HG_OK;
}

int hg_number_keys(uint64_t count, const int64_t *keys, int64_t *numbers, int64_t *distinct,
                   uint64_t *distinct_count) {
    return guarded([&] {
        *distinct_count = heapgraph::number_keys(count, keys, numbers, distinct);
        return HG_OK;
    });
}

int hg_dominator_children(uint64_t object_count, const uint32_t *idom, uint32_t *child_offsets,
                          uint32_t *children) {
    if (object_count >= HG_UNREACHABLE) return HG_TOO_MANY_OBJECTS;
    return heapgraph::order_children(object_count, idom, child_offsets, children);
}

int hg_dominator_preorder(uint64_t object_count, const uint32_t *idom,
                          const uint32_t *child_offsets, const uint32_t *children,
                          uint32_t *preorder, uint32_t *position, uint32_t *subtree_count,
                          uint64_t *reached) {
    if (object_count >= HG_UNREACHABLE) return HG_TOO_MANY_OBJECTS;
    return guarded([&] {
        *reached = heapgraph::number_preorder(object_count, idom, child_offsets, children,
                                              {preorder, position, subtree_count});
        return HG_OK;
    });
}

int hg_tree_depths(uint64_t object_count, uint64_t reached, const uint32_t *preorder,
                   const uint32_t *idom, uint32_t *depths) {
    std::fill_n(depths, object_count, 0U);
    for (std::uint64_t row = 0; row < reached; ++row) {
        const std::uint32_t object = preorder[row];
        if (object >= object_count) return HG_BAD_TREE;
        if (idom[object] == HG_VIRTUAL_ROOT) continue;
        if (idom[object] >= object_count) return HG_BAD_TREE;
        depths[object] = depths[idom[object]] + 1;
    }
    return HG_OK;
}

int hg_sum_to_parents(uint64_t object_count, uint64_t reached, const uint32_t *order,
                      const uint32_t *parent, uint64_t *values) {
    for (std::uint64_t row = reached; row > 0; --row) {
        const std::uint32_t object = order[row - 1];
        if (object >= object_count) return HG_BAD_TREE;
        if (parent[object] == HG_VIRTUAL_ROOT) continue;
        if (parent[object] >= object_count) return HG_BAD_TREE;
        values[parent[object]] += values[object];
    }
    return HG_OK;
}

int hg_sum_topmost(uint64_t object_count, uint64_t reached, const uint32_t *preorder,
                   const uint32_t *subtree_count, const uint32_t *groups, uint64_t group_count,
                   const uint64_t *values, uint64_t *totals) {
    return guarded([&]() -> int {
        // The preorder row up to which a group is inside one of its own members.
        std::vector<std::uint64_t> inside_until(group_count, 0);
        for (std::uint64_t row = 0; row < reached; ++row) {
            const std::uint32_t object = preorder[row];
            if (object >= object_count) return HG_BAD_TREE;
            const std::uint32_t group = groups[object];
            if (group >= group_count) return HG_GROUP_OUT_OF_RANGE;
            if (row < inside_until[group]) continue;
            totals[group] += values[object];
            inside_until[group] = row + subtree_count[object];
        }
        return HG_OK;
    });
}
