"""Which object memory of C code goes with: every number is an estimate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.object_sets import sum_by_group
from heapgraph.model import NO_ROW, UNREACHABLE, VIRTUAL_ROOT, NativeGrade

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

    What several objects lead to is their nearest common dominator's: it goes with that. Owners that
    no root reaches count only where all are such.

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


class NativeShares:
    """Bytes of C code of the few objects that have some.

    Args:
        objects: uint32[k], ids, each as often as it has a share.
        sizes: uint64[k], bytes.
        graph: of the objects; its dominator tree is computed when it is needed.
    """

    def __init__(self, objects: U32, sizes: U64, graph: HeapGraph) -> None:
        """Keep the shares; their places in the tree are looked up when they are first needed."""
        self._objects, self._sizes, self._graph = objects, sizes, graph

    def __len__(self) -> int:
        """How many shares there are."""
        return len(self._objects)

    def of_each(self) -> U64:
        """Bytes that each object has: uint64[n]."""
        return sum_by_group(self._objects, self._sizes, self._graph.object_count)

    def retained(self, ids: U32) -> U64:
        """Bytes that go with some objects: as long as `ids`, 0 for what no root reaches.

        Cost: two look-ups for each; the dominator tree in its order, once, where anybody has some.
        """
        result = np.zeros(len(ids), np.uint64)
        if not len(self._objects):
            return result
        order = self._graph.dominators.order
        begins = order.position[ids].astype(np.int64)
        reached = np.flatnonzero(begins != UNREACHABLE)
        begins = begins[reached]
        places, sums = self._in_order
        first = np.searchsorted(places, begins)
        behind = np.searchsorted(places, begins + order.subtree_count[ids[reached]])
        result[reached] = sums[behind] - sums[first]
        return result

    def retained_by(self, *ids: int) -> int:
        """Bytes that go with objects, none of which dominates another."""
        return int(self.retained(np.array(ids, np.uint32)).sum())

    @cached_property
    def _in_order(self) -> tuple[npt.NDArray[np.int64], U64]:
        """Where who has some stands in preorder, rising, and the bytes in front of each.

        A subtree is one run: in it lies what is in front of its end and not of its beginning.
        """
        places = self._graph.dominators.order.position[self._objects].astype(np.int64)
        is_reached = places != UNREACHABLE
        rows = np.argsort(places[is_reached], kind="stable")
        sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(self._sizes[is_reached][rows])))
        return places[is_reached][rows], sums


def native_shares(graph: HeapGraph) -> NativeShares:
    """What each object has of the groups of blocks: what only the roots dominate is nobody's."""
    groups = graph.native_groups
    is_owned = groups.dominators < UNREACHABLE
    return NativeShares(groups.dominators[is_owned], groups.sizes[is_owned], graph)


def native_by_grade(graph: HeapGraph, object_id: int) -> dict[NativeGrade, int]:
    """How sure it is of the bytes of C code that go with an object: those of each grade.

    Where several owners lead to a block, the least sure of them counts.

    Args:
        graph: of the objects.
        object_id: the object; its folded `__dict__` is a part of it.

    Returns:
        Bytes by grade, which add up to `folded.native_size`; no grade without any.

    Cost: a look-up for each group of blocks; the dominator tree, once.
    """
    owners = owners_by_group(graph.native)
    if owners is None:
        return {}
    rows = np.flatnonzero(graph.native.objects != NO_ROW)
    worst = np.maximum.reduceat(graph.native.grades[rows], owners.starts[:-1])
    groups, found = graph.native_groups, dict[NativeGrade, int]()
    for grade in NativeGrade:
        mine = (worst == grade) & (groups.dominators < UNREACHABLE)
        shares = NativeShares(groups.dominators[mine], groups.sizes[mine], graph)
        if size := graph.folded.native_size(object_id, shares):
            found[grade] = size
    return found


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
