"""Which object memory of C code goes with: every number is an estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import NO_ROW, UNREACHABLE, VIRTUAL_ROOT, NativeKind

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.dominators import DominatorTree
    from heapgraph.graph.table_rows import NativeColumns
    from heapgraph.native.graph_kernels import U32, U64

_MOST_STEPS = 10_000
"""Dominators above one another that are looked at: more has a linked list, whose first item it is
not worth to look for."""


def native_sizes(native: NativeColumns, tree: DominatorTree) -> U64:
    """Bytes of C code that each object has: uint64[n].

    What several objects lead to is their nearest common dominator's: it goes with that. What only
    the roots dominate is nobody's; owners that no root reaches count only where all are such.

    Args:
        native: the rows.
        tree: of the objects.

    Cost: that of the tree, and some steps of numpy for each level between owners.
    """
    result = np.zeros(len(tree.idom), np.uint64)
    of_objects = (native.objects != NO_ROW) & np.isin(
        native.kinds, (NativeKind.OBJECT, NativeKind.SHARED)
    )
    if not of_objects.any():
        return result
    groups, first = np.unique(native.groups[of_objects], return_inverse=True)
    sizes = np.zeros(len(groups), np.uint64)
    np.add.at(sizes, first, native.sizes[of_objects])
    owners = _common_dominators(first, native.objects[of_objects], len(groups), tree)
    is_owned = owners < UNREACHABLE
    np.add.at(result, owners[is_owned], sizes[is_owned])
    return result


def native_retained(sizes: U64, tree: DominatorTree) -> U64:
    """Bytes of C code that go with each object: uint64[n], 0 for what no root reaches.

    Args:
        sizes: what `native_sizes` returns.
        tree: of the objects.
    """
    order = tree.order
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(sizes[order.preorder])))
    result = np.zeros(len(sizes), np.uint64)
    is_reached = order.position != UNREACHABLE
    begins = order.position[is_reached].astype(np.int64)
    result[is_reached] = sums[begins + order.subtree_count[is_reached]] - sums[begins]
    return result


def _common_dominators(
    groups: npt.NDArray[np.int64], objects: U32, count: int, tree: DominatorTree
) -> U32:
    """The nearest dominator of all objects of each group: uint32[count], VIRTUAL_ROOT for none.

    In preorder a subtree is one run, so it has all members where it has the first and the last.
    """
    positions = tree.order.position[objects].astype(np.int64)
    is_reached = tree.idom[objects] != UNREACHABLE
    first = np.full(count, len(tree.idom), np.int64)
    last = np.full(count, -1, np.int64)
    np.minimum.at(first, groups[is_reached], positions[is_reached])
    np.maximum.at(last, groups[is_reached], positions[is_reached])
    found = np.full(count, VIRTUAL_ROOT, np.uint32)
    dead = np.ones(count, np.bool_)
    dead[groups[is_reached]] = False
    alone = np.bincount(groups, minlength=count)[groups] == 1
    found[groups[alone & dead[groups]]] = objects[alone & dead[groups]]
    waiting = np.flatnonzero(~dead)
    found[waiting] = tree.order.preorder[first[waiting]]
    for _ in range(_MOST_STEPS):
        above = found[waiting]
        ends = tree.order.position[above].astype(np.int64) + tree.order.subtree_count[above]
        waiting = waiting[ends <= last[waiting]]
        if not len(waiting):
            return found
        found[waiting] = tree.idom[found[waiting]]
        waiting = waiting[found[waiting] != VIRTUAL_ROOT]
    found[waiting] = VIRTUAL_ROOT
    return found
