"""Linked lists of a million items, on which common dominator algorithms are quadratic.

    root -> item 0 -> item 1 -> ... -> item N-1
             |          |                 |
             v          v                 v
          value 0    value 1  ...     value N-1     each also held by a dict under the root

The immediate dominator of every value is the root, N steps up from the last item: algorithms that
walk there one step at a time need 5e11 steps. Recursion anywhere would overflow the stack.
"""

import time

import numpy as np
import pytest

from heapgraph.model import VIRTUAL_ROOT
from heapgraph.native import graph_kernels
from helpers.reference_algorithms import RawGraph

ITEMS = 1_000_000
QUADRATIC_WOULD_TAKE_MINUTES_S = 20.0
ROOT, DICT, FIRST_ITEM = 0, 1, 2
ITEM_IDS = np.arange(FIRST_ITEM, FIRST_ITEM + ITEMS, dtype=np.uint32)


def graph_of_pairs(count: int, sources: np.ndarray, targets: np.ndarray) -> RawGraph:
    order = np.argsort(sources, kind="stable")
    degrees = np.bincount(sources, minlength=count)
    return RawGraph(
        np.concatenate([[0], np.cumsum(degrees)]).astype(np.uint64),
        targets[order].astype(np.uint32),
        np.array([ROOT], np.uint32),
        np.ones(count, np.uint64),
    )


def linked_list(*further: tuple[object, object], count: int, list_first: bool = True) -> RawGraph:
    """root -> list and dict, the list's own references, and further (sources, targets)."""
    top = [FIRST_ITEM, DICT] if list_first else [DICT, FIRST_ITEM]
    parts = [([ROOT, ROOT], top), (ITEM_IDS[:-1], ITEM_IDS[1:]), *further]
    pairs = [np.broadcast_arrays(sources, targets) for sources, targets in parts]
    return graph_of_pairs(count, *(np.concatenate(column) for column in zip(*pairs, strict=True)))


def timed_dominators(graph: RawGraph):
    started = time.perf_counter()
    idom, retained = graph_kernels.dominator_tree(
        graph.offsets, graph.targets, graph.roots, graph.sizes
    )
    assert time.perf_counter() - started < QUADRATIC_WOULD_TAKE_MINUTES_S
    assert idom[ROOT] == VIRTUAL_ROOT
    assert idom[FIRST_ITEM] == ROOT
    assert np.array_equal(idom[ITEM_IDS[1:]], ITEM_IDS[:-1])
    assert retained[ROOT] == len(idom)
    return idom, retained


@pytest.mark.parametrize("list_first", [True, False])
def test_each_items_value_is_also_in_a_dict(list_first):
    values = ITEM_IDS + np.uint32(ITEMS)
    graph = linked_list(
        (ITEM_IDS, values), (DICT, values), count=FIRST_ITEM + 2 * ITEMS, list_first=list_first
    )
    idom, retained = timed_dominators(graph)
    assert np.all(idom[values] == ROOT)
    assert np.array_equal(retained[ITEM_IDS], np.arange(ITEMS, 0, -1))


@pytest.mark.parametrize("list_first", [True, False])
def test_each_items_value_is_also_in_a_dict_and_has_a_child(list_first):
    values = ITEM_IDS + np.uint32(ITEMS)
    children = values + np.uint32(ITEMS)
    graph = linked_list(
        (ITEM_IDS, values),
        (DICT, values),
        (values, children),
        count=FIRST_ITEM + 3 * ITEMS,
        list_first=list_first,
    )
    idom, retained = timed_dominators(graph)
    assert np.all(idom[values] == ROOT)
    assert np.array_equal(idom[children], values)
    assert np.all(retained[values] == 2)
    assert np.array_equal(retained[ITEM_IDS], np.arange(ITEMS, 0, -1))


def test_one_value_is_shared_by_all_items():
    value = FIRST_ITEM + ITEMS
    graph = linked_list((ITEM_IDS, value), ([value], [value + 1]), count=value + 2)
    idom, retained = timed_dominators(graph)
    assert idom[value + 1] == value
    assert idom[value] == FIRST_ITEM
    assert retained[value] == 2
    assert retained[FIRST_ITEM] == ITEMS + 2
    assert np.array_equal(retained[ITEM_IDS[1:]], np.arange(ITEMS - 1, 0, -1))


def test_the_other_kernels_walk_a_long_list_too():
    graph = linked_list(count=FIRST_ITEM + ITEMS)
    arrays = graph.offsets, graph.targets
    parent, distance, order = graph_kernels.breadth_first(*arrays, [graph.roots])
    assert distance[ITEM_IDS[-1]] == ITEMS
    assert parent[ITEM_IDS[-1]] == ITEM_IDS[-2]
    assert len(order) == FIRST_ITEM + ITEMS
    assert graph_kernels.reachable(*arrays, graph.roots).all()
    idom, _ = graph_kernels.dominator_tree(*arrays, graph.roots, graph.sizes)
    tree = graph_kernels.tree_order(idom)
    assert np.array_equal(tree.subtree_count[ITEM_IDS], np.arange(ITEMS, 0, -1))
