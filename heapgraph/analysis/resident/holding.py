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


def common_holder(graph: HeapGraph, ids: NDArray[np.int64]) -> str:
    """How to reach the nearest object without which most of these would go.

    Args:
        graph: the snapshot.
        ids: at least one.

    Returns:
        An expression: of one of them where nothing but roots holds any; "" where nothing but
        roots holds most.

    Cost: the dominator tree and the root paths, then 2,000 look-ups for each step up the tree.
    """
    holders: NDArray[Any] = ids[:: max(1, len(ids) // _SAMPLED)]
    most = len(holders) // 2
    held: dict[int, int] = {}  # how many go with each
    for step in range(_MAX_STEPS):
        holders = graph.dominators.idom[holders]
        holders = holders[(holders != VIRTUAL_ROOT) & (holders != UNREACHABLE)]
        if len(holders) == 0:
            return expression(graph, int(ids[0])) if step == 0 else ""
        found, counts = np.unique(holders, return_counts=True)
        for holder, count in zip(found.tolist(), counts.tolist(), strict=True):
            held[holder] = held.get(holder, 0) + count
        nearest = max(found.tolist(), key=lambda holder: held[holder])
        if held[nearest] > most:
            return expression(graph, nearest)
    return ""
