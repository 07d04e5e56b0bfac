"""Who holds most of some objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.expressions import expression
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_SAMPLED = 2000
"""Objects that are asked who holds them: enough to see which holder has most."""

_MAX_STEPS = 100
"""Up the dominator tree: the items of a long list are not followed to its head."""


def common_holder(graph: HeapGraph, ids: NDArray[Any]) -> str:
    """How to reach the nearest object without which most of these would go.

    Args:
        graph: the snapshot.
        ids: at least one.

    Returns:
        An expression: of the object itself where it is one that only roots hold, of one of them
        where all are garbage; "" where nothing but roots holds most.

    Cost: that of `nearest_holder`, and one expression.
    """
    holder = nearest_holder(graph, ids)
    if holder is not None:
        return expression(graph, holder)
    above = graph.dominators.idom[ids]
    is_one = len(ids) == 1 and int(above[0]) == VIRTUAL_ROOT
    return expression(graph, int(ids[0])) if is_one or (above == UNREACHABLE).all() else ""


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
