"""Which object memory of C code goes with: every number is an estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import NO_ROW, UNREACHABLE, VIRTUAL_ROOT

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.dominators import DominatorTree
    from heapgraph.graph.table_rows import NativeColumns
    from heapgraph.native.graph_kernels import U32, U64

_MOST_STEPS = 10_000
"""Dominators above one another that are looked at: more has a linked list, whose first item it is
not worth to look for."""


@dataclass(frozen=True)
class NativeGroups:
    """Blocks that objects lead to, by group; parallel arrays but the first.

    Attributes:
        starts: int64[groups + 1], the owners of a group are `objects[starts[i]:starts[i + 1]]`.
        objects: uint32, ids of owners.
        sizes: uint64, bytes.
        dominators: uint32, the nearest common dominator of the owners, VIRTUAL_ROOT for none.
    """

    starts: npt.NDArray[np.int64]
    objects: U32
    sizes: U64
    dominators: U32

    def owners(self, group: int) -> U32:
        """Ids of the owners of one group."""
        return self.objects[self.starts[group] : self.starts[group + 1]]


def native_groups(native: NativeColumns, tree: DominatorTree) -> NativeGroups:
    """Group by group what objects lead to, without what too many lead to.

    What several objects lead to is their nearest common dominator's: it goes with that. Owners that
    no root reaches count only where all are such.

    Args:
        native: the rows.
        tree: of the objects.

    Cost: that of the tree, and some steps of numpy for each level between owners.
    """
    rows = np.flatnonzero(native.objects != NO_ROW)
    numbers = native.groups[rows].astype(np.int64)
    starts = np.flatnonzero(np.diff(numbers, prepend=-1, append=-1))
    starts = np.append(starts[starts < len(rows)], len(rows))
    groups = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    sizes = np.zeros(len(starts) - 1, np.uint64)
    np.add.at(sizes, groups, native.sizes[rows])
    objects = native.objects[rows]
    dominators = _common_dominators(groups, objects, len(sizes), tree)
    return NativeGroups(starts, objects, sizes, dominators)


def native_sizes(native: NativeColumns, tree: DominatorTree) -> U64:
    """Bytes of C code that each object has: uint64[n]; see `native_groups`.

    What only the roots dominate is nobody's.
    """
    groups = native_groups(native, tree)
    result = np.zeros(len(tree.idom), np.uint64)
    is_owned = groups.dominators < UNREACHABLE
    np.add.at(result, groups.dominators[is_owned], groups.sizes[is_owned])
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
