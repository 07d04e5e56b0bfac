"""What holds some objects: the nearest that most go with, and which holders are the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, ObjectFlags

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_SAMPLED = 2000
"""Objects that are asked who holds them: enough to see which holder has most."""

_MAX_STEPS = 100
"""Up the dominator tree: the items of a long list are not followed to its head."""


def nearest_holder(graph: HeapGraph, ids: NDArray[Any]) -> int | None:
    """The nearest object without which most of these would go, none where only roots hold most.

    Args:
        graph: the snapshot.
        ids: at least one.

    Cost: the dominator tree and the root paths, then 2,000 look-ups for each step up the tree.
    """
    holders: NDArray[Any] = ids[:: max(1, len(ids) // _SAMPLED)]
    most = len(holders) // 2
    held: dict[int, int] = {}  # how many go with each
    for _ in range(_MAX_STEPS):
        holders = graph.dominators.idom[holders]
        holders = holders[(holders != VIRTUAL_ROOT) & (holders != UNREACHABLE)]
        if len(holders) == 0:
            return None
        found, counts = np.unique(holders, return_counts=True)
        for holder, count in zip(found.tolist(), counts.tolist(), strict=True):
            held[holder] = held.get(holder, 0) + count
        nearest: int = max(found.tolist(), key=lambda holder: held[holder])
        if held[nearest] > most:
            return nearest
    return None


def is_program(graph: HeapGraph, objects: NDArray[np.uint32]) -> NDArray[np.bool_]:
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
