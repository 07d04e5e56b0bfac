"""Blocks of C code counted once, for the owner that is nearest to the roots."""

from __future__ import annotations

import pytest

from heapgraph.graph.native.nearest import knows_native
from heapgraph.model import NativeKind
from helpers.app_heap import graph_of
from helpers.heaps import draw_heap

TREE = """
* -> app:dict(10) -> left:Client(10) -> inner:Session(10)
app -> right:Client(10)
* -> other:Client(10)
dead:Client(10)
"""


def owned(*owners, size=100, kind=NativeKind.SHARED):
    """Bytes by name of an object, of one group of blocks."""
    heap = draw_heap(TREE)
    heap.native([heap.ids[name] for name in owners], size, kind)
    graph = graph_of(heap)
    sizes = graph.native_owned.of_each(graph)
    return {name: int(sizes[row]) for name, row in heap.ids.items() if sizes[row]}


@pytest.mark.parametrize(
    ("owners", "nearest"),
    [
        (["inner"], "inner"),
        (["inner", "right"], "right"),
        (["right", "other"], "other"),
        (["inner", "dead"], "inner"),
        (["dead"], "dead"),
    ],
)
def test_blocks_are_the_nearest_owners(owners, nearest):
    """Given several owners, also in different parts of the tree, then one has all the bytes."""
    assert owned(*owners) == {nearest: 100}


def test_blocks_of_no_object_are_no_objects():
    assert owned(kind=NativeKind.LIBRARY) == {}


def test_several_groups_are_added_up_by_type():
    heap = draw_heap(TREE)
    ids = heap.ids
    heap.native([ids["left"]], 1)
    heap.native([ids["right"], ids["inner"]], 10, NativeKind.SHARED)
    heap.native([ids["inner"]], 100)
    graph = graph_of(heap)
    sizes = graph.native_owned.by_type(graph).tolist()
    found = {name: size for name, size in zip(graph.type_names, sizes, strict=True) if size}
    assert found == {"Client": 11, "Session": 100}
    assert graph.native_owned.size == 111


def test_nothing_is_searched_where_nothing_is_shared():
    """Given no blocks, or blocks with one owner each, then no paths are looked for."""
    heap = draw_heap(TREE)
    heap.native([heap.ids["left"]], 1)
    for one in (heap, draw_heap(TREE)):
        graph = graph_of(one)
        graph.native_owned.by_type(graph)
        assert not {"root_paths", "dominators"} & set(vars(graph))


def test_what_was_left_out_is_not_known():
    """Given no table, no allocator that was read, or too many blocks, then it is not known."""
    heap = draw_heap(TREE)
    assert not knows_native(graph_of(heap))
    looked_at = {"chunks": 5, "pointers": 0, "small_bytes": 0, "left_out": ""}
    assert knows_native(graph_of(heap, native=looked_at))
    assert not knows_native(graph_of(heap, native=looked_at | {"chunks": 0}))
    heap.native([heap.ids["left"]], 1, NativeKind.MAPPED)
    assert knows_native(graph_of(heap))
    assert not knows_native(graph_of(heap, native=looked_at | {"left_out": "too many"}))
