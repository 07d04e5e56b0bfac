"""Growth of memory of C code: estimates, beside the exact numbers of objects."""

from __future__ import annotations

from itertools import pairwise

import pytest

from heapgraph.analysis.growth.path_groups import MAX_DISTANCE
from heapgraph.analysis.registry import run
from heapgraph.model import EdgeKind, NativeKind
from helpers.app_heap import graph_of, items, module, set_global
from helpers.cli import invoke
from helpers.heaps import HeapBuilder

LOOKED_AT = {"chunks": 5, "pointers": 0, "small_bytes": 0, "left_out": ""}
LEFT_OUT = LOOKED_AT | {"left_out": "too many blocks"}
KIBIBYTE = 1024


def pool_heap(*native: int, rows: int = 1) -> HeapBuilder:
    """`app.POOL` has a context for each size of blocks, `app.ROWS` a list of `rows` rows."""
    heap = HeapBuilder()
    module(heap, "app")
    contexts = [heap.object("ssl.Context", size=100) for _ in native]
    pool = heap.object("list", size=80, name="POOL")
    set_global(heap, "app", "POOL", pool)
    items(heap, pool, *contexts)
    listed = heap.object("list", size=56 + 8 * rows, name="ROWS")
    set_global(heap, "app", "ROWS", listed)
    items(heap, listed, *(heap.object("app.Row", size=1000) for _ in range(rows)))
    for context, size in zip(contexts, native, strict=True):
        if size:
            heap.native([context], size)
    return heap


def diff(*heaps: HeapBuilder, known: dict | None = LOOKED_AT, limit: int | None = None):
    """Compare; `known` is what the first snapshot says of native memory, None of an older file."""
    first = {} if known is None else {"native": known}
    old, new, *rest = (
        graph_of(heap, **(first if not number else {"native": LOOKED_AT}))
        for number, heap in enumerate(heaps)
    )
    return run("diff", old, new=new, newer=rest, limit=limit)


def named(rows):
    return {getattr(row, "expression", row.type): row for row in rows}


def test_a_holder_that_grows_by_native_memory_alone_is_ranked_by_it():
    """Given more blocks of the same objects, then they come before what grew less as objects."""
    result = diff(pool_heap(0, 100), pool_heap(50_000, 200, rows=4))
    pool, rows = result.holders
    assert (pool.expression, pool.type) == ("app.POOL[*]", "ssl.Context")
    assert (pool.size_growth, pool.item_growth, pool.sizes) == (0, 0, (200, 200))
    assert (pool.native_growth, pool.native_sizes) == (50_100, (100, 50_200))
    assert (rows.expression, rows.native_growth, rows.native_sizes) == ("app.ROWS", 0, (0, 0))
    assert [row.type for row in result.types] == ["ssl.Context", "app.Row", "list"]
    context = result.types[0]
    assert (context.size_growth, context.native_growth, context.counts) == (0, 50_100, (2, 2))
    assert result.totals.native_sizes == (100, 50_200)
    assert result.native_sentence == (
        "Native memory of objects grew by 48.9 KiB (estimate); `app.POOL[*]` has 48.9 KiB more."
    )


def test_exact_numbers_are_the_same_with_and_without_native_memory():
    def exact(result):
        holders = {row.expression: (row.sizes, row.items) for row in result.holders}
        return holders, {row.type: (row.sizes, row.counts) for row in result.types}

    without = exact(diff(pool_heap(0), pool_heap(0, rows=9)))
    found = exact(diff(pool_heap(70), pool_heap(7_000_000, rows=9)))
    assert found[0].items() >= without[0].items()
    assert found[1].items() >= without[1].items()


@pytest.mark.parametrize("known", [None, LEFT_OUT])
def test_what_one_snapshot_does_not_know_is_unknown_and_never_nothing(known):
    """Given an older file, or too many blocks, then growth is unknown and objects rank alone."""
    old, new = pool_heap(0), pool_heap(50_000, rows=4)
    result = diff(old, new, known=known)
    assert named(result.holders).keys() == {"app.ROWS"}
    assert result.holders[0].native_growth is None
    assert result.holders[0].native_sizes == (None, 0)
    assert {row.native_growth for row in result.types} == {None}
    assert result.totals.native_sizes == (None, 50_000)
    assert result.native_sentence.startswith("Growth of native memory is unknown: the first")
    document = result.to_dict()
    assert document["holders"][0]["native_growth"] is None
    assert document["types"][0]["native_sizes"] == [None, 0]
    assert document["totals"]["native_sizes"] == [None, 50_000]


def test_nothing_is_said_where_no_snapshot_knows():
    old, new = graph_of(pool_heap(0)), graph_of(pool_heap(0, rows=5))
    result = run("diff", old, new=new)
    assert result.native_sentence == ""
    assert {row.native_growth for row in (*result.types, *result.holders)} == {None}


def test_an_estimate_that_falls_hides_no_objects():
    heaps = [pool_heap(0, rows=count) for count in (1, 5)]
    for heap, size in zip(heaps, (900_000, 10), strict=True):
        heap.native([heap.ids["ROWS"]], size)
    (rows,) = diff(*heaps).holders
    assert (rows.expression, rows.native_growth) == ("app.ROWS", 10 - 900_000)
    assert rows.size_growth == 4 * 1008
    assert diff(*heaps).native_sentence == ""


def test_shared_blocks_count_once_where_their_nearest_owner_is():
    heaps = [pool_heap(0, 0), pool_heap(0, 0)]
    context = heaps[1].ids["POOL"] - 1
    heaps[1].native([context, heaps[1].ids["ROWS"]], 7000, NativeKind.SHARED)
    (rows,) = diff(*heaps).holders
    assert (rows.expression, rows.native_growth) == ("app.ROWS", 7000)


def test_blocks_of_what_lies_too_deep_belong_to_the_group_above():
    def chained(size):
        heap = HeapBuilder()
        module(heap, "app")
        links = [heap.object("app.Link", size=10) for _ in range(2 * MAX_DISTANCE)]
        set_global(heap, "app", "HEAD", links[0])
        for before, after in pairwise(links):
            heap.edge(before, after, EdgeKind.SLOT, "next")
        heap.native([links[-1]], size)
        return heap

    (holder,) = diff(chained(10), chained(5000)).holders
    assert (holder.type, holder.native_growth) == ("app.Link", 4990)


def test_three_snapshots_say_what_stayed():
    """Given blocks that came and stayed, and others that went again, then only the first count."""
    heaps = [pool_heap(*sizes) for sizes in ((10, 10), (5000, 9000), (6000, 10))]
    (pool,) = diff(*heaps).holders
    assert pool.expression == "app.POOL[*]"
    assert (pool.survivors_size, pool.survivors_native_size) == (0, 4990)
    assert pool.native_sizes == (20, 14_000, 6010)
    (context,) = diff(*heaps).types
    assert (context.survivors, context.survivors_native_size) == (0, 4990)
    unknown = diff(*heaps, known=LEFT_OUT)
    assert (unknown.holders, unknown.types) == ((), ())
    assert unknown.native_sentence.startswith("Growth of native memory is unknown")


def test_of_four_snapshots_only_what_grew_in_each_is_listed():
    def grown(*totals):
        return named(diff(*(pool_heap(size) for size in totals)).holders)

    page = 4096
    (pool,) = grown(page, 2 * page, 3 * page, 4 * page).values()
    assert (pool.expression, pool.native_growth) == ("app.POOL[*]", 3 * page)
    assert grown(page, 2 * page, 2 * page, 4 * page) == {}
    # The difference that a pointer makes which happens to be there.
    assert grown(100, 110, 120, 130) == {}


def test_growth_of_native_memory_hides_no_holder_below_it():
    """Given an object with more blocks each time, then the list in it that grows is named too."""

    def shop(step):
        heap = HeapBuilder()
        module(heap, "app")
        owner = heap.object("app.Shop", size=48)
        set_global(heap, "app", "SHOP", owner)
        listed = heap.object("list", size=56 + 8 * step)
        heap.edge(owner, listed, EdgeKind.ATTRIBUTE, "rows")
        items(heap, listed, *(heap.object("app.Row", size=1000) for _ in range(step)))
        heap.native([owner], 8 * KIBIBYTE * step)
        return heap

    found = named(diff(*(shop(step) for step in (1, 2, 3, 4))).holders)
    assert found.keys() == {"app.SHOP", "app.SHOP.rows"}
    assert found["app.SHOP"].native_growth == 24 * KIBIBYTE


def test_the_command_shows_estimates_apart(tmp_path):
    old = pool_heap(100).write(tmp_path / "old.heapgraph", native=LOOKED_AT)
    new = pool_heap(50_000, rows=4).write(tmp_path / "new.heapgraph", native=LOOKED_AT)
    lines = invoke("diff", old, new).stdout.splitlines()
    assert "native memory  100 B -> 48.8 KiB (estimate)" in lines
    begin = lines.index("holders")
    assert "native (estimate)" in lines[begin + 1]
    assert "+48.7 KiB" in lines[begin + 2]
    assert "100 B -> 48.8 KiB" in lines[begin + 2]
    assert "app.POOL[*] (ssl.Context)" in lines[begin + 2]
    assert "(estimate)" in lines[-1]
    document = invoke("diff", old, new, "--json").document
    keys = ["native_growth", "native_sizes", "grows_each_time"]
    assert list(document["holders"][0])[-3:] == keys
    assert "survivors_native_size" not in document["holders"][0]
    three = invoke("diff", old, new, new, "--json").document
    assert three["holders"][0]["survivors_native_size"] == 49_900


def test_the_command_says_what_it_does_not_know(tmp_path):
    old = pool_heap(0).write(tmp_path / "old.heapgraph", native=LEFT_OUT)
    new = pool_heap(50_000).write(tmp_path / "new.heapgraph", native=LOOKED_AT)
    outcome = invoke("diff", old, new)
    assert "native memory  unknown -> 48.8 KiB (estimate)" in outcome.stdout
    assert "Growth of native memory is unknown" in outcome.stdout
    plain = [pool_heap(0, rows=n).write(tmp_path / f"{n}.heapgraph") for n in (1, 2)]
    assert "native" not in invoke("diff", *plain).stdout
