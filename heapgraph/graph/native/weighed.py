"""A heap in which memory of C code counts as a part of the object that it goes with."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.native.sizes import NativeShares
from heapgraph.model import UNREACHABLE, NativeKind, ObjectFlags

if TYPE_CHECKING:
    import numpy.typing as npt

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
    shares = _spread_shares(graph)
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


def _spread_shares(graph: HeapGraph) -> NativeShares:
    """Bytes of C code by object; what alike objects share is spread over them.

    Where they have no common dominator but a module or the roots, their memory would be nobody's,
    and who keeps most of them could never be named. Pages of connections form one ring in C.
    """
    tree = graph.dominators
    groups = graph.native_groups
    counts = np.diff(groups.starts)
    is_apart = (counts > 1) & is_program(graph, groups.dominators)
    whole = ~is_apart & (groups.dominators < UNREACHABLE)
    objects, sizes = [groups.dominators[whole]], [groups.sizes[whole]]
    for group in np.flatnonzero(is_apart).tolist():
        owners = tree.topmost(groups.owners(group))
        if len(np.unique(graph.type_ids[owners])) != 1:
            owners = groups.dominators[group : group + 1]
            owners = owners[owners < UNREACHABLE]
        objects.append(owners)
        part = groups.sizes[group] // np.uint64(max(len(owners), 1))
        sizes.append(np.full(len(owners), part, np.uint64))
    return NativeShares(np.concatenate(objects), np.concatenate(sizes), graph)


def is_program(graph: HeapGraph, objects: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Whether each is a module, its `__dict__`, a class, or no object at all.

    Args:
        graph: the snapshot.
        objects: uint32[k], ids or VIRTUAL_ROOT.

    Returns:
        bool[k].

    Cost: a look-up for each.
    """
    result = objects >= UNREACHABLE
    real = objects[~result]
    owners = graph.folded.owners_of(real)
    is_class = (graph.flags[owners] & np.uint16(ObjectFlags.IS_TYPE)) != 0
    is_module = graph.is_of_types(graph.type_mask({"module"}))[owners]
    result[~result] = is_class | is_module
    return result


def is_program_object(graph: HeapGraph, object_id: int) -> bool:
    """The same of one object."""
    return bool(is_program(graph, np.array([object_id], np.uint32))[0])
