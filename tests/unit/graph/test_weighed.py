"""Sizes with native memory in them rank; the exact ones stay what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.dominators import largest_objects
from heapgraph.analysis.holders import find_holders
from heapgraph.analysis.memory import report_memory
from heapgraph.analysis.suspects import find_suspects
from heapgraph.model import EdgeKind, NativeKind
from helpers.app_heap import graph_of, items, module, set_global
from helpers.heaps import HeapBuilder, draw_heap

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    assert graph.native_sizes[members].tolist() == [5 * MIB] * 10
    first = find_suspects(graph).suspects[0]
    assert (first.expression, first.native_size) == ("app.CLIENTS", 45 * MIB)


def test_what_alike_objects_in_several_containers_share_is_nobodys():
    """Given clients in a list and others elsewhere, then nothing says how much each list has."""
    heap = clients(10, 0)
    members = graph_of(heap).objects_of_type("ssl.SSLContext").tolist()
    other = heap.object("ssl.SSLContext", size=100)
    elsewhere = heap.object("list", size=56)
    set_global(heap, "app", "ELSEWHERE", elsewhere)
    items(heap, elsewhere, other)
    heap.native([*members, other], 55 * MIB, NativeKind.SHARED)
    graph = graph_of(heap)
    assert not graph.native_sizes[[*members, other]].any()
    (owner,) = report_memory(graph).native_owners
    assert (owner.kind, owner.is_doubtful) == ("shared", True)
    assert (owner.count, owner.size, owner.holder) == (11, 55 * MIB, "app.CLIENTS")


def test_what_leads_to_it_inside_an_alike_object_is_that_object():
    """Given a statement of one client that leads to what another has, then these two share it."""
    heap = clients(3, 0)
    members = graph_of(heap).objects_of_type("ssl.SSLContext").tolist()
    statement = heap.object("app.Statement", size=10)
    heap.edge(members[1], statement, EdgeKind.SLOT, "statement")
    heap.native([members[0], statement], 8 * MIB, NativeKind.SHARED)
    set_global(heap, "app", "FIRST", members[0])
    graph = graph_of(heap)
    assert graph.native_sizes[members].tolist() == [4 * MIB, 4 * MIB, 0]
    owners = {
        owner.holder: (owner.count, owner.size) for owner in report_memory(graph).native_owners
    }
    assert owners == {"app.CLIENTS": (1, 4 * MIB), "app.FIRST": (1, 4 * MIB)}


def test_a_holder_has_one_number_on_every_screen():
    """Given clients with memory of their own and a ring, one of them in a global as well, then
    all lists say the same of the container, and the rows of `memory` count each client once."""
    heap = clients(12, MIB)
    members = graph_of(heap).objects_of_type("ssl.SSLContext").tolist()
    set_global(heap, "app", "LAST", members[-1])
    heap.native(members, 50 * MIB + 7, NativeKind.SHARED)
    heap.native(members[:-1], 5 * MIB, NativeKind.SHARED)
    graph = graph_of(heap)
    suspect = find_suspects(graph).suspects[0]
    rows = [*largest_objects(graph).objects, *find_holders(graph).objects]
    numbers = {row.native_size for row in rows if row.expression == "app.CLIENTS"}
    owners = {owner.holder: owner for owner in report_memory(graph).native_owners}
    assert numbers == {suspect.native_size} == {owners["app.CLIENTS"].size}
    assert (owners["app.CLIENTS"].count, owners["app.LAST"].count) == (11, 1)
    assert "11 objects of type ssl.SSLContext" in suspect.reason
    assert sum(owner.size for owner in owners.values()) == 67 * MIB + 7


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


def gallery(*holders: str, sizes: Sequence[int], wrapped: bool = False) -> HeapBuilder:
    """`app.BOTH`, an instance whose containers all hold the same images; the second in tuples."""
    heap = HeapBuilder()
    module(heap, "app")
    owner = heap.object("app.Both", size=48)
    set_global(heap, "app", "BOTH", owner)
    images = [heap.object("PIL.Image.Image", size=100) for _ in sizes]
    for image, size in zip(images, sizes, strict=True):
        heap.native([image], size)
    for number, name in enumerate(holders):
        held = heap.object("list", size=56)
        heap.edge(owner, held, EdgeKind.ATTRIBUTE, name)
        links = images
        if wrapped and number:
            links = [heap.object("tuple", size=40) for _ in images]
            for link, image in zip(links, images, strict=True):
                items(heap, link, image)
        items(heap, held, *links)
    return heap


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("count", [5, 12])
def test_a_suspect_is_what_holds_native_memory_alone(count, wrapped):
    """Given images in two containers of one object, to drop one container frees nothing."""
    heap = gallery("active", "log", sizes=[2 * MIB] * count, wrapped=wrapped)
    suspect = find_suspects(graph_of(heap)).suspects[0]
    assert suspect.expression == "app.BOTH"
    assert suspect.native_size == 2 * MIB * count
    assert f"{count} objects of type PIL.Image.Image, 2.00 MiB each" in suspect.reason
    said = "They are in app.BOTH.active and app.BOTH.log: each of these must let go."
    assert said in suspect.reason


def test_more_containers_than_a_sentence_names_are_counted():
    heap = gallery("active", "log", "old", "new", sizes=[2 * MIB] * 12)
    reason = find_suspects(graph_of(heap)).suspects[0].reason
    assert "and 2 more: each of these must let go." in reason


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_container_of_many_is_named_with_the_other_one(wrapped):
    heap = gallery("active", "log", sizes=[2 * MIB] * 40, wrapped=wrapped)
    suspect = find_suspects(graph_of(heap)).suspects[0]
    assert suspect.expression == "app.BOTH.active"
    assert suspect.native_size == 80 * MIB
    assert "also held by app.BOTH.log, which must let go too" in suspect.reason


def test_the_only_container_is_named_and_nothing_is_said_of_others():
    heap = gallery("active", sizes=[2 * MIB] * 12)
    suspect = find_suspects(graph_of(heap)).suspects[0]
    assert suspect.expression == "app.BOTH.active"
    assert "let go" not in suspect.reason


def test_who_else_holds_them_is_unknown_and_that_is_said():
    """Given owners that one more reference each from nowhere common holds as well."""
    heap = clients(40, MIB)
    members = graph_of(heap).objects_of_type("ssl.SSLContext").tolist()
    for number, member in enumerate(members):
        set_global(heap, "app", f"C{number}", heap.object("app.Holder", size=48, name=f"h{number}"))
        heap.edge(heap.ids[f"h{number}"], member, EdgeKind.ATTRIBUTE, "context")
    suspect = find_suspects(graph_of(heap)).suspects[0]
    assert suspect.expression == "app.CLIENTS"
    assert "Something else holds them as well: only 56 B go with it alone." in suspect.reason


def test_sizes_that_differ_are_said_to_be_an_average():
    heap = gallery("active", sizes=[MIB, 5 * MIB, 6 * MIB])
    reason = find_suspects(graph_of(heap)).suspects[0].reason
    assert "3 objects of type PIL.Image.Image, 4.00 MiB on average" in reason
    assert " each" not in reason


def test_what_items_share_is_not_divided_among_them():
    """Given connections that have 1 MiB each, and 30 MiB that C code has for several of them."""
    heap = gallery("active", sizes=[MIB] * 5)
    members = graph_of(heap).objects_of_type("PIL.Image.Image").tolist()
    heap.native(members[:3], 10 * MIB, NativeKind.SHARED)
    heap.native(members, 20 * MIB, NativeKind.SHARED)
    suspect = find_suspects(graph_of(heap)).suspects[0]
    assert (suspect.expression, suspect.native_size) == ("app.BOTH.active", 35 * MIB)
    assert (
        "5 objects of type PIL.Image.Image, which share 30.0 MiB of native memory (estimate)"
        in suspect.reason
    )
    assert " each" not in suspect.reason
