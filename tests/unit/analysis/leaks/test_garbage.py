"""Garbage in heaps drawn for the purpose: what is said of it, and when it is no suspect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.analysis.garbage.found import garbage_of
from heapgraph.analysis.suspects import find_suspects
from heapgraph.model import EdgeKind, ObjectFlags, RootKind
from helpers.app_heap import MEBIBYTE, graph_of, items, store
from helpers.heaps import HeapBuilder
from helpers.manifests import good_manifest

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

TRACKED = ObjectFlags.IS_GC | ObjectFlags.GC_TRACKED | ObjectFlags.GARBAGE


def heap_with(living: int = 10 * MEBIBYTE) -> HeapBuilder:
    """A heap of one living object, and the names of attributes."""
    heap = HeapBuilder()
    for name in ("me", "body"):
        heap.root(RootKind.INTERPRETER, "names", heap.string(name))
    heap.root(RootKind.MODULE, "app", heap.object("module", size=living))
    return heap


def graph_with(heap: HeapBuilder, **interpreter: object) -> HeapGraph:
    """Its graph, with facts of the interpreter."""
    said = good_manifest()["interpreter"]
    return graph_of(heap, interpreter={**said, **interpreter})


def add_nodes(heap: HeapBuilder, count: int, size: int) -> None:
    """Instances that refer to themselves by an attribute of their `__dict__`, and have a body."""
    for _ in range(count):
        node = heap.object("app.Node", size=48, flags=TRACKED)
        attributes = heap.object("dict", size=100, flags=TRACKED)
        heap.edge(node, attributes, EdgeKind.DICT)
        store(heap, attributes, "me", node)
        body = heap.object("bytes", size=size, flags=ObjectFlags.GARBAGE)
        store(heap, attributes, "body", body)


def add_stations(heap: HeapBuilder, *, flags: ObjectFlags, type_name: str) -> int:
    """Two stations, each in the other's container of neighbours; below hangs a payload."""
    first, second = (heap.object("app.Station", size=50, flags=TRACKED) for _ in "ab")
    for one, other in ((first, second), (second, first)):
        neighbours = heap.object(type_name, size=100, flags=flags)
        heap.edge(one, neighbours, EdgeKind.ATTRIBUTE, "neighbours")
        items(heap, neighbours, other)
    payload = heap.object("bytearray", size=4 * MEBIBYTE, flags=ObjectFlags.GARBAGE)
    heap.edge(first, payload, EdgeKind.ATTRIBUTE, "payload")
    return first


def suspects_of(graph: HeapGraph):
    return find_suspects(graph).suspects


def test_garbage_of_a_program_without_a_collector_is_a_suspect_by_class_and_cycle():
    heap = heap_with()
    add_nodes(heap, 1000, 2000)
    [suspect] = suspects_of(graph_with(heap, gc_enabled=False))
    size = 1000 * (48 + 100 + 2000)
    assert (suspect.kind, suspect.retained_size) == ("garbage", size)
    assert suspect.expression == "<1,000 dead objects> app.Node"
    assert suspect.share == pytest.approx(size / (10 * MEBIBYTE + size), rel=1e-3)
    assert suspect.accumulation_point.type == "app.Node"
    assert "1,000 dead app.Node" in suspect.reason
    assert "Node.me -> Node." in suspect.reason
    assert "gc.disable" in suspect.reason
    assert "gc.collect() would free all of it" in suspect.reason


def test_a_cycle_through_a_list_is_written_with_its_position():
    heap = heap_with()
    add_stations(heap, flags=TRACKED, type_name="list")
    garbage = garbage_of(graph_with(heap, gc_enabled=False))
    assert garbage.cycle == "Station.neighbours[0] -> Station.neighbours[0] -> Station"
    assert [(each.type, each.count) for each in garbage.classes] == [
        ("app.Station", 2),
        ("list", 2),
    ]
    assert garbage.classes[0].size == 4 * MEBIBYTE + 100
    assert garbage.never_freed == 0


def test_a_cycle_through_a_type_without_collection_is_never_freed_whatever_the_collector_does():
    heap = heap_with(200 * MEBIBYTE)
    add_stations(heap, flags=ObjectFlags.GARBAGE, type_name="numpy.ndarray")
    add_nodes(heap, 10, 50)
    graph = graph_with(heap)
    garbage = garbage_of(graph)
    assert garbage.never_freed == 4 * MEBIBYTE + 300
    assert garbage.blind_types == ("numpy.ndarray",)
    [suspect] = suspects_of(graph)
    assert "can never be freed: a cycle goes through numpy.ndarray" in suspect.reason
    assert "would free the other" in suspect.reason
    assert "gc.enable" not in suspect.reason


def test_what_hangs_below_a_cycle_goes_with_it_also_behind_a_type_without_collection():
    heap = heap_with()
    station = add_stations(heap, flags=TRACKED, type_name="list")
    array = heap.object("numpy.ndarray", size=100, flags=ObjectFlags.GARBAGE)
    heap.edge(station, array, EdgeKind.ATTRIBUTE, "array")
    ring = heap.object("list", size=60, flags=TRACKED)
    items(heap, array, ring)
    items(heap, ring, ring)
    assert garbage_of(graph_with(heap)).never_freed == 0


def test_a_little_garbage_that_the_collector_will_find_is_no_suspect():
    heap = heap_with(100 * MEBIBYTE)
    add_nodes(heap, 1000, 2000)
    assert suspects_of(graph_with(heap)) == ()
    assert len(suspects_of(graph_with(heap, gc_thresholds=[1_000_000, 10, 10]))) == 1
    assert len(suspects_of(graph_with(heap, gc_thresholds=[0, 10, 10]))) == 1


def test_much_garbage_that_waits_is_told_with_the_counts():
    heap = heap_with(MEBIBYTE)
    add_nodes(heap, 1000, 2000)
    [suspect] = suspects_of(graph_with(heap))
    assert "has not come to them yet: its counts are 321, 4, 2" in suspect.reason


def test_a_few_dead_objects_are_no_suspect_unless_they_have_something_open():
    heap = heap_with(MEBIBYTE)
    add_nodes(heap, 99, 10)
    assert suspects_of(graph_with(heap, gc_enabled=False)) == ()
    for _ in range(100):
        session = heap.object("app.Session", size=48, flags=TRACKED)
        heap.edge(session, session, EdgeKind.SLOT, "me")
    [suspect] = suspects_of(graph_with(heap, gc_enabled=False))
    assert suspect.expression == "<100 dead objects> app.Session"
    assert "may have something open until they are freed: 100 dead app.Session" in suspect.reason


def test_garbage_that_was_frozen_is_told_apart_from_garbage_that_came_later():
    """Ages are distances from the newest tracked object: what is frozen has the rest behind it."""
    heap = heap_with(100 * MEBIBYTE)
    add_nodes(heap, 600, 2000)
    for _ in range(5000):
        heap.root(RootKind.MODULE, "x", heap.object("list", flags=TRACKED, age=1))
    graph = graph_with(heap, gc_frozen=1200)
    graph.age_codes = np.where(graph.type_ids == graph.type_ids[-1], 1, 120).astype(np.uint8)
    [suspect] = suspects_of(graph)
    assert "gc.freeze() has put 1,200 objects" in suspect.reason
    later = graph_with(heap, gc_frozen=1200)
    later.age_codes = np.full(later.object_count, 1, np.uint8)
    assert suspects_of(later) == ()


def test_a_long_chain_below_a_cycle_is_not_on_it():
    heap = heap_with()
    first = heap.object("app.Node", size=48, flags=TRACKED)
    heap.edge(first, first, EdgeKind.SLOT, "me")
    last = first
    for _ in range(500):
        link = heap.object("app.Link", size=10_000, flags=TRACKED)
        heap.edge(last, link, EdgeKind.SLOT, "next")
        last = link
    [only] = garbage_of(graph_with(heap, gc_enabled=False)).classes
    assert (only.type, only.count, only.size) == ("app.Node", 1, 48 + 500 * 10_000)
