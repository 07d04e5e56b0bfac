"""Dead objects as a graph of their own, and a cycle of it in words."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.segments import entry_label, is_namespace, segment
from heapgraph.graph.csr import rows_of, rows_of_many
from heapgraph.model import UNREACHABLE, EdgeKind
from heapgraph.native.graph_kernels import reverse_references

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.references import Reference

_MAX_ROUNDS = 1000
"""Ends are taken off so often; what is left of a longer chain counts as on a cycle."""

_MAX_VISITED = 20_000
"""Objects looked at on the way back to one of them."""

_MAX_STEPS = 12
"""References of a cycle that are written; what is left out of a longer one is counted."""


class DeadGraph:
    """The strong references among objects that no root reaches; k objects, m references.

    Args:
        graph: the snapshot.
        members: uint32[k], all of its unreachable objects, rising.

    Attributes:
        members: the same; a place in it stands for an object in all else.
        sizes: uint64[k], shallow.
        offsets: uint64[k+1], where the references of each object begin.
        sources, targets: uint32[m], places.
        edges: int64[m], rows of the snapshot's references.
    """

    def __init__(self, graph: HeapGraph, members: NDArray[np.uint32]) -> None:
        """Pick the references out."""
        owners, edges = rows_of_many(graph.offsets, members)
        wanted = graph.weak_references[edges] == 0
        wanted &= graph.dominators.idom[graph.targets[edges]] == UNREACHABLE
        self.members = members
        self.sizes = graph.shallow_sizes[members].astype(np.uint64)
        self.edges = edges[wanted]
        self.sources = owners[wanted].astype(np.uint32)
        self.targets = np.searchsorted(members, graph.targets[self.edges]).astype(np.uint32)
        self.offsets = np.zeros(len(members) + 1, np.uint64)
        np.cumsum(np.bincount(self.sources, minlength=len(members)), out=self.offsets[1:])

    def targets_of(self, places: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """What some objects refer to, in no order, with repetitions."""
        _, rows = rows_of_many(self.offsets, places)
        targets: NDArray[np.uint32] = self.targets[rows]
        return targets

    def without_ends(self) -> NDArray[np.bool_]:
        """bool[k], without what leads to no cycle."""
        offsets, sources, _ = reverse_references(self.offsets, self.targets)
        left = np.diff(self.offsets.astype(np.int64))
        stays = np.ones(len(self.members), np.bool_)
        ends = np.flatnonzero(left == 0)
        for _ in range(_MAX_ROUNDS):
            if not len(ends):
                break
            stays[ends] = False
            _, rows = rows_of_many(offsets, ends)
            before, counts = np.unique(sources[rows], return_counts=True)
            left[before] -= counts
            ends = before[(left[before] == 0) & stays[before]]
        return stays

    def way_back(self, place: int) -> list[int]:
        """Rows of the references of a shortest way from an object to itself; none found: empty."""
        came_by: dict[int, int] = {}
        waiting = deque([place])
        while waiting and len(came_by) < _MAX_VISITED:
            rows = rows_of(self.offsets, waiting.popleft())
            for row in range(rows.start, min(rows.stop, rows.start + _MAX_VISITED)):
                target = int(self.targets[row])
                if target == place:
                    return self._way(row, place, came_by)
                if target not in came_by:
                    came_by[target] = row
                    waiting.append(target)
        return []

    def _way(self, row: int, place: int, came_by: dict[int, int]) -> list[int]:
        way = [row]
        while (source := int(self.sources[way[-1]])) != place:
            way.append(came_by[source])
        return [int(self.edges[row]) for row in reversed(way)]


def cycle_text(graph: HeapGraph, dead: DeadGraph, place: int) -> str:
    """A shortest cycle through an object: `Station.neighbours[0] -> Station`; "" for none.

    Args:
        graph: the snapshot.
        dead: its garbage.
        place: of the object.
    """
    way = graph.references(dead.way_back(place))
    if not way:
        return ""
    start = int(dead.members[place])
    text = _short(graph, start)
    in_namespace = False
    for reference in way[:_MAX_STEPS]:
        text += _step(graph, reference, in_namespace=in_namespace)
        in_namespace = is_namespace(reference)
        if reference.target == start or "." in graph.type_name(reference.target):
            text += f" -> {_short(graph, reference.target)}"
    left_out = len(way) - _MAX_STEPS
    return text if left_out <= 0 else f"{text} -> ... {left_out} more -> {_short(graph, start)}"


def _step(graph: HeapGraph, reference: Reference, *, in_namespace: bool) -> str:
    if is_namespace(reference):
        return ""
    if in_namespace or reference.kind is EdgeKind.ATTRIBUTE:
        name = entry_label(graph, reference, in_namespace=in_namespace)
        return f".{name}" if name else segment(graph, reference)
    return segment(graph, reference)


def _short(graph: HeapGraph, object_id: int) -> str:
    return graph.type_name(object_id).rpartition(".")[2]
