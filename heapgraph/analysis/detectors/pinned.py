"""Buffers that views keep: how much of each the views show, all of its views together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.execution.suspended_code import name_rows
from heapgraph.graph.csr import rows_of_many
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

MIN_HIDDEN = 0.1
"""Share of a buffer that must be hidden: below, a copy of what is shown is as large."""

_BETWEEN = "managedbuffer"
"""What stands between memoryviews and the object that has the buffer."""

_FIELDS = frozenset({"mbuf", "base"})

_MOST_ASKED = 20
"""Objects that are asked whether they have views of a part."""


def bases_of(graph: HeapGraph, views: NDArray[np.uint32]) -> NDArray[np.int64]:
    """int64[k]: the object whose buffer each view shows, -1 for one that has its own.

    A view of a view is one of what that shows: numpy and memoryview say so themselves.
    """
    found = np.full(len(views), -1, np.int64)
    owner, edges = rows_of_many(graph.offsets, views)
    is_field = graph.edge_kinds[edges] == EdgeKind.FIELD
    is_field &= np.isin(graph.labels[edges], name_rows(graph, _FIELDS))
    found[owner[is_field]] = graph.targets[edges[is_field]]
    rows = np.flatnonzero(found >= 0)
    between = rows[graph.type_mask({_BETWEEN})[graph.type_ids[found[rows]]]]
    owner, edges = rows_of_many(graph.offsets, found[between].astype(np.uint32))
    is_buffer = graph.edge_kinds[edges] == EdgeKind.UNNAMED
    found[between] = -1
    found[between[owner[is_buffer]]] = graph.targets[edges[is_buffer]]
    return found


def hidden_sizes(graph: HeapGraph) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Buffers of which views show a part only, with the bytes of each that none of them shows.

    Returns:
        uint32[k], rising, and int64[k]. Not among them are buffers that are shown nearly whole.

    Cost: the references of all views.
    """
    views, shown = graph.views
    bases = bases_of(graph, views)
    is_view = bases >= 0
    known, place = np.unique(bases[is_view], return_inverse=True)
    seen = np.bincount(place, shown[is_view].astype(np.float64), minlength=len(known))
    sizes = graph.shallow_sizes[known].astype(np.float64)
    hidden = sizes - seen
    is_hidden = hidden >= np.maximum(MIN_HIDDEN * sizes, 1)
    return known[is_hidden].astype(np.uint32), hidden[is_hidden].astype(np.int64)


def hides_buffers(graph: HeapGraph, objects: NDArray[np.uint32]) -> bool:
    """Whether any of some objects keeps a buffer by views that show only a part of it.

    Args:
        graph: the snapshot.
        objects: ids; the first are asked.

    Cost: the references of all views, and what the first objects dominate.
    """
    bases, _ = hidden_sizes(graph)
    asked = objects[:_MOST_ASKED].tolist() if len(bases) else []
    return any(np.isin(bases, graph.dominators.dominated(each)).any() for each in asked)
