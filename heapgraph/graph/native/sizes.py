"""Which objects lead to which blocks of C code, and what dominates all of these: estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import NO_ROW, UNREACHABLE, VIRTUAL_ROOT

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.dominators import DominatorTree
    from heapgraph.graph.heap_graph import HeapGraph
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


def native_groups(graph: HeapGraph) -> NativeGroups:
    """Group by group what objects lead to, without what too many lead to.

    Owners that no root reaches count only where all are such.

    Args:
        graph: of the objects.

    Cost: that of the dominator tree where any object leads to some, and some steps of numpy for
        each level between owners.
    """
    groups = owners_by_group(graph.native)
    if groups is None:
        nothing = np.empty(0, np.uint32)
        return NativeGroups(np.zeros(1, np.int64), nothing, np.empty(0, np.uint64), nothing)
    count = len(groups.sizes)
    dominators = _common_dominators(groups.numbers, groups.objects, count, graph.dominators)
    return NativeGroups(groups.starts, groups.objects, groups.sizes, dominators)


@dataclass(frozen=True)
class GroupOwners:
    """Who leads to each group of blocks that any object does, k owners in all.

    Attributes:
        starts: int64[groups + 1], where the owners of each begin.
        numbers: int64[k], the group of each owner.
        objects: uint32[k], ids of owners.
        sizes: uint64[groups], bytes.
    """

    starts: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    objects: U32
    sizes: U64


def owners_by_group(native: NativeColumns) -> GroupOwners | None:
    """The rows of the table that have an object, by group; None where there are none."""
    rows = np.flatnonzero(native.objects != NO_ROW)
    if not len(rows):
        return None
    stored = native.groups[rows].astype(np.int64)
    starts = np.flatnonzero(np.diff(stored, prepend=-1, append=-1))
    starts = np.append(starts[starts < len(rows)], len(rows))
    numbers = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    sizes = np.zeros(len(starts) - 1, np.uint64)
    np.add.at(sizes, numbers, native.sizes[rows])
    return GroupOwners(starts, numbers, native.objects[rows], sizes)


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
