"""A heap in which memory of C code counts as a part of the object that it goes with."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

LEAST_SHARE = 0.01
"""Of everything reachable: with less of it, no object has another place among the largest."""

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
    native = graph.native_retained
    if int(graph.native_sizes.sum()) < max(1, int(LEAST_SHARE * graph.reachable_size)):
        return graph
    exact = graph.dominators
    tree = copy.copy(exact)  # with its order, where that is there already
    tree.retained_sizes = exact.retained_sizes + native
    other = copy.copy(graph)
    for name in _OF_SIZES:
        other.__dict__.pop(name, None)
    other.__dict__["shallow_sizes"] = graph.shallow_sizes + graph.native_sizes
    other.__dict__["dominators"] = tree
    other.__dict__["weighed"] = other
    other.__dict__["exact_graph"] = graph
    return other
