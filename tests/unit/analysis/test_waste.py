"""Findings, thresholds and owners of detectors on synthetic heaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from heapgraph.analysis.detectors.registry import DETECTORS
from heapgraph.analysis.waste import find_waste
from heapgraph.errors import UsageError
from heapgraph.model import EdgeKind, ObjectFlags, RootKind
from helpers.app_heap import graph_of, items, module, set_global, store
from helpers.cli import invoke
from helpers.heaps import NO_FLAGS, HeapBuilder

SHOWN = 5
"""Findings of one detector, at most."""

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "waste.md").read_text()


def heap_with(name: str, values: list[int], heap: HeapBuilder) -> HeapBuilder:
    """`app.NAME` is a list of these objects."""
    module(heap, "app")
    holder = heap.object("list", size=56 + 8 * len(values), name=name)
    set_global(heap, "app", name, holder)
    items(heap, holder, *values)
    return heap


def found(heap: HeapBuilder, *detectors: str, **parameters):
    parameters.setdefault("min_size", 0)
    return find_waste(graph_of(heap), detectors=detectors, **parameters).findings


def strings(count: int, *, preview: str = "open", flags: ObjectFlags = NO_FLAGS):
    heap = HeapBuilder()
    values = [heap.object("str", size=53, preview=preview, flags=flags) for _ in range(count)]
    return heap_with("STATES", values, heap)


def test_equal_strings_cost_all_but_one():
    (finding,) = found(strings(10), "duplicate-strings")
    assert (finding.wasted_size, finding.count) == (9 * 53, 9)
    assert finding.owners == ("app.STATES",)
    assert "'open' x 10" in finding.advice


@pytest.mark.parametrize(
    "heap",
    [
        strings(9),
        strings(10, preview="x" * 80 + "…"),  # cut short: nobody knows whether they are equal
        strings(10, flags=ObjectFlags.IMMORTAL),
    ],
    ids=["too few", "not kept whole", "immortal"],
)
def test_strings_that_are_not_surely_waste(heap):
    assert found(heap, "duplicate-strings") == ()


def test_tuples_with_the_same_items_in_another_order_differ():
    heap = HeapBuilder()
    first, second = heap.object("A"), heap.object("B")
    tuples = [heap.object("tuple", size=56) for _ in range(18)]
    for position, one in enumerate(tuples):
        items(heap, one, *((first, second) if position % 2 else (second, first)))
    assert found(heap_with("PAIRS", tuples, heap), "duplicate-tuples") == ()


def test_an_instance_dict_is_no_empty_container():
    heap = HeapBuilder()
    owners = [heap.object("app.Row") for _ in range(100)]
    for owner in owners:
        heap.edge(owner, heap.object("dict", size=64), EdgeKind.DICT)
    heap_with("ROWS", owners, heap)
    assert found(heap, "empty-containers") == ()
    lone = HeapBuilder()
    heap_with("ROWS", [lone.object("dict", size=64) for _ in range(100)], lone)
    (finding,) = found(lone, "empty-containers")
    assert finding.wasted_size == 6400


@pytest.mark.parametrize(("allocated", "is_wasteful"), [(100, False), (120, False), (400, True)])
def test_a_list_may_have_the_room_that_growing_leaves(allocated, is_wasteful):
    heap = HeapBuilder()
    heap.type("list", basicsize=40)
    module(heap, "app")
    holder = heap.object("list", size=56 + 8 * allocated)
    set_global(heap, "app", "ROWS", holder)
    items(heap, holder, *[heap.object("A") for _ in range(100)])
    findings = found(heap, "underfilled-lists")
    assert [finding.wasted_size for finding in findings] == [300 * 8] * is_wasteful


@pytest.mark.parametrize("owned", [True, False])
def test_callbacks_count_when_nothing_else_holds_their_objects(owned):
    heap = HeapBuilder()
    views = [heap.object("app.View", size=500) for _ in range(60)]
    methods = [heap.object("method", size=64) for _ in views]
    for method, view in zip(methods, views, strict=True):
        heap.edge(method, view, EdgeKind.FIELD, "__self__")
    heap_with("LISTENERS", methods, heap)
    if not owned:
        other = heap.object("list")
        set_global(heap, "app", "VIEWS", other)
        items(heap, other, *views)
    findings = found(heap, "callback-lists")
    assert [finding.owners for finding in findings] == [("app.LISTENERS",)] * owned


def test_what_a_module_holds_as_well_is_not_held_by_c_code():
    heap = HeapBuilder()
    held = [heap.object("app.Key", size=100) for _ in range(100)]
    for one in held:
        heap.root(RootKind.C_HELD, "", one)
    (finding,) = found(heap, "c-held-objects")
    assert (finding.wasted_size, finding.count) == (10_000, 100)
    assert found(heap_with("KEYS", held, heap), "c-held-objects") == ()


@pytest.mark.parametrize(("each", "left"), [(100, 3), (99, 0)])
def test_what_is_not_looked_at_is_told_only_where_it_might_be_a_finding(each, left):
    heap = HeapBuilder()
    for kind in range(SHOWN + 3):
        for _ in range(each):
            heap.root(RootKind.C_HELD, "", heap.object(f"app.Key{kind}", size=100))
    assert find_waste(graph_of(heap), detectors=["c-held-objects"]).not_looked_at == left


@pytest.mark.parametrize(("min_size", "left"), [(0, 3), (1_000_000, 0)])
def test_nor_is_it_told_where_it_is_too_small(min_size, left):
    heap = HeapBuilder()
    rows = []
    for kind in range(SHOWN + 3):
        key = heap.object("str", preview=f"key {kind}")
        for _ in range(1000):
            rows.append(heap.object("dict", size=232))
            store(heap, rows[-1], key, heap.object("A"))
    graph = graph_of(heap_with("ROWS", rows, heap))
    waste = find_waste(graph, detectors=["record-dicts"], min_size=min_size)
    assert waste.not_looked_at == left


def test_waste_below_the_limit_is_left_out_but_a_leak_is_not():
    heap = strings(20)
    cache = heap.object("functools._lru_cache_wrapper", size=100)
    mapping = heap.object("dict", size=10_000)
    heap.edge(cache, mapping, EdgeKind.UNNAMED, 72)
    set_global(heap, "app", "cached", cache)
    for number in range(1000):
        store(heap, mapping, heap.object("int", preview=str(number)), heap.object("A"))
    findings = found(heap, min_size=10**9)
    assert [(f.detector, f.count, f.owners) for f in findings] == [
        ("unbounded-caches", 1000, ("app.cached",))
    ]


def test_a_bounded_cache_is_none_of_our_business():
    heap = HeapBuilder()
    module(heap, "app")
    cache, mapping = heap.object("functools._lru_cache_wrapper"), heap.object("dict")
    heap.edge(cache, mapping, EdgeKind.UNNAMED, 72)
    set_global(heap, "app", "cached", cache)
    for number in range(1000):
        link = heap.object("functools._lru_list_elem")
        store(heap, mapping, heap.object("int", preview=str(number)), link)
    assert found(heap, "unbounded-caches") == ()


@pytest.mark.parametrize(
    ("count", "name"), [(100, "__warningregistry__"), (99, "__warningregistry__"), (100, "SEEN")]
)
def test_warnings_of_many_texts_are_remembered(count, name):
    heap = HeapBuilder()
    module(heap, "app")
    registry = heap.object("dict", size=9000)
    set_global(heap, "app", name, registry)
    store(heap, registry, "version", heap.object("int", preview="2"))
    for _ in range(count):
        store(heap, registry, heap.object("tuple", size=64), heap.object("bool"))
    findings = found(heap, "warning-registries")
    expected = [(100, ("app.__warningregistry__",))] if count == 100 and name != "SEEN" else []
    assert [(finding.count, finding.owners) for finding in findings] == expected


def test_the_command(tmp_path):
    file = strings(2000).write(tmp_path / "w.heapgraph")
    document = invoke("waste", file, "--json", "--detector", "duplicate-strings").document
    assert list(document) == ["findings"]
    assert list(document["findings"][0]) == [
        "detector",
        "wasted_size",
        "count",
        "owners",
        "advice",
    ]
    assert "held by app.STATES" in invoke("waste", file).stdout
    nothing = invoke("waste", file, "--min-size", 10**9)
    assert nothing.code == 0
    assert "no leak, and no waste" in nothing.stderr


def test_an_unknown_detector_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="no detector named 'magic'") as failure:
        found(strings(1), "magic")
    assert "duplicate-strings" in failure.value.hint


def test_the_page_says_how_many_there_are():
    assert f"runs {len(DETECTORS)} detectors" in PAGE


@pytest.mark.parametrize("name", DETECTORS)
def test_the_page_describes_every_detector(name):
    detector = DETECTORS[name]
    assert f"| `{name}` | {detector.description} | {detector.advice} |" in PAGE
