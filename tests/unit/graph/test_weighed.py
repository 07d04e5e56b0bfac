"""Sizes with native memory in them rank; the exact ones stay what they are."""

from __future__ import annotations

from heapgraph.analysis.dominators import largest_objects
from heapgraph.analysis.holders import find_holders
from heapgraph.analysis.suspects import find_suspects
from heapgraph.model import NativeKind
from helpers.app_heap import graph_of, items, module, set_global
from helpers.heaps import HeapBuilder, draw_heap

MIB = 1 << 20
TREE = """
* -> app:dict(10) -> left:Client(10), right:Client(30)
left -> inner:Session(10)
"""


def test_native_memory_is_a_part_of_who_dominates_it():
    heap = draw_heap(TREE)
    heap.native([heap.ids["inner"]], 100)
    heap.native([heap.ids["inner"], heap.ids["right"]], 7, NativeKind.SHARED)
    graph = graph_of(heap)
    found = graph.weighed
    ids = heap.ids
    weights = {name: int(found.dominators.retained_sizes[row]) for name, row in ids.items()}
    assert weights == {"app": 167, "left": 120, "right": 30, "inner": 110}
    assert int(found.shallow_sizes[ids["inner"]]) == 110
    assert (found.reachable_size, graph.reachable_size) == (167, 60)
    assert found.folded.retained_size(ids["left"]) == 120
    assert graph.folded.retained_size(ids["left"]) == 20
    assert graph.folded.native_size(ids["left"]) == 100
    assert found.exact is graph
    assert found.weighed is found
    assert graph.exact is graph


def test_next_to_no_native_memory_changes_nothing():
    heap = draw_heap(TREE.replace("30", "3000"))
    heap.native([heap.ids["inner"]], 9)
    graph = graph_of(heap)
    assert graph.weighed is graph


def clients(count: int, each: int) -> HeapBuilder:
    """`app.CLIENTS`, a list of small clients that own native memory, beside a larger text."""
    heap = HeapBuilder()
    module(heap, "app")
    listed = heap.object("list", size=56)
    set_global(heap, "app", "CLIENTS", listed)
    set_global(heap, "app", "TEXT", heap.object("bytes", size=2 * MIB))
    members = [heap.object("ssl.SSLContext", size=100) for _ in range(count)]
    items(heap, listed, *members)
    for member in members:
        heap.native([member], each)
    return heap


def test_who_owns_native_memory_comes_first_with_both_figures():
    graph = graph_of(clients(40, MIB))
    for rows in (largest_objects(graph).objects, find_holders(graph).objects):
        first = next(row for row in rows if row.type != "module")
        assert (first.expression, first.native_size) == ("app.CLIENTS", 40 * MIB)
        assert first.retained_size == 56 + 40 * 100


def test_a_suspect_says_what_is_exact_and_what_is_an_estimate():
    graph = graph_of(clients(40, MIB))
    suspect = find_suspects(graph).suspects[0]
    assert suspect.expression == "app.CLIENTS"
    assert suspect.retained_size == 56 + 40 * 100
    assert suspect.native_size == 40 * MIB
    assert suspect.share > 0.9
    assert "40.0 MiB of native memory (estimate)" in suspect.reason
    assert "ssl.SSLContext" in suspect.reason


def test_a_single_owner_is_not_said_to_be_in_one_piece():
    graph = graph_of(clients(1, 40 * MIB))
    reason = find_suspects(graph).suspects[0].reason
    assert "memory of C code" in reason
    assert "in one piece" not in reason


def test_what_alike_objects_share_is_spread_where_only_a_module_has_them_all():
    """Given ten clients in a list and one of them in a global, whose blocks form one ring."""
    heap = clients(10, 0)
    members = graph_of(heap).objects_of_type("ssl.SSLContext").tolist()
    set_global(heap, "app", "LAST", members[-1])
    heap.native(members, 50 * MIB, NativeKind.SHARED)
    graph = graph_of(heap)
    assert int(graph.native_sizes[members].sum()) == 0
    first = find_suspects(graph).suspects[0]
    assert (first.expression, first.native_size) == ("app.CLIENTS", 45 * MIB)


def test_what_different_objects_share_is_not():
    heap = clients(2, 0)
    app = heap.ids["app.__dict__"]
    other = heap.object("lxml.etree._Document", size=100)
    set_global(heap, "app", "DOCUMENT", other)
    member = heap.object("ssl.SSLContext", size=100)
    set_global(heap, "app", "CONTEXT", member)
    heap.native([member, other], 50 * MIB, NativeKind.SHARED)
    found = graph_of(heap).weighed
    assert int(found.shallow_sizes[[member, other]].sum()) == 200
    assert int(found.shallow_sizes[app]) >= 50 * MIB
