"""Breadth-first searches between nodes of a snapshot, ROOT included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.networkx.graph import ROOT, SnapshotDiGraph
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT
from heapgraph.native import graph_kernels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.native.graph_kernels import U32


class Search:
    """The nodes a search reached, how far away and by which way.

    Args:
        start: where it began.
        parent, distance, order: of `graph_kernels.breadth_first`.
        root_parent: the node from which a backward search reaches ROOT; None if it does not.
    """

    def __init__(
        self, start: int, parent: U32, distance: U32, order: U32, root_parent: int | None = None
    ) -> None:
        """Keep the result of a search."""
        self.start = start
        self._parent = parent
        self._distance = distance
        self._order = order
        self._root_parent = root_parent

    def __contains__(self, node: int) -> bool:
        """Whether the search reached a node."""
        if node == ROOT:
            return self.start == ROOT or self._root_parent is not None
        return 0 <= node < len(self._parent) and int(self._parent[node]) != UNREACHABLE

    def __len__(self) -> int:
        """How many nodes were reached, the start included."""
        return len(self._order) + (ROOT in self)

    def __iter__(self) -> Iterator[int]:
        """The nodes, the start first, by rising distance."""
        if self.start == ROOT:
            yield ROOT
        root_pending = self._root_parent is not None
        for node in map(int, self._order):
            if root_pending and int(self._distance[node]) >= self.distance_to(ROOT):
                yield ROOT
                root_pending = False
            yield node
        if root_pending:
            yield ROOT

    def distance_to(self, node: int) -> int:
        """References between the start and a reached node."""
        if node == ROOT:
            return 0 if self._root_parent is None else int(self._distance[self._root_parent]) + 1
        return int(self._distance[node]) + (self.start == ROOT)

    def parent_of(self, node: int) -> int:
        """The node before a reached one."""
        if node == ROOT and self._root_parent is not None:
            return self._root_parent
        above = int(self._parent[node])
        return ROOT if above == VIRTUAL_ROOT else above

    def path_to(self, node: int) -> list[int]:
        """Nodes from the start to a reached node."""
        path = [node]
        while path[-1] != self.start:
            path.append(self.parent_of(path[-1]))
        return path[::-1]


def search_forward(graph: SnapshotDiGraph, start: int) -> Search:
    """Search along the references."""
    heap = graph.heap
    roots = graph.root_targets if start == ROOT else np.array([start], np.uint32)
    return Search(
        start, *graph_kernels.breadth_first(heap.offsets, heap.targets, [roots], graph.skip)
    )


def search_backward(graph: SnapshotDiGraph, start: int) -> Search:
    """Search against the references."""
    reverse = graph.heap.reverse
    starts = np.array([] if start == ROOT else [start], np.uint32)
    parent, distance, order = graph_kernels.breadth_first(
        reverse.offsets, reverse.sources, [starts], graph.skip[reverse.edges]
    )
    reached_roots = graph.root_targets[parent[graph.root_targets] != UNREACHABLE]
    nearest = None
    if len(reached_roots):
        nearest = int(reached_roots[np.argmin(distance[reached_roots])])
    return Search(start, parent, distance, order, nearest)
