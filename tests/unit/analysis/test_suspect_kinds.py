"""What suspects are called, kind by kind: links, shards, classes, loggers beside data."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from heapgraph.analysis.ages.growth import Growth
from heapgraph.analysis.leaks.candidates import MANY_ITEMS
from heapgraph.analysis.suspects import find_suspects
from heapgraph.model import EdgeKind
from helpers.app_heap import filled_list, graph_of, items, program_heap, set_global, store

if TYPE_CHECKING:
    from helpers.heaps import HeapBuilder


def suspects_of(heap: HeapBuilder, limit: int = 10):
    return find_suspects(graph_of(heap), limit=limit).suspects


def test_loggers_without_end_come_before_data_that_tells_no_age():
    """`TABLE` may be data; that nobody takes a logger away is known."""
    heap = program_heap(other=1000)
    set_global(heap, "__main__", "TABLE", filled_list(heap, MANY_ITEMS, 20_000, "bytes"))
    loggers = filled_list(heap, MANY_ITEMS, 2000, "logging.Logger")
    set_global(heap, "json", "LOGGERS", loggers)
    assert [one.expression for one in suspects_of(heap)] == ["json.LOGGERS", "__main__.TABLE"]


def test_but_not_before_what_has_an_age(monkeypatch):
    growth = Growth("unknown", "as this test has it", 1000, 1000, 100)
    monkeypatch.setattr("heapgraph.analysis.suspects.growth_of", lambda *_: growth)
    heap = program_heap(other=1000)
    set_global(heap, "__main__", "TABLE", filled_list(heap, MANY_ITEMS, 20_000))
    loggers = filled_list(heap, MANY_ITEMS, 2000, "logging.Logger")
    set_global(heap, "json", "LOGGERS", loggers)
    assert [one.expression for one in suspects_of(heap)] == ["__main__.TABLE", "json.LOGGERS"]


def test_a_short_chain_of_tee_is_one_holder_of_what_it_has_still_to_give():
    heap = program_heap()
    links = [heap.object("itertools._tee_dataobject", size=500) for _ in range(4)]
    for link, following in pairwise(links):
        heap.edge(link, following, EdgeKind.FIELD, "nextlink")
    for link in links:
        items(heap, link, *(heap.object("app.Row", size=20_000) for _ in range(50)))
    tee = heap.object("itertools._tee", size=50)
    heap.edge(tee, links[0], EdgeKind.UNNAMED)
    set_global(heap, "__main__", "TEE", tee)
    first = suspects_of(heap)[0]
    assert (first.kind, first.expression) == ("container", "__main__.TEE")
    assert "200 objects of type app.Row, 19.5 KiB each" in first.reason


def test_shards_of_a_cache_are_said_with_what_is_in_all_of_them():
    heap = program_heap()
    shards = heap.object("list", size=200)
    items(heap, shards, *(filled_list(heap, 25, 20_000) for _ in range(16)))
    set_global(heap, "__main__", "SHARDS", shards)
    first = suspects_of(heap)[0]
    assert first.expression == "__main__.SHARDS"
    assert "16 lists with 400 objects of type app.Row, 19.5 KiB each" in first.reason


def test_classes_are_named_by_the_first_and_the_last():
    heap = program_heap()
    known = heap.object("dict", size=200)
    for number in range(30):
        made = heap.type_object(f"app.Report{number}", size=100_000)
        store(heap, known, f"Report{number}", made)
    set_global(heap, "__main__", "KNOWN", known)
    first = suspects_of(heap)[0]
    assert first.expression == "__main__.KNOWN"
    assert "30 classes app.Report0 ... app.Report29" in first.reason
    assert "classes that are made again and again" in first.reason


def test_the_first_link_of_a_list_is_no_owner_whose_dict_is_one_more():
    """Up to 3.12 each link, and who has the first, has a `__dict__`."""
    heap = program_heap()
    editor, space = heap.object("app.Editor", size=48), heap.object("dict", size=64)
    heap.edge(editor, space, EdgeKind.DICT)
    set_global(heap, "__main__", "EDITOR", editor)
    for _ in range(100):
        state, inside = heap.object("app.State", size=40_000), heap.object("dict", size=64)
        heap.edge(state, inside, EdgeKind.DICT)
        store(heap, space, "state", state)
        space = inside
    first = suspects_of(heap)[0]
    assert first.expression == "__main__.EDITOR.state"
    assert "100 objects of type app.State" in first.reason
