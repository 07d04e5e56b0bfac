"""Who holds most of some objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.expressions import expression
from heapgraph.graph.native.holders import is_program, is_program_object, nearest_holder
from heapgraph.model import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_MOST_PARTS = 5
"""Holders of objects of one type that are told apart."""


def common_holder(graph: HeapGraph, ids: NDArray[Any]) -> str:
    """How to reach the nearest object without which most of these would go.

    Args:
        graph: the snapshot.
        ids: at least one.

    Returns:
        An expression: of the object itself where it is one that only roots or a module hold, of
        one of them where all are garbage; "" where nothing but roots holds most.

    Cost: that of `nearest_holder`, and one expression.
    """
    above = graph.dominators.idom[ids]
    is_one = len(ids) == 1 and is_program_object(graph, int(above[0]))
    holder = None if is_one else nearest_holder(graph, ids)
    if holder is not None:
        return expression(graph, holder)
    return expression(graph, int(ids[0])) if is_one or (above == UNREACHABLE).all() else ""


def holders_of(graph: HeapGraph, ids: NDArray[Any]) -> Iterator[tuple[NDArray[Any], str]]:
    """Objects by what holds them: each is in one part, and goes with the holder of that.

    Args:
        graph: the snapshot.
        ids: at least one.

    Returns:
        Parts of the objects, and how to reach the holder of each as `common_holder` says it: what
        holds most of all, of the others what holds most of these, and so on.

    Cost: that of `common_holder` for each part, at most five.
    """
    tree = graph.dominators
    for _ in range(_MOST_PARTS - 1):
        held = ids[~is_program(graph, tree.idom[ids])]  # what variables have is in no container
        holder = nearest_holder(graph, held) if len(held) else None
        if holder is None or is_program_object(graph, holder):
            break
        begin = int(tree.order.position[holder])
        places = tree.order.position[ids].astype(np.int64)
        is_held = (places >= begin) & (places < begin + int(tree.order.subtree_count[holder]))
        yield ids[is_held], expression(graph, holder)
        ids = ids[~is_held]
        if not len(ids):
            return
    yield ids, common_holder(graph, ids)
