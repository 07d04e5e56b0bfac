"""Where bytes gather, what a set retains, and how its paths are merged."""

from __future__ import annotations

import re

import pytest

from heapgraph.analysis import dominators
from heapgraph.analysis.ages.verdict import NOT_JUDGED
from heapgraph.analysis.dominators import largest_objects
from heapgraph.analysis.histogram import type_histogram
from heapgraph.analysis.holders import find_holders
from heapgraph.analysis.paths import paths_to
from heapgraph.analysis.registry import REGISTRY, run
from heapgraph.errors import UsageError
from heapgraph.model import EdgeKind
from heapgraph.units import format_size
from helpers.app_heap import app_heap, graph_of, items, module, set_global, store
from helpers.heaps import HeapBuilder


def test_holders_are_where_bytes_part_and_none_is_inside_another():
    """See helpers/app_heap.py: 4 MiB, 3 MiB, 2 MiB, 1 MiB, each at the end of a chain."""
    graph = graph_of(app_heap())
    assert [row.type for row in find_holders(graph, limit=4).objects] == [
        "bytearray",
        "bytearray",
        "bytes",
        "bytes",
    ]


def two_lists() -> HeapBuilder:
    """module m: A -> Box -> list of 20 x 10 bytes; B -> 150 bytes."""
    heap = HeapBuilder()
    module(heap, "m")
    box, many = heap.object("m.Box"), heap.object("list", name="many")
    heap.edge(box, many, EdgeKind.ATTRIBUTE, "items")
    items(heap, many, *(heap.object("bytes", size=10) for _ in range(20)))
    set_global(heap, "m", "A", box)
    set_global(heap, "m", "B", heap.object("bytes", size=150))
    return heap


def test_a_holder_is_the_container_not_what_wraps_it():
    expressions = [row.expression for row in find_holders(graph_of(two_lists()), limit=2).objects]
    assert expressions == ["m.A.items", "m.B"]


def test_what_hangs_beside_the_way_to_a_large_object_is_a_holder_too():
    heap = HeapBuilder()
    module(heap, "m")
    box = heap.object("m.Box", size=48)
    for name, size in (("most", 8000), ("rest", 2000)):
        heap.edge(box, heap.object("bytes", size=size), EdgeKind.ATTRIBUTE, name)
    set_global(heap, "m", "A", box)
    set_global(heap, "m", "B", heap.object("bytes", size=100))
    expressions = [row.expression for row in find_holders(graph_of(heap), limit=2).objects]
    assert expressions == ["m.A.most", "m.A.rest"]


@pytest.mark.parametrize(("size", "expected"), [(900, "m.B"), (2000, "sys.path_importer_cache")])
def test_a_table_of_the_interpreter_is_a_holder_only_when_it_is_large(size, expected):
    heap = HeapBuilder()
    for name in ("m", "sys"):
        module(heap, name)
    set_global(heap, "sys", "path_importer_cache", heap.object("dict", size=size))
    set_global(heap, "m", "A", heap.object("bytes", size=9000))
    set_global(heap, "m", "B", heap.object("bytes", size=100))
    assert find_holders(graph_of(heap), limit=2).objects[1].expression == expected


def test_the_holder_of_a_linked_list_is_its_beginning():
    """m.HEAD -> next -> next -> ... 100 items of 10 bytes."""
    heap = HeapBuilder()
    module(heap, "m")
    last = heap.object("m.Item", size=10)
    set_global(heap, "m", "HEAD", last)
    for _ in range(100):
        following = heap.object("m.Item", size=10)
        heap.edge(last, following, EdgeKind.ATTRIBUTE, "next")
        last = following
    (holder,) = find_holders(graph_of(heap), limit=1).objects
    assert holder.expression == "m.HEAD"


def test_of_a_linked_list_the_first_node_is_listed():
    heap = HeapBuilder()
    module(heap, "m")
    last = heap.object("m.Item", size=10, name="head")
    set_global(heap, "m", "HEAD", last)
    for _ in range(300):
        inside = heap.object("dict", size=5)
        heap.edge(last, inside, EdgeKind.DICT)
        last = heap.object("m.Item", size=10)
        store(heap, inside, "next", last)
    halves = heap.object("m.Item", size=100, name="halves")
    set_global(heap, "m", "HALVES", halves)
    for _ in range(3):
        heap.edge(halves, heap.object("m.Item", size=90), EdgeKind.ATTRIBUTE, "part")
    graph = graph_of(heap)

    seen = [row.id for row in largest_objects(graph, limit=5).objects]
    assert seen[:3] == [heap.ids["m"], heap.ids["head"], heap.ids["halves"]]
    assert len(seen) == 5  # parts that keep little of the whole are no links of a chain
    nodes = [row.type for row in largest_objects(graph, limit=100, raw=True).objects]
    assert nodes.count("m.Item") > 40


def test_growth_of_the_largest_containers_of_a_list_alone_is_judged(monkeypatch):
    monkeypatch.setattr(dominators, "MAX_JUDGED", 2)
    heap = HeapBuilder()
    module(heap, "app")
    for place in range(4):
        rows = heap.object("list", size=1000 - place)
        set_global(heap, "app", f"ROWS_{place}", rows)
        items(heap, rows, *(heap.object("app.Row") for _ in range(20)))
    found = largest_objects(graph_of(heap), limit=1000)
    lists = [row.growth for row in found.objects if row.type == "list"]
    assert [growth is NOT_JUDGED for growth in lists] == [False, False, True, True]
    assert None not in lists
    assert found.not_judged == 2
    assert all(row.growth is None for row in found.objects if row.type == "app.Row")


def test_largest_objects_are_folded_unless_raw():
    graph = graph_of(two_lists())
    folded = largest_objects(graph, limit=1)
    raw = largest_objects(graph, limit=1, raw=True)
    assert folded.objects[0].expression == "m"
    assert raw.objects[0].expression == "m.__dict__" or raw.objects[0].type == "module"
    assert folded.objects[0].shallow_size == 72 + 232
    assert folded.left_out == graph.object_count - 1 - 1  # without the folded dict


def shared_by_two() -> HeapBuilder:
    """m.A, m.B: two m.Box of 1 byte that hold one bytes of 100 together, and nothing else does."""
    heap = HeapBuilder()
    module(heap, "m")
    shared = heap.object("bytes", size=100)
    for name in "AB":
        box = heap.object("m.Box", size=1)
        heap.edge(box, shared, EdgeKind.ATTRIBUTE, "data")
        set_global(heap, "m", name, box)
    return heap


def test_the_retained_size_of_a_type_counts_what_its_objects_hold_together():
    graph = graph_of(shared_by_two())
    rows = {row.type: row for row in type_histogram(graph).types}
    assert rows["m.Box"].retained_size == 102
    minimum = type_histogram(graph, work=0)
    assert {row.type: row.retained_size for row in minimum.types}["m.Box"] == 2
    assert minimum.exact == 0
    exact = type_histogram(graph, exact=True)
    assert {row.type: row.retained_size for row in exact.types}["m.Box"] == 102


def test_paths_to_a_large_set_end_at_the_container():
    """m.A.items holds 20 bytes objects; m.B is one more."""
    found = paths_to(graph_of(two_lists()), objects=["type:bytes"])
    assert [(row.expression, row.count, row.shallow_size) for row in found.paths] == [
        ("m.A.items", 20, 200),
        ("m.B", 1, 150),
    ]
    assert [row.retained_size for row in found.paths] == [200, 150]


def test_a_container_shares_its_members_with_a_large_next_object():
    """m.A: dict: 30 x list, and 'inner' -> dict: 20 x list."""
    heap = HeapBuilder()
    module(heap, "m")
    outer, inner = heap.object("dict"), heap.object("dict")
    set_global(heap, "m", "A", outer)
    store(heap, outer, "inner", inner)
    for owner, count in ((outer, 30), (inner, 20)):
        for number in range(count):
            store(heap, owner, f"k{number}", heap.object("list", size=1))
    found = paths_to(graph_of(heap), objects=["type:list"])
    assert [(row.expression, row.count) for row in found.paths] == [
        ("m.A", 30),
        ("m.A['inner']", 20),
    ]


def test_several_paths_to_one_object_differ_in_their_holder():
    """m.X and m.L[0] are one list."""
    heap = HeapBuilder()
    module(heap, "m")
    target, holder = heap.object("list"), heap.object("list")
    items(heap, holder, target)
    set_global(heap, "m", "X", target)
    set_global(heap, "m", "L", holder)
    found = paths_to(graph_of(heap), objects=[target], count=5)
    assert {row.expression for row in found.paths} == {"m.X", "m.L[0]"}
    assert paths_to(graph_of(heap), objects=[target]).to_dict()["paths"][0]["expression"] == "m.X"
    excluded = paths_to(graph_of(heap), objects=[target], exclude=["index"], count=5)
    assert [row.expression for row in excluded.paths] == ["m.X"]


@pytest.mark.parametrize("name", REGISTRY)
def test_the_registry_runs_every_analysis(name):
    graph = graph_of(app_heap())
    required = {p.name: "app" for p in REGISTRY[name].parameters if p.required}
    if "objects" in required:
        required = {"objects": ["app"]}
    if "new" in required:
        required = {"new": graph}
    phases = []
    result = run(name, graph, progress=lambda *state: phases.append(state), **required)
    assert result.to_dict()
    assert REGISTRY[name].name == name
    assert phases or name == "verify"  # without a file it has nothing to read


def test_the_registry_refuses_what_it_does_not_know():
    graph = graph_of(app_heap())
    with pytest.raises(UsageError, match="no analysis named 'horoscope'"):
        run("horoscope", graph)
    with pytest.raises(UsageError, match="no parameter depth"):
        run("holders", graph, depth=3)
    with pytest.raises(UsageError, match="needs object"):
        run("show", graph)
    with pytest.raises(UsageError, match="limit of 0"):
        run("holders", graph, limit=0)


def test_tables_become_arrow_and_html():
    histogram = type_histogram(graph_of(two_lists()), limit=2)
    table = histogram.to_arrow()
    sizes = ["shallow_size", "retained_size", "native_size"]
    assert table.column_names == ["type", "count", *sizes]
    assert table.num_rows == 2
    html = histogram._repr_html_()
    assert re.findall("<th [^>]*>(.*?)</th>", html) == table.column_names
    largest = histogram.rows()[0]
    assert f'right">{format_size(largest["retained_size"])}</td>' in html


@pytest.mark.parametrize("limit", range(1, 8))
def test_what_a_limit_has_no_room_for_stays_with_its_container(limit):
    """m.A: list of 8 lists of 3 bytes each. No row is empty, and no member is lost."""
    heap = HeapBuilder()
    module(heap, "m")
    outer = heap.object("list")
    set_global(heap, "m", "A", outer)
    inner = [heap.object("list") for _ in range(8)]
    items(heap, outer, *inner)
    for owner in inner:
        items(heap, owner, *(heap.object("bytes", size=10) for _ in range(3)))
    found = paths_to(graph_of(heap), objects=["type:bytes"], limit=limit).paths
    assert len(found) <= limit
    assert min(row.count for row in found) > 0
    assert sum(row.count for row in found) == 24
    assert sum(row.shallow_size for row in found) == sum(row.retained_size for row in found) == 240
