"""The shortest paths to many objects, laid over one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT
from heapgraph.native import graph_kernels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.graph.paths import RootPaths
    from heapgraph.native.graph_kernels import U32, U64

_FEW = 10
"""While members are fewer than this part of all objects, climbing from them is quicker."""

_MAX_LEVELS = 200
"""References from a root up to which it is; linked lists are longer."""


class PathSums:
    """Sums of values over what each object leads to on the paths to some members.

    Attributes:
        objects: uint32[t], members and all objects on the way to them, rising.

    Args:
        objects: as above.
        sums: uint64[t].
    """

    def __init__(self, objects: U32, sums: U64) -> None:
        """Keep the arrays."""
        self.objects = objects
        self._sums = sums

    def at(self, object_ids: Sequence[int] | U32) -> U64:
        """uint64[k], what some objects lead to, themselves included; 0 off the paths."""
        wanted = np.asarray(object_ids, np.uint32)
        if not len(self.objects):
            return np.zeros(len(wanted), np.uint64)
        rows = np.minimum(np.searchsorted(self.objects, wanted), len(self.objects) - 1)
        sums: U64 = np.where(self.objects[rows] == wanted, self._sums[rows], np.uint64(0))
        return sums


class MergedPaths:
    """A tree of paths from the roots with, at each object, what it leads to.

    Args:
        parent: uint32[n], of the search.
        counts: members of the set reached through each object, itself included.
        sizes: their shallow sizes, bytes.
    """

    def __init__(self, parent: U32, counts: PathSums, sizes: PathSums) -> None:
        """Sort the objects of the tree by their parent."""
        self.counts = counts
        self.sizes = sizes
        self._objects = counts.objects[np.argsort(parent[counts.objects], kind="stable")]
        self._parents = parent[self._objects]

    @property
    def member_count(self) -> int:
        """Members of the set that a path reaches."""
        return int(self.counts.at(self.unsorted_children(VIRTUAL_ROOT)).sum())

    @property
    def total_size(self) -> int:
        """Shallow size of the reached members, bytes."""
        return int(self.sizes.at(self.unsorted_children(VIRTUAL_ROOT)).sum())

    def children(self, object_id: int) -> U32:
        """Next objects on the paths, the one that leads to most members first.

        Args:
            object_id: an object id, or VIRTUAL_ROOT for the targets of the roots.
        """
        objects = self.unsorted_children(object_id)
        return objects[np.lexsort((objects, ~self.sizes.at(objects), ~self.counts.at(objects)))]

    def unsorted_children(self, object_id: int) -> U32:
        """`children` by rising id, without the cost of sorting them."""
        wanted = np.uint32(object_id)  # another dtype would convert the whole array every time
        begin = np.searchsorted(self._parents, wanted)
        end = np.searchsorted(self._parents, wanted, side="right")
        return self._objects[begin:end]


def sum_on_paths(paths: RootPaths, members: U32, *columns: U64) -> list[PathSums]:
    """Sum values of some objects at every object on the paths to them.

    Args:
        paths: the search to follow.
        members: uint32[k], distinct, rising, reached by it.
        columns: uint64[k] each.

    Cost: proportional to the paths where these are few and short, else a pass over the heap.
    """
    distance = paths.distance[members]
    is_short = not len(members) or int(distance.max()) <= _MAX_LEVELS
    if is_short and len(members) * _FEW <= len(paths.parent):
        return _climb(paths.parent, members, distance, columns)
    found = []
    for column in columns:
        values = np.zeros(len(paths.parent), np.uint64)
        values[members] = column
        graph_kernels.sum_to_parents(paths.order, paths.parent, values)
        found.append(values)
    on_path = np.zeros(len(paths.parent), np.uint64)
    on_path[members] = 1
    graph_kernels.sum_to_parents(paths.order, paths.parent, on_path)
    objects = np.flatnonzero(on_path).astype(np.uint32)
    return [PathSums(objects, values[objects]) for values in found]


def _climb(parent: U32, members: U32, distance: U32, columns: Sequence[U64]) -> list[PathSums]:
    """Go up from the farthest members, one distance after another."""
    by_distance = np.argsort(distance, kind="stable")
    levels = int(distance.max()) + 1 if len(members) else 0
    bounds = np.searchsorted(distance[by_distance], np.arange(levels + 1))
    ids: list[U32] = []
    sums: list[list[U64]] = [[] for _ in columns]
    above = np.empty(0, np.uint32)
    carried: list[U64] = [np.empty(0, np.uint64) for _ in columns]
    for level in range(levels - 1, -1, -1):
        here = by_distance[bounds[level] : bounds[level + 1]]
        objects, places = np.unique(np.concatenate([members[here], above]), return_inverse=True)
        for position, column in enumerate(columns):
            total = np.zeros(len(objects), np.uint64)
            np.add.at(total, places, np.concatenate([column[here], carried[position]]))
            carried[position] = total
            sums[position].append(total)
        ids.append(objects)
        above = parent[objects]
    objects = np.concatenate(ids) if ids else np.empty(0, np.uint32)
    rising = np.argsort(objects, kind="stable")
    return [
        PathSums(
            objects[rising], np.concatenate(parts)[rising] if parts else np.empty(0, np.uint64)
        )
        for parts in sums
    ]


def reached_members(paths: RootPaths, members: U32) -> U32:
    """Those of some objects that a path leads to."""
    reached: U32 = members[paths.parent[members] != UNREACHABLE]
    return reached
