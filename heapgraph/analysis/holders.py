"""The few objects to look at first: where the bytes are gathered, none of them inside another."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from heapgraph.analysis.object_rows import ObjectRow, object_row
from heapgraph.analysis.results import TableResult
from heapgraph.model import VIRTUAL_ROOT

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

DEFAULT_LIMIT = 5

PASS_ON_SHARE = 0.7
"""An object that passes this share of what it retains to one child is only on the way: the child
is looked at instead. Eclipse MAT's accumulation point uses the same limit."""

_MAX_STEPS_DOWN = 40
"""A linked list passes everything on, item after item: after so many steps its first item is the
holder."""


@dataclass(frozen=True)
class Holders(TableResult):
    """Objects where bytes gather, largest first; none dominates another."""

    rows_field: ClassVar[str] = "objects"

    objects: tuple[ObjectRow, ...]


def find_holders(
    graph: HeapGraph, *, progress: Progress | None = None, limit: int = DEFAULT_LIMIT
) -> Holders:
    """Walk the folded dominator tree from the top and stop where the bytes are gathered.

    A module is never a holder, its globals are: everybody knows that the program is in its
    modules. Nor is an object that passes most of its size on to one child.

    Args:
        graph: the snapshot.
        progress: told when the dominator tree is computed.
        limit: how many rows.

    Cost: the dominator tree, then the children of the few largest objects.
    """
    if progress is not None:
        progress("dominator tree", 0, 0)
    found: list[int] = []
    queue = _Queue(graph, limit)
    queue.add_children(VIRTUAL_ROOT)
    while queue and len(found) < limit:
        object_id, is_gathering_point = queue.pop()
        if is_gathering_point:
            found.append(object_id)
        elif graph.type_name(object_id) == "module" and graph.folded.children(object_id, 1):
            queue.add_children(object_id)
        else:
            queue.add(_gathering_point(graph, object_id), is_gathering_point=True)
    return Holders(tuple(object_row(graph, object_id) for object_id in found))


def _gathering_point(graph: HeapGraph, object_id: int) -> int:
    """The object below this one at which the bytes part, or begin to be its own."""
    point = object_id
    for _ in range(_MAX_STEPS_DOWN):
        children = graph.folded.children(point, 1)
        retained = graph.folded.retained_size(point)
        if not children or graph.folded.retained_size(children[0]) < PASS_ON_SHARE * retained:
            return point
        point = children[0]
    return object_id


class _Queue:
    """Objects of the tree still to look at, the largest first; those to be shown are marked."""

    def __init__(self, graph: HeapGraph, limit: int) -> None:
        self._graph = graph
        self._limit = limit
        self._heap: list[tuple[int, int, bool]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add_children(self, object_id: int) -> None:
        """Add the largest children; every entry ends as one row, so no more are needed."""
        for child in self._graph.folded.children(object_id, self._limit):
            self.add(child, is_gathering_point=False)

    def add(self, object_id: int, *, is_gathering_point: bool) -> None:
        retained = self._graph.folded.retained_size(object_id)
        heapq.heappush(self._heap, (-retained, object_id, is_gathering_point))

    def pop(self) -> tuple[int, bool]:
        _, object_id, is_gathering_point = heapq.heappop(self._heap)
        return object_id, is_gathering_point
