/* The C interface of the graph kernels.
 *
 * Every function takes caller-owned buffers, checks what it is given before it writes, returns a
 * status, and lets no C++ exception out. Nothing here knows CPython: a graph is numbers.
 *
 * Object ids are 0..object_count-1. References are grouped by source: those of object i are
 * targets[offsets[i]] .. targets[offsets[i + 1] - 1].
 */
#ifndef HEAPGRAPH_GRAPH_KERNELS_H
#define HEAPGRAPH_GRAPH_KERNELS_H

#include <stdint.h>

#define HG_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a result or a signature changes; cached results of another version are ignored.
 */
#define HG_KERNEL_VERSION 2

/* Reserved values, the same as in heapgraph/model.py. */
#define HG_VIRTUAL_ROOT UINT32_C(0xffffffff)
#define HG_UNREACHABLE UINT32_C(0xfffffffe)

enum hg_status {
    HG_OK = 0,
    HG_OUT_OF_MEMORY = 1,
    HG_BAD_OFFSETS = 2, /* not rising from 0 to reference_count */
    HG_TARGET_OUT_OF_RANGE = 3,
    HG_ROOT_OUT_OF_RANGE = 4,
    HG_TOO_MANY_OBJECTS = 5, /* ids would meet the reserved values */
    HG_BAD_TREE = 6,         /* an immediate dominator that is no object and not reserved */
    HG_GROUP_OUT_OF_RANGE = 7
};

typedef struct hg_graph {
    uint64_t object_count;
    uint64_t reference_count;
    const uint64_t *offsets; /* [object_count + 1] */
    const uint32_t *targets; /* [reference_count] */
    const uint8_t *skip;     /* [reference_count], 1 = ignore the reference; or NULL */
} hg_graph;

HG_API int hg_kernel_version(void);

/* Immediate dominator and retained size of every object, a virtual root standing over `roots`.
 * Objects that no root reaches get HG_UNREACHABLE and retain 0.
 * idom: [object_count], retained: [object_count], both written. */
HG_API int hg_dominator_tree(const hg_graph *graph, const uint32_t *roots, uint64_t root_count,
                             const uint64_t *sizes, uint32_t *idom, uint64_t *retained);

/* Breadth-first search from groups of roots; each group is searched to the end before the next.
 * Group g is roots[group_offsets[g]] .. roots[group_offsets[g + 1] - 1].
 * parent: HG_VIRTUAL_ROOT for a root, HG_UNREACHABLE for what is not reached.
 * distance: references from the nearest root of the group that reached the object.
 * order: the first *reached entries are the objects in the order of discovery. */
HG_API int hg_breadth_first(const hg_graph *graph, const uint32_t *roots,
                            const uint64_t *group_offsets, uint64_t group_count, uint32_t *parent,
                            uint32_t *distance, uint32_t *order, uint64_t *reached);

/* Sets mark[i] = 1 for every object a root reaches. Marked objects are not searched again, so that
 * a search goes on with further roots at the cost of what they add; begin with zeros.
 * *reached counts the new marks. */
HG_API int hg_reachable(const hg_graph *graph, const uint32_t *roots, uint64_t root_count,
                        uint8_t *mark, uint64_t *reached);

/* References grouped by target; within a target in the order of their numbers. */
HG_API int hg_reverse_references(const hg_graph *graph, uint64_t *reverse_offsets,
                                 uint32_t *sources, uint64_t *edges);

/* counts[t] = references to t whose `counted` byte is not 0 (all of them when counted is NULL). */
HG_API int hg_count_in_references(uint64_t object_count, uint64_t reference_count,
                                  const uint32_t *targets, const uint8_t *counted,
                                  uint32_t *counts);

/* counts[i] = references of i whose `counted` byte is not 0. */
HG_API int hg_count_out_references(uint64_t object_count, uint64_t reference_count,
                                   const uint64_t *offsets, const uint8_t *counted,
                                   uint32_t *counts);

/* numbers[i] = the place of keys[i] among the distinct keys, which are in the order of their first
 * appearance. keys, numbers: [count]; distinct: [count], *distinct_count of them written. */
HG_API int hg_number_keys(uint64_t count, const int64_t *keys, int64_t *numbers, int64_t *distinct,
                          uint64_t *distinct_count);

/* sources[e] = the object that reference e belongs to. */
HG_API int hg_reference_sources(uint64_t object_count, uint64_t reference_count,
                                const uint64_t *offsets, uint32_t *sources);

/* The dominator tree top down: the children of object i are children[child_offsets[i]] ..
 * children[child_offsets[i + 1] - 1] in id order; row object_count is the virtual root.
 * child_offsets: [object_count + 2], children: [object_count]. */
HG_API int hg_dominator_children(uint64_t object_count, const uint32_t *idom,
                                 uint32_t *child_offsets, uint32_t *children);

/* Preorder of the dominator tree: what an object dominates, itself included, is
 * preorder[position[i]] .. preorder[position[i] + subtree_count[i] - 1].
 * position is HG_UNREACHABLE and subtree_count 0 outside the tree. */
HG_API int hg_dominator_preorder(uint64_t object_count, const uint32_t *idom,
                                 const uint32_t *child_offsets, const uint32_t *children,
                                 uint32_t *preorder, uint32_t *position, uint32_t *subtree_count,
                                 uint64_t *reached);

/* depths[i] = dominators above object i; 0 outside the tree. */
HG_API int hg_tree_depths(uint64_t object_count, uint64_t reached, const uint32_t *preorder,
                          const uint32_t *idom, uint32_t *depths);

/* values[p] += values[i] for each object i and its parent p, what lies farthest away first. */
HG_API int hg_sum_to_parents(uint64_t object_count, uint64_t reached, const uint32_t *order,
                             const uint32_t *parent, uint64_t *values);

/* totals[g] += values[i] for each object i of group g none of whose dominators is of group g. */
HG_API int hg_sum_topmost(uint64_t object_count, uint64_t reached, const uint32_t *preorder,
                          const uint32_t *subtree_count, const uint32_t *groups,
                          uint64_t group_count, const uint64_t *values, uint64_t *totals);

#ifdef __cplusplus
}
#endif

#endif
