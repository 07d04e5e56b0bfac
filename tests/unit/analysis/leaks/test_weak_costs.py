"""What weak references to classes cost: those that the classes keep themselves do not count."""

from __future__ import annotations

import pytest

from heapgraph.analysis.leaks.weak_costs import WeakCosts, costs_in_words, weak_costs
from heapgraph.model import EdgeKind, ObjectFlags, RootKind
from helpers.graphs import GraphBuilder

CLASSES = 30


def heap_of_classes(cache_type: str) -> GraphBuilder:
    """A dict of classes, and an abstract class that remembers each by a weak reference of 72 + 64
    bytes; each class has one to itself as well, below its namespace.
    """
    heap = GraphBuilder()
    models = heap.object("dict", size=1000)
    heap.root(models, RootKind.MODULE, "__main__")
    remembered, data = heap.object("set", size=2000), heap.object(cache_type, size=40)
    heap.root(data, RootKind.STATIC_TYPE, "abstract")
    heap.field(data, "registry", remembered)
    for number in range(CLASSES):
        one = heap.object("abc.ABCMeta", size=1000, flags=ObjectFlags.IS_GC | ObjectFlags.IS_TYPE)
        heap.value(models, f"Model{number}", one)
        reference, callback = heap.object("weakref", size=72), heap.object("method", size=64)
        heap.refer(remembered, reference, EdgeKind.MEMBER, number)
        heap.field(reference, "callback", callback)
        heap.field(reference, "object", one, EdgeKind.WEAK)
        namespace, own = heap.object("dict", size=100), heap.object("weakref", size=72)
        heap.refer(one, namespace, EdgeKind.DICT)
        heap.value(namespace, "__weakref__", own)
        heap.field(own, "object", one, EdgeKind.WEAK)
    return heap


@pytest.mark.parametrize(("cache_type", "in_caches"), [("_abc._abc_data", CLASSES), ("object", 0)])
def test_weak_references_elsewhere_are_counted_with_their_callbacks(cache_type, in_caches):
    graph = heap_of_classes(cache_type).build()
    members = graph.objects_of_type("abc.ABCMeta")
    expected = WeakCosts(CLASSES, in_caches, CLASSES * (72 + 64))
    assert weak_costs(graph, members) == expected
    words = costs_in_words(graph, members, 30_000)
    assert "30 weak references to these classes" in words
    assert ("abstract classes remember" in words) == (in_caches > 0)


def test_nothing_is_said_of_what_are_no_classes_or_of_little():
    graph = heap_of_classes("_abc._abc_data").build()
    members = graph.objects_of_type("abc.ABCMeta")
    assert costs_in_words(graph, members, 100_000_000) == ""
    assert costs_in_words(graph, graph.objects_of_type("weakref"), 1) == ""
    assert costs_in_words(graph, members[:0], 1) == ""
