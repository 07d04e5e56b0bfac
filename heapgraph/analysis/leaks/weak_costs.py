"""What weak references to leaked classes cost, in caches of abstract classes and elsewhere.

A class that was asked for by isinstance() leaves a weak reference, with what takes it away again,
in each abstract class that was asked: more bytes than the class itself, and they go with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.model import EdgeKind, ObjectFlags
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_CACHE_SUFFIX = "_abc_data"
"""Of the type that has what an abstract class remembers: which classes are of it, and which not."""

_WORTH_TELLING = 0.1
"""Bytes of the weak references, as a part of what the classes keep themselves."""


class WeakCosts(NamedTuple):
    """Weak references to some objects.

    Attributes:
        references: how many there are.
        in_caches: of these, how many are in what an abstract class remembers.
        retained_size: bytes that go with them, their callbacks too; the tables they are in stay.
    """

    references: int
    in_caches: int
    retained_size: int


def are_classes(graph: HeapGraph, members: NDArray[np.uint32]) -> bool:
    """Whether what gathers somewhere are classes, whatever their metaclass."""
    return len(members) > 0 and bool(graph.flags[members[0]] & ObjectFlags.IS_TYPE)


def weak_costs(graph: HeapGraph, members: NDArray[np.uint32]) -> WeakCosts:
    """Weak references to objects, those aside that the objects keep themselves.

    Args:
        graph: the snapshot.
        members: ids, none of which dominates another.

    Cost: one pass over the references.
    """
    is_member = np.zeros(graph.object_count, np.bool_)
    is_member[members] = True
    edges = np.flatnonzero(graph.edge_kinds == EdgeKind.WEAK)
    edges = edges[is_member[graph.targets[edges]]]
    sources = np.unique(np.searchsorted(graph.offsets, edges.astype(np.uint64), side="right") - 1)
    tree, holders = graph.dominators, sources.astype(np.uint32)
    for _ in range(2):  # below a member, or below its namespace
        above = tree.idom[holders]
        holders = np.where(above < graph.object_count, above, holders)
        sources, holders = sources[~is_member[holders]], holders[~is_member[holders]]
    is_cache = np.array([name.endswith(_CACHE_SUFFIX) for name in graph.type_names], np.bool_)
    caches = tree.idom[tree.idom[sources[tree.idom[sources] < graph.object_count]]]
    in_caches = is_cache[graph.type_ids[caches[caches < graph.object_count]]]
    size = tree.minimum_retained_size(sources.astype(np.uint32))
    return WeakCosts(len(sources), int(np.count_nonzero(in_caches)), size)


def costs_in_words(graph: HeapGraph, members: NDArray[np.uint32], retained: int) -> str:
    """The sentence; "" for what are no classes, and where it is little.

    Args:
        graph: the snapshot.
        members: what gathers somewhere.
        retained: bytes that go with it.
    """
    if not are_classes(graph, members):
        return ""
    costs = weak_costs(graph, members)
    if costs.retained_size < _WORTH_TELLING * retained:
        return ""
    share = format_share(share_of_heap(graph, costs.retained_size))
    what = f"{format_count(costs.references)} weak references to these classes"
    where = ""
    if costs.in_caches > costs.references / 2:
        where = ", most of them in what abstract classes remember of isinstance()"
    return f"Another {format_size(costs.retained_size)}, {share} of the heap: {what}{where}."
