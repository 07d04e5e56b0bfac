"""A heap in which memory of C code counts as a part of the object that it goes with."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import NativeKind

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

LEAST_SHARE = 0.01
"""Of everything reachable: with less of it, no object has another place among the largest."""

_OF_OBJECTS = (NativeKind.OBJECT, NativeKind.SHARED, NativeKind.MAPPED)

_OF_SIZES = ("shallow_sizes", "dominators", "folded", "reachable_size", "unreachable_size")
"""What a graph keeps that depends on how large its objects are."""


def weighed(graph: HeapGraph) -> HeapGraph:
    """The same objects, references and dominators, with sizes that are estimates.

    Args:
        graph: with exact sizes.

    Returns:
        A graph whose shallow and retained sizes have native memory in them, and whose `exact` is
        the one given; that itself where C code has next to nothing.

    Cost: 16 bytes an object; what is known of the graph besides sizes is shared.
    """
    if graph.native.size_of(*_OF_OBJECTS) < max(1, int(LEAST_SHARE * graph.reachable_size)):
        return graph
    exact = graph.dominators
    shares = graph.native_shares
    everything = np.arange(graph.object_count, dtype=np.uint32)
    tree = copy.copy(exact)
    tree.retained_sizes = exact.retained_sizes + shares.retained(everything)
    other = copy.copy(graph)
    for name in _OF_SIZES:
        other.__dict__.pop(name, None)
    other.__dict__["shallow_sizes"] = graph.shallow_sizes + shares.of_each()
    other.__dict__["dominators"] = tree
    other.__dict__["weighed"] = other
    other.__dict__["exact_graph"] = graph
    return other
