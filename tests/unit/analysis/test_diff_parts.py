"""Growth of an object that has several things which grow: each of them is a holder."""

from __future__ import annotations

import pytest

from heapgraph.analysis.registry import run
from heapgraph.model import EdgeKind
from helpers.app_heap import graph_of, items, module, set_global, store
from helpers.cli import invoke
from helpers.heaps import HeapBuilder

LOOKED_AT = {"chunks": 5, "pointers": 0, "small_bytes": 0, "left_out": ""}


def diff(*heaps: HeapBuilder, **parameters):
    old, new, *rest = (graph_of(heap, native=LOOKED_AT) for heap in heaps)
    return run("diff", old, new=new, newer=rest, **parameters)


def holders(*heaps: HeapBuilder) -> dict[str, int]:
    """Bytes of growth by expression, in the order of the rows."""
    return {row.expression: row.size_growth for row in diff(*heaps).holders}


def gateway(
    listeners: int, sessions: int = 0, *, kind: str = "list", has_dict: bool = False
) -> HeapBuilder:
    """`app.GW` with `.audit.listeners`, methods of tenants, and `.sessions`, a dict of buffers.

    Each listener has 100 bytes, each session 100; the counter beside them grows as well.
    """
    heap = HeapBuilder()
    module(heap, "app")
    owner = heap.object("app.Gateway", size=48, name="GW")
    set_global(heap, "app", "GW", owner)
    audit = heap.object("app.Audit", size=48)
    heard = heap.object(kind, size=56, name="listeners")
    known = heap.object("dict", size=64)
    counter = heap.object("int", size=24 + listeners // 10)
    space = heap.object("dict", size=100) if has_dict else owner
    if has_dict:
        heap.edge(owner, space, EdgeKind.DICT)
    for name, value in (("audit", audit), ("sessions", known), ("requests", counter)):
        if has_dict:
            store(heap, space, name, value)
        else:
            heap.edge(owner, value, EdgeKind.ATTRIBUTE, name)
    heap.edge(audit, heard, EdgeKind.ATTRIBUTE, "listeners")
    methods = [heap.object("method", size=40) for _ in range(listeners)]
    items(heap, heard, *methods)
    for method in methods:
        heap.edge(method, heap.object("app.Tenant", size=60), EdgeKind.FIELD, "__self__")
    for number in range(sessions):
        key = heap.object("int", size=20, preview=str(number))
        store(heap, known, key, heap.object("bytearray", size=80))
    return heap


@pytest.mark.parametrize("has_dict", [False, True])
@pytest.mark.parametrize("sessions", [20, 50, 80])
def test_each_thing_that_takes_much_of_the_growth_is_a_holder(sessions, has_dict):
    """Whichever has more, and whether or not one of them has most: none hides the other."""
    found = holders(
        gateway(30, 30, has_dict=has_dict),
        gateway(30 + 100 - sessions, 30 + sessions, has_dict=has_dict),
    )
    grew = {"app.GW.audit.listeners": 100 * (100 - sessions), "app.GW.sessions": 100 * sessions}
    assert found == grew
    assert list(found.values()) == sorted(grew.values(), reverse=True)


def test_small_change_beside_a_leak_is_no_holder():
    assert holders(gateway(30, 30), gateway(130, 35)) == {"app.GW.audit.listeners": 10_000}


def test_what_fell_beside_them_hides_none():
    """Given a gateway that lost two thirds of what it gained, then the leak is named."""
    assert holders(gateway(30, 100), gateway(130, 30)) == {"app.GW.audit.listeners": 10_000}


def test_a_container_that_was_replaced_is_the_one_that_is_there_now():
    """Given a list in one snapshot and a deque in the other, then the deque is new."""
    before = gateway(30, 30)
    (listeners, sessions) = diff(before, gateway(130, 90, kind="collections.deque")).holders
    assert listeners.expression == "app.GW.audit.listeners"
    assert (listeners.type, listeners.items) == ("collections.deque", (0, 130))
    assert listeners.sizes == (0, 13_056)
    assert listeners.examples[0] is None
    assert (sessions.expression, sessions.items) == ("app.GW.sessions", (30, 90))


def test_parts_that_are_there_in_one_snapshot_only():
    """Given a gateway that was None before, then its parts are new; else None is what is new."""
    empty = HeapBuilder()
    module(empty, "app")
    set_global(empty, "app", "GW", empty.object("NoneType", size=16))
    new = holders(empty, gateway(100, 100))
    assert new == {"app.GW.audit.listeners": 10_056, "app.GW.sessions": 10_064}
    (none,) = diff(gateway(100, 100), empty).holders
    assert (none.type, none.size_growth) == ("NoneType", 16)


def test_three_snapshots_name_the_parts_by_what_survived():
    old, new, newer = gateway(30, 30), gateway(80, 70), gateway(120, 110)
    listeners, sessions = diff(old, new, newer).holders
    assert listeners.expression == "app.GW.audit.listeners"
    assert sessions.expression == "app.GW.sessions"
    assert listeners.survivors_size > sessions.survivors_size > 0


def test_what_the_limit_leaves_out_is_counted():
    result = diff(gateway(30, 30), gateway(130, 110), limit=1)
    assert [row.expression for row in result.holders] == ["app.GW.audit.listeners"]
    assert result.holders_left_out == 1
    assert diff(gateway(30, 30), gateway(130, 110), limit=2).holders_left_out == 0


def test_memory_of_c_code_is_followed_to_its_owners():
    """Given listeners that grow by blocks alone, and sessions by objects, then both are named."""
    heaps = []
    for size, sessions in ((1_000, 30), (9_000, 100)):
        heap = gateway(30, sessions)
        heap.native([heap.ids["listeners"]], size)
        heaps.append(heap)
    listeners, sessions = diff(*heaps).holders
    assert listeners.expression == "app.GW.audit.listeners"
    assert (listeners.size_growth, listeners.native_growth) == (0, 8_000)
    assert (sessions.expression, sessions.size_growth) == ("app.GW.sessions", 7_000)


def test_an_object_that_owns_most_of_the_growth_itself_is_the_holder():
    heaps = []
    for size, listeners in ((1_000, 30), (50_000, 130)):
        heap = gateway(listeners, listeners)
        heap.native([heap.ids["GW"]], size)
        heaps.append(heap)
    (holder,) = diff(*heaps).holders
    assert (holder.expression, holder.native_growth) == ("app.GW", 49_000)


def test_dicts_in_a_dict_are_parts_as_attributes_are():
    def state(count):
        heap = HeapBuilder()
        module(heap, "app")
        outer = heap.object("dict", size=232)
        set_global(heap, "app", "STATE", outer)
        for name in ("seen", "sent"):
            inner = heap.object("dict", size=64)
            store(heap, outer, name, inner)
            for number in range(count):
                key = heap.object("int", size=20, preview=str(number))
                store(heap, inner, key, heap.object("bytes", size=80))
        return heap

    assert holders(state(30), state(50)) == {
        "app.STATE['seen']": 2_000,
        "app.STATE['sent']": 2_000,
    }


def test_a_tree_and_the_insides_of_a_cache_stay_whole():
    """A node has nodes of its class below it; a cache of one object has many links in it."""

    def tree(size):
        heap = HeapBuilder()
        module(heap, "app")
        nodes = [heap.object("app.Node", size=size) for _ in range(31)]
        set_global(heap, "app", "TREE", nodes[0])
        for number, node in enumerate(nodes[1:]):
            above, name = nodes[number // 2], ("left", "right")[number % 2]
            heap.edge(above, node, EdgeKind.SLOT, name)
        return heap

    def cache(size):
        heap = HeapBuilder()
        module(heap, "app")
        wrapper, entries = heap.object("app.Cached", size=100), heap.object("dict", size=500)
        set_global(heap, "app", "render", wrapper)
        heap.edge(wrapper, entries, EdgeKind.DICT)
        for _ in range(20):
            for name, kind in (("link", "app.Link"), ("result", "bytes")):
                heap.edge(entries, heap.object(kind, size=size), EdgeKind.FIELD, name)
        return heap

    assert list(holders(tree(50), tree(500))) == ["app.TREE"]
    assert list(holders(cache(50), cache(500))) == ["app.render"]


def test_values_that_only_change_places_make_no_rows():
    """Given hundred attributes of which half grow by what the others lose, then one row at most."""

    def mixer(turn):
        heap = HeapBuilder()
        module(heap, "app")
        owner = heap.object("app.Mixer", size=800)
        set_global(heap, "app", "MIXER", owner)
        for number in range(100):
            size = 1_000 if number % 2 == turn else 990 - 10 * turn
            heap.edge(owner, heap.object("bytes", size=size), EdgeKind.ATTRIBUTE, f"line_{number}")
        heap.edge(owner, heap.object("bytes", size=50 + 600 * turn), EdgeKind.ATTRIBUTE, "rest")
        return heap

    assert holders(mixer(0), mixer(1)) == {"app.MIXER": 100}


def test_the_command_names_them_in_text_and_in_json(tmp_path):
    old = gateway(30, 30).write(tmp_path / "old.heapgraph")
    new = gateway(130, 110).write(tmp_path / "new.heapgraph")
    rows = invoke("diff", old, new, "--json").document["holders"]
    assert [row["expression"] for row in rows] == ["app.GW.audit.listeners", "app.GW.sessions"]
    lines = invoke("diff", old, new).stdout.splitlines()
    begin = lines.index("holders")
    assert "app.GW.audit.listeners (list)" in lines[begin + 2]
    assert "app.GW.sessions (dict)" in lines[begin + 3]


@pytest.mark.parametrize("has_dict", [False, True])
def test_what_became_smaller_as_a_whole_hides_nothing(has_dict):
    """Given a gateway that gave its sessions back, and with it its module, then the leak stands."""
    old, new = gateway(30, 300, has_dict=has_dict), gateway(130, 10, has_dict=has_dict)
    assert holders(old, new) == {"app.GW.audit.listeners": 10_000}
    assert diff(old, new, limit=1).holders_left_out == 0


def test_items_that_come_while_others_go_are_no_growth():
    """Given a cache that lost half of its entries and has other kinds of them, then none grew."""

    def cache(count, kind):
        heap = HeapBuilder()
        module(heap, "app")
        entries = heap.object("dict", size=100)
        set_global(heap, "app", "CACHE", entries)
        for number in range(count):
            key = heap.object("int", size=20, preview=str(number))
            store(heap, entries, key, heap.object(kind, size=80))
        return heap

    assert holders(cache(60, "app.Page"), cache(30, "app.Image")) == {}
    assert holders(cache(12, "app.Page"), cache(6, "app.Image")) == {}
