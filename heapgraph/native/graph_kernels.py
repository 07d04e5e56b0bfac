"""Typed functions over the compiled graph kernels.

Every function checks dtype, layout and length of its arrays before the native code sees them, and
the native code checks every offset and id before it follows one. Nothing recurses, so a linked
list of millions is as good as a tree. The GIL is released while a kernel runs.

Arrays may be read-only (memory-mapped); results are new arrays.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from heapgraph.native.graph_library import (
    U8,
    U32,
    U64,
    checked,
    graph_arguments,
    graph_library,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "U8",
    "U32",
    "U64",
    "TreeOrder",
    "breadth_first",
    "count_in_references",
    "dominator_tree",
    "kernel_version",
    "reachable",
    "reverse_references",
    "sum_to_parents",
    "sum_topmost",
    "tree_depths",
    "tree_order",
]


def kernel_version() -> int:
    """The number that changes whenever a kernel's result may: part of every cache key."""
    version: int = graph_library().hg_kernel_version()
    return version


def dominator_tree(
    offsets: U64, targets: U32, roots: U32, sizes: U64, skip: U8 | None = None
) -> tuple[U32, U64]:
    """Immediate dominator and retained size of every object.

    A virtual root stands over all roots. Parallel references, references to oneself and roots
    listed twice change nothing.

    Args:
        offsets: uint64[n+1], first reference of each object.
        targets: uint32[m], grouped by source.
        roots: uint32[r] object ids, in any order.
        sizes: uint64[n], bytes.
        skip: uint8[m], 1 = ignore the reference; None ignores none.

    Returns:
        idom uint32[n] (an id, VIRTUAL_ROOT, or UNREACHABLE for what no root reaches) and
        retained uint64[n], bytes (0 for what no root reaches).

    Raises:
        ValueError: an array of a wrong type or length, an id out of range.
        MemoryError: the working memory cannot be allocated.

    Cost: O(m log n) at worst, about 30-110 ns a reference; 25 bytes an object beside the results.

    Source: Georgiadis and Tarjan, Semi-NCA; Myers 1983 for the jump pointers.
    """
    count = len(offsets) - 1
    graph = graph_arguments(offsets, targets, skip)
    idom, retained = np.empty(count, np.uint32), np.empty(count, np.uint64)
    run(
        "hg_dominator_tree",
        ctypes.byref(graph),
        checked("roots", roots, np.uint32),
        len(roots),
        checked("sizes", sizes, np.uint64, count),
        idom.ctypes.data,
        retained.ctypes.data,
    )
    return idom, retained


def breadth_first(
    offsets: U64, targets: U32, root_groups: Sequence[U32], skip: U8 | None = None
) -> tuple[U32, U32, U32]:
    """Shortest paths from groups of roots, each group searched to the end before the next.

    Args:
        offsets: uint64[n+1].
        targets: uint32[m].
        root_groups: arrays of object ids, the group that explains best first. Within a group the
            order decides between equally short paths.
        skip: uint8[m], 1 = ignore the reference.

    Returns:
        parent uint32[n] (VIRTUAL_ROOT for a root, UNREACHABLE for what is not reached),
        distance uint32[n] (references from the root; UNREACHABLE) and order uint32[reached], the
        objects as they were discovered: an object always comes after its parent.

    Raises:
        ValueError: an array of a wrong type or length, an id out of range.

    Cost: O(n + m), 0.4-0.9 s for 10 million objects.
    """
    count = len(offsets) - 1
    graph = graph_arguments(offsets, targets, skip)
    for group in root_groups:
        checked("root_groups", group, np.uint32)
    roots = np.concatenate(root_groups) if len(root_groups) else np.empty(0, np.uint32)
    bounds = np.cumsum([0, *map(len, root_groups)], dtype=np.uint64)
    parent, distance, order = (np.empty(count, np.uint32) for _ in range(3))
    reached = ctypes.c_uint64()
    run(
        "hg_breadth_first",
        ctypes.byref(graph),
        roots.ctypes.data,
        bounds.ctypes.data,
        len(root_groups),
        parent.ctypes.data,
        distance.ctypes.data,
        order.ctypes.data,
        ctypes.byref(reached),
    )
    return parent, distance, order[: reached.value].copy()


def reachable(
    offsets: U64, targets: U32, roots: U32, skip: U8 | None = None, mark: U8 | None = None
) -> U8:
    """Mark what the roots reach.

    Args:
        offsets: uint64[n+1].
        targets: uint32[m].
        roots: uint32[r].
        skip: uint8[m], 1 = ignore the reference.
        mark: what an earlier search of the same graph returned: it goes on with these roots, and
            the array is changed in place. None begins anew.

    Returns:
        uint8[n], 1 = reached.

    Raises:
        ValueError: an array of a wrong type or length, an id out of range.
    """
    count = len(offsets) - 1
    graph = graph_arguments(offsets, targets, skip)
    mark = np.zeros(count, np.uint8) if mark is None else mark
    run(
        "hg_reachable",
        ctypes.byref(graph),
        checked("roots", roots, np.uint32),
        len(roots),
        checked("mark", mark, np.uint8, count),
        ctypes.byref(ctypes.c_uint64()),
    )
    return mark


def reverse_references(offsets: U64, targets: U32) -> tuple[U64, U32, U64]:
    """References grouped by what they refer to.

    Args:
        offsets: uint64[n+1].
        targets: uint32[m].

    Returns:
        offsets uint64[n+1], sources uint32[m] and edges uint64[m]: the numbers of the references,
        rising within each referent.

    Raises:
        ValueError: an array of a wrong type or length, an id out of range.

    Cost: 0.4-0.7 s and 12 bytes a reference for 30 million references.
    """
    count, references = len(offsets) - 1, len(targets)
    graph = graph_arguments(offsets, targets, None)
    reverse_offsets = np.empty(count + 1, np.uint64)
    sources, edges = np.empty(references, np.uint32), np.empty(references, np.uint64)
    run(
        "hg_reverse_references",
        ctypes.byref(graph),
        reverse_offsets.ctypes.data,
        sources.ctypes.data,
        edges.ctypes.data,
    )
    return reverse_offsets, sources, edges


def count_in_references(object_count: int, targets: U32, counted: U8 | None = None) -> U32:
    """How many references each object gets.

    Args:
        object_count: n.
        targets: uint32[m].
        counted: uint8[m], 0 = leave the reference out; None counts all.

    Returns:
        uint32[n].

    Raises:
        ValueError: an array of a wrong type or length, an id out of range.
    """
    counts = np.empty(object_count, np.uint32)
    run(
        "hg_count_in_references",
        object_count,
        len(targets),
        checked("targets", targets, np.uint32),
        None if counted is None else checked("counted", counted, np.uint8, len(targets)),
        counts.ctypes.data,
    )
    return counts


class TreeOrder(NamedTuple):
    """The dominator tree top down.

    Attributes:
        child_offsets: uint32[n+2]; row n is the virtual root.
        children: uint32[reached], in id order within a dominator.
        preorder: uint32[reached]: what an object dominates, itself included, is the slice of
            subtree_count[id] entries from position[id].
        position: uint32[n], UNREACHABLE outside the tree.
        subtree_count: uint32[n], objects dominated, itself included.
    """

    child_offsets: U32
    children: U32
    preorder: U32
    position: U32
    subtree_count: U32


def tree_children(idom: U32) -> tuple[U32, U32]:
    """`child_offsets` and `children` of a `TreeOrder`, a third of the work for the whole.

    The end of `children` has room for what no root reaches, and nothing in it.

    Args:
        idom: uint32[n], as `dominator_tree` gives it.

    Raises:
        ValueError: an entry is neither an object nor reserved.

    Cost: O(n), 8 bytes an object.
    """
    count = len(idom)
    tree = checked("idom", idom, np.uint32)
    offsets, children = np.empty(count + 2, np.uint32), np.empty(count, np.uint32)
    run("hg_dominator_children", count, tree, offsets.ctypes.data, children.ctypes.data)
    return offsets, children


def tree_order(idom: U32, known_children: tuple[U32, U32] | None = None) -> TreeOrder:
    """Children and preorder of a dominator tree.

    Args:
        idom: uint32[n], as `dominator_tree` gives it.
        known_children: what `tree_children` gave for it, if it was asked before.

    Raises:
        ValueError: an entry is neither an object nor reserved.

    Cost: O(n), 20 bytes an object.
    """
    count = len(idom)
    tree = checked("idom", idom, np.uint32)
    child_offsets, children = tree_children(idom) if known_children is None else known_children
    checked("child_offsets", child_offsets, np.uint32, count + 2)
    checked("children", children, np.uint32, count)
    preorder, position, subtree_count = (np.empty(count, np.uint32) for _ in range(3))
    reached = ctypes.c_uint64()
    run(
        "hg_dominator_preorder",
        count,
        tree,
        child_offsets.ctypes.data,
        children.ctypes.data,
        preorder.ctypes.data,
        position.ctypes.data,
        subtree_count.ctypes.data,
        ctypes.byref(reached),
    )
    size = reached.value
    return TreeOrder(child_offsets, children[:size], preorder[:size], position, subtree_count)


def tree_depths(order: TreeOrder, idom: U32) -> U32:
    """How many dominators every object has above it.

    Args:
        order: of `tree_order`.
        idom: uint32[n], what it was made from.

    Returns:
        uint32[n]; 0 outside the tree.

    Raises:
        ValueError: an array of a wrong type or length, an entry that is no object.

    Cost: O(n).
    """
    count = len(order.position)
    depths = np.empty(count, np.uint32)
    run(
        "hg_tree_depths",
        count,
        len(order.preorder),
        order.preorder.ctypes.data,
        checked("idom", idom, np.uint32, count),
        depths.ctypes.data,
    )
    return depths


def sum_topmost(order: TreeOrder, groups: U32, group_count: int, values: U64) -> U64:
    """Sum a value over each group's topmost members in the dominator tree.

    A member counts when none of its dominators is in its group: with retained sizes as values
    this is the least that a whole group, such as a type, retains.

    Args:
        order: of `tree_order`.
        groups: uint32[n], a number below group_count.
        group_count: how many groups.
        values: uint64[n].

    Returns:
        uint64[group_count].

    Raises:
        ValueError: an array of a wrong type or length, a group out of range.

    Cost: O(n), one pass for all groups.
    """
    count = len(order.position)
    totals = np.zeros(group_count, np.uint64)
    run(
        "hg_sum_topmost",
        count,
        len(order.preorder),
        order.preorder.ctypes.data,
        order.subtree_count.ctypes.data,
        checked("groups", groups, np.uint32, count),
        group_count,
        checked("values", values, np.uint64, count),
        totals.ctypes.data,
    )
    return totals


def sum_to_parents(order: U32, parent: U32, values: U64) -> None:
    """Add to every object's value, in place, those of all objects behind it in a search tree.

    Args:
        order: uint32[reached] of `breadth_first`.
        parent: uint32[n] of `breadth_first`.
        values: uint64[n], changed.

    Raises:
        ValueError: an array of a wrong type or length, an id out of range.
    """
    run(
        "hg_sum_to_parents",
        len(parent),
        len(order),
        checked("order", order, np.uint32),
        checked("parent", parent, np.uint32),
        checked("values", values, np.uint64, len(parent)),
    )
