"""The references of an object as its fields: what people think of as its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.csr import rows_of
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph


def stored_references(graph: HeapGraph, object_id: int) -> NDArray[np.int64]:
    """int64[k], the rows of all references of an object, as they are stored."""
    rows = rows_of(graph.offsets, object_id)
    return np.arange(rows.start, rows.stop)


def field_references(graph: HeapGraph, object_id: int) -> NDArray[np.int64]:
    """int64[k], the rows of an object's fields: the entries of its `__dict__` are among them.

    Keys that have values are left out, since they are the labels of those, and so is the reference
    to a dict that is folded. The class says nothing about the fields: it comes last.
    """
    parts = graph.folded.parts_of(object_id)
    edges = np.concatenate([stored_references(graph, part) for part in parts[::-1]])
    kinds, targets = graph.edge_kinds[edges], graph.targets[edges]
    left_out = (kinds == EdgeKind.DICT) & np.isin(targets, parts)
    # Of a folded dict the class is no part of the instance.
    left_out |= (kinds == EdgeKind.TYPE) & ~np.isin(edges, stored_references(graph, object_id))
    if (kinds == EdgeKind.VALUE).any():
        left_out |= kinds == EdgeKind.KEY
    shown = edges[~left_out]
    is_type = graph.edge_kinds[shown] == EdgeKind.TYPE
    return np.concatenate([shown[~is_type], shown[is_type]])
