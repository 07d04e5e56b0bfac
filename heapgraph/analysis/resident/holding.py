"""Who holds most of some objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions import expression
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_SAMPLED = 2000
"""Objects that are asked who holds them: enough to see which holder has most."""


def common_holder(graph: HeapGraph, ids: NDArray[np.int64]) -> str:
    """How to reach the object without which most of these would go.

    Args:
        graph: the snapshot.
        ids: at least one.

    Cost: the dominator tree and the root paths, then 2,000 look-ups.
    """
    step = max(1, len(ids) // _SAMPLED)
    owners = graph.dominators.idom[ids[::step]]
    owners = owners[(owners != VIRTUAL_ROOT) & (owners != UNREACHABLE)]
    if not len(owners):
        return expression(graph, int(ids[0]))
    found, counts = np.unique(owners, return_counts=True)
    return expression(graph, int(found[np.argmax(counts)]))
