"""Memory of C code in the graph: whose it is, and with what it goes."""

from __future__ import annotations

import numpy as np

from heapgraph.model import NO_ROW, NativeKind
from helpers.app_heap import graph_of
from helpers.heaps import HeapBuilder, draw_heap

TREE = """
* -> app:dict(10) -> left:Client(10), right:Client(10)
left -> inner:Session(10)
* -> other:Client(10)
dead:Client(10)
"""


def tree() -> HeapBuilder:
    return draw_heap(TREE)


def sizes_of(heap: HeapBuilder) -> dict[str, int]:
    graph = graph_of(heap)
    return {name: int(graph.native_sizes[row]) for name, row in heap.ids.items()}


def test_memory_of_one_object_is_its_own():
    """Given blocks that one object leads to, also in several groups, then they are added up."""
    heap = tree()
    heap.native([heap.ids["left"]], 100)
    heap.native([heap.ids["left"]], 30)
    assert sizes_of(heap)["left"] == 130


def test_shared_memory_goes_with_the_nearest_common_dominator():
    """Given owners in different parts of the tree, then it is what they all hang from."""
    ids = tree().ids
    for owners, expected in (
        (["left", "right"], "app"),
        (["inner", "left"], "left"),
        (["inner", "right", "left"], "app"),
        (["left", "dead"], "left"),
    ):
        heap = tree()
        heap.native([ids[name] for name in owners], 100, NativeKind.SHARED)
        found = sizes_of(heap)
        assert {name: size for name, size in found.items() if size} == {expected: 100}


def test_memory_of_several_roots_is_nobodys():
    """Given owners that only the roots have in common, or too many to list, then it is no one's."""
    heap = tree()
    heap.native([heap.ids["left"], heap.ids["other"]], 100, NativeKind.SHARED)
    heap.native([], 100, NativeKind.SHARED)
    heap.native([], 100, NativeKind.LIBRARY, name="variable of libapp.so")
    heap.native([], 100, NativeKind.LOST)
    assert not any(sizes_of(heap).values())


def test_memory_of_garbage_is_the_garbages():
    """Given an owner that no root reaches, then it has its blocks, and nothing retains them."""
    heap = tree()
    heap.native([heap.ids["dead"]], 100)
    graph = graph_of(heap)
    assert graph.native_sizes[heap.ids["dead"]] == 100
    assert not graph.native_retained.any()


def test_retained_memory_is_that_of_the_subtree():
    """Given blocks at several places, then each object retains its own and what it dominates."""
    heap = tree()
    ids = heap.ids
    heap.native([ids["inner"]], 1)
    heap.native([ids["left"]], 10)
    heap.native([ids["right"]], 100)
    heap.native([ids["other"]], 1000)
    retained = graph_of(heap).native_retained
    found = {name: int(retained[ids[name]]) for name in ("inner", "left", "right", "app", "other")}
    assert found == {"inner": 1, "left": 11, "right": 100, "app": 111, "other": 1000}


def test_a_snapshot_that_does_not_know_has_zeros():
    """Given no rows, then nothing is computed."""
    graph = graph_of(tree())
    assert not graph.native_sizes.any()
    assert not graph.native_retained.any()
    assert "dominators" not in vars(graph)


def test_rows_come_back_as_they_were_added():
    """Given groups of all kinds, then the columns have them, sizes in the first row of each."""
    heap = tree()
    heap.native([1, 2], 100, NativeKind.SHARED, blocks=7)
    heap.native([], 50, NativeKind.LOST, name="blocks of up to 64 B")
    native = graph_of(heap).native
    assert native.objects.tolist() == [1, 2, NO_ROW]
    assert native.sizes.tolist() == [100, 0, 50]
    assert native.blocks.tolist() == [7, 0, 1]
    assert native.size_of(NativeKind.SHARED, NativeKind.LOST) == 150
    assert native.names[-1] == "blocks of up to 64 B"
    assert np.all(np.diff(native.groups.astype(np.int64)) >= 0)
