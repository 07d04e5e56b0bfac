"""What a suspect says of the size of the things in it is true, however few or large they are."""

from __future__ import annotations

import re

import pytest

from heapgraph.analysis.suspects import find_suspects
from heapgraph.analysis.waste import find_waste
from heapgraph.model import EdgeKind
from heapgraph.units import format_size
from helpers.app_heap import graph_of, items, module, set_global, store
from helpers.heaps import HeapBuilder

MEBIBYTE = 2**20


def in_list(heap, things):
    holder = heap.object("list", size=88, name="holder")
    items(heap, holder, *things)


def in_dict(heap, things):
    holder = heap.object("dict", size=232, name="holder")
    for number, thing in enumerate(things):
        store(heap, holder, f"key {number}", thing)


def in_attributes(heap, things):
    holder = heap.object("app.Holder", size=48, name="holder")
    for number, thing in enumerate(things):
        heap.edge(holder, thing, EdgeKind.ATTRIBUTE, heap.string(f"part {number}"))


def in_unlike_things(heap, things):
    """Each in an object of another class, so that no type has most of them."""
    holder = heap.object("app.Holder", size=48, name="holder")
    for number, thing in enumerate(things):
        box = heap.object(f"app.Box{number}", size=48)
        heap.edge(box, thing, EdgeKind.ATTRIBUTE, heap.string("content"))
        heap.edge(holder, box, EdgeKind.ATTRIBUTE, heap.string(f"part {number}"))


def heap_with(hold, sizes):
    """A module whose variable holds things of these sizes."""
    heap = HeapBuilder()
    module(heap, "app", "/srv/app.py")
    hold(heap, [heap.object("bytearray", size=size) for size in sizes])
    set_global(heap, "app", "HOLDER", heap.ids["holder"])
    return graph_of(heap)


def of_equal_size(count):
    return [MEBIBYTE] * count


def of_falling_size(count):
    return [(count - number) * MEBIBYTE for number in range(count)]


@pytest.mark.parametrize("hold", [in_list, in_dict, in_attributes, in_unlike_things])
@pytest.mark.parametrize("count", range(2, 31))
def test_nothing_is_called_small_that_is_large(count, hold):
    sizes = (of_falling_size if count % 3 else of_equal_size)(count)
    graph = heap_with(hold, sizes)
    suspects = find_suspects(graph).suspects
    texts = [suspect.reason for suspect in suspects]
    texts += [finding.advice for finding in find_waste(graph).findings]
    assert suspects, "the whole heap is in one variable"
    for text in texts:
        assert not re.search(r"none of them|\b(small|tiny|little|few)\b", text), text
        if said := re.search(r"the largest of which keeps (.*?)\. ", f"{text} "):
            assert said[1] in {format_size(max(sizes) + box) for box in (0, 48)}, text


def test_the_largest_of_several_unlike_things_is_told():
    (first, *_) = find_suspects(heap_with(in_unlike_things, [MEBIBYTE] * 10)).suspects
    assert "in 21 objects, the largest of which keeps 1.00 MiB" in first.reason


def test_a_part_is_said_to_be_as_large_as_it_is():
    """An object that is most of what it keeps, beside things of another kind."""
    heap = HeapBuilder()
    module(heap, "app", "/srv/app.py")
    holder = heap.object("bytearray", size=6 * MEBIBYTE, name="holder")
    for number in range(4):
        heap.edge(holder, heap.object(f"app.Part{number}", size=MEBIBYTE), EdgeKind.UNNAMED)
    set_global(heap, "app", "HOLDER", holder)
    (first, *_) = find_suspects(graph_of(heap)).suspects
    assert ", 60.0 % of it in one piece" in first.reason
