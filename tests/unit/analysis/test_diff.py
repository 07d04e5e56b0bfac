"""Growth by type and by holder on synthetic heaps."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest

from heapgraph.analysis.growth.path_groups import MAX_DISTANCE, group_by_path
from heapgraph.analysis.growth.survivors import same_object
from heapgraph.analysis.registry import run
from heapgraph.errors import UsageError
from heapgraph.model import EdgeKind, RootKind
from helpers.app_heap import graph_of, items, module, set_global, store
from helpers.cli import invoke
from helpers.heaps import HeapBuilder


def cache_heap(entries: int, *, shift: int = 0) -> HeapBuilder:
    """`app.STORE.cache` is a dict of users with a `name`; `shift` objects come first."""
    heap = HeapBuilder()
    for _ in range(shift):
        heap.object("int", size=28)
    module(heap, "app")
    shop = heap.object("app.Store", size=48)
    set_global(heap, "app", "STORE", shop)
    cache = heap.object("dict", size=64 + 20 * entries, name="cache")
    heap.edge(shop, cache, EdgeKind.ATTRIBUTE, "cache")
    for number in range(entries):
        user = heap.object("app.User", size=48)
        store(heap, cache, heap.object("int", size=28, preview=str(number)), user)
        heap.edge(user, heap.object("str", size=100, preview=f"u{number}"), EdgeKind.SLOT, "name")
    return heap


def diff(*heaps: HeapBuilder, **parameters):
    old, new, *rest = (graph_of(heap) for heap in heaps)
    return run("diff", old, new=new, newer=rest, **parameters)


def test_the_container_that_grows_is_the_holder_wherever_it_lies():
    result = diff(cache_heap(20), cache_heap(50, shift=100))
    (holder,) = result.holders
    assert (holder.expression, holder.type) == ("app.STORE.cache", "dict")
    assert holder.items == (20, 50)
    assert holder.size_growth == 30 * (48 + 28 + 100 + 20)
    types = {row.type: row for row in result.types}
    assert types["app.User"].counts == (20, 50)
    assert types["str"].size_growth == 30 * 100


def test_what_shrinks_is_not_reported():
    assert diff(cache_heap(50), cache_heap(20)).holders == ()


def test_growth_inside_a_fixed_number_of_items_is_followed():
    def workers(size):
        heap = HeapBuilder()
        module(heap, "app")
        pool = [heap.object("app.Worker") for _ in range(30)]
        for worker in pool:
            heap.edge(worker, heap.object("bytearray", size=size), EdgeKind.SLOT, "buffer")
        holder = heap.object("list", size=500)
        set_global(heap, "app", "POOL", holder)
        items(heap, holder, *pool)
        return heap

    (holder,) = diff(workers(10), workers(1000)).holders
    assert (holder.expression, holder.type) == ("app.POOL[*].buffer", "bytearray")
    assert holder.size_growth == 30 * 990


def test_a_small_dict_keeps_its_keys():
    def config(size):
        heap = HeapBuilder()
        module(heap, "app")
        settings = heap.object("dict", size=232)
        set_global(heap, "app", "CONFIG", settings)
        store(heap, settings, "log", heap.object("list", size=56))
        store(heap, settings, "cache", heap.object("bytearray", size=size))
        return heap

    (holder,) = diff(config(10), config(500)).holders
    assert holder.expression == "app.CONFIG['cache']"


def test_a_variable_is_aligned_whatever_the_thread_and_the_line():
    def running(size, line, name):
        heap = HeapBuilder()
        frame = heap.frame(heap.thread(name), "work", file="/srv/app.py", line=line)
        heap.root(RootKind.FRAME, "rows", heap.object("list", size=size), frame=frame)
        return heap

    (holder,) = diff(running(100, 5, "a"), running(900, 7, "b")).holders
    assert holder.expression == "<work() at app.py> rows"
    assert holder.sizes == (100, 900)


def test_a_linked_list_beyond_the_limit_belongs_to_its_last_group():
    heap = HeapBuilder()
    module(heap, "app")
    links = [heap.object("app.Link", size=10) for _ in range(3 * MAX_DISTANCE)]
    set_global(heap, "app", "HEAD", links[0])
    for before, after in pairwise(links):
        heap.edge(before, after, EdgeKind.SLOT, "next")
    groups = group_by_path(graph_of(heap))
    assert len(groups.sizes) <= MAX_DISTANCE + 4
    by_type = {}
    for row, size in zip(groups.type_rows, groups.sizes.tolist(), strict=True):
        name = groups.types[row]
        by_type[name] = by_type.get(name, 0) + size
    assert by_type["app.Link"] == 10 * len(links)


def test_a_snapshot_is_grouped_once_and_kept_no_longer_for_it():
    graph = graph_of(cache_heap(3))
    groups = group_by_path(graph)
    assert group_by_path(graph) is groups
    assert group_by_path(graph_of(cache_heap(3))) is not groups
    gone = weakref.ref(graph)
    del graph
    gc.collect()
    assert gone() is None


def test_a_linked_list_that_grows_is_named_by_its_first_link():
    def chained(length):
        heap = HeapBuilder()
        module(heap, "app")
        links = [heap.object("app.Link", size=10) for _ in range(length)]
        set_global(heap, "app", "HEAD", links[0])
        for before, after in pairwise(links):
            heap.edge(before, after, EdgeKind.SLOT, "next")
        return heap

    two = diff(chained(50), chained(90))
    beyond = diff(*(chained(length) for length in (200, 300, 400, 500)))
    for result in (two, beyond):
        assert [(row.expression, row.type) for row in result.holders] == [("app.HEAD", "app.Link")]


def test_what_roots_hold_in_growing_numbers_is_named_itself():
    def held(count):
        heap = HeapBuilder()
        for _ in range(count):
            message = heap.object("app.Message", size=10)
            heap.edge(message, heap.object("bytes", size=1000), EdgeKind.SLOT, "body")
            heap.root(RootKind.C_HELD, "", message)
        return heap

    (holder,) = diff(held(10), held(20)).holders
    assert (holder.expression, holder.type) == ("<held by C code>", "app.Message")
    (holder,) = diff(*map(held, (10, 20, 30, 40))).holders
    assert holder.expression == "<held by C code>"


def test_a_value_without_a_key_that_was_kept_is_just_an_item():
    heap = cache_heap(3)
    heap.edge(heap.ids["cache"], heap.object("bytearray", size=9), EdgeKind.VALUE)
    (holder, *_) = diff(cache_heap(2), heap).holders
    assert holder.expression == "app.STORE.cache"


def growing(leaked: int, *, slow: int, settled: int) -> HeapBuilder:
    """A leak, a container that grows slowly, one that has stopped, and an object both share."""
    heap = HeapBuilder()
    module(heap, "app")
    lists = {name: heap.object("list", size=56) for name in ("LEAK", "SLOW", "SETTLED")}
    for name, held in lists.items():
        set_global(heap, "app", name, held)
    shared = heap.object("bytearray", size=1000)
    for name, count, size in (
        ("LEAK", leaked, 100),
        ("SLOW", slow, 30),
        ("SETTLED", settled, 5000),
    ):
        own = [heap.object("bytearray", size=size) for _ in range(count)]
        items(heap, lists[name], *own, *[shared] * (name != "SETTLED"))
    return heap


def test_of_four_snapshots_only_what_grew_in_each_is_listed_by_its_share():
    result = diff(
        growing(10, slow=1, settled=1),
        growing(20, slow=2, settled=9),
        growing(30, slow=3, settled=9),
        growing(40, slow=4, settled=10),
    )
    assert [row.expression for row in result.holders] == ["app.LEAK", "app.SLOW"]
    leak, slow = result.holders
    # The list itself, what it holds alone, and half of what both hold.
    assert (leak.leak_share, leak.exclusive_size) == (56 + 4000 + 500, 56 + 4000)
    assert (slow.leak_share, slow.exclusive_size) == (56 + 120 + 500, 56 + 120)
    assert (leak.leak_share_growth, slow.leak_share_growth) == (3000, 90)
    assert (leak.items, slow.items) == ((11, 21, 31, 41), (2, 3, 4, 5))
    assert [row.type for row in result.types] == ["bytearray"]
    assert result.types[0].survivors is None


def test_snapshots_of_several_runs_show_repeated_growth(tmp_path):
    files = []
    for number, leaked in enumerate((10, 20, 30, 40)):
        heap = growing(leaked, slow=1, settled=1)
        target = heap.manifest()["target"] | {"pid": 100 + number}
        files.append(heap.write(tmp_path / f"{number}.heapgraph", target=target))
    document = invoke("diff", *files, "--json").document
    (holder,) = document["holders"]
    assert holder["expression"] == "app.LEAK"
    # What a container that does not grow holds as well is nobody's blame.
    assert (holder["leak_share"], holder["leak_share_growth"]) == (56 + 4000, 3000)
    assert holder["exclusive_size"] == 56 + 4000
    table = invoke("diff", *files).stdout.splitlines()
    assert [line.split(" ")[0] for line in table[:2]] == ["resident", "objects"]
    begin = table.index("holders")
    assert table[begin + 1].split("  ")[0] == "share grew by"
    assert "app.LEAK (list)" in table[begin + 2]
    nothing = invoke("diff", *[files[0]] * 4)
    assert "nothing grew in every snapshot" in nothing.stderr


def traffic(generation: int, *, leaked: int) -> HeapBuilder:
    """A list of requests, all new each time at the same addresses, and a list that leaks."""
    heap = HeapBuilder()
    module(heap, "app")
    requests, leak = heap.object("list", size=500), heap.object("list", size=500)
    set_global(heap, "app", "REQUESTS", requests)
    set_global(heap, "app", "LEAK", leak)
    for number in range(50):
        value = f"{generation}-{number}"
        items(heap, requests, heap.object("str", size=60, preview=value))
    items(heap, leak, *[heap.object("app.Leaked", size=100) for _ in range(leaked)])
    return heap


def test_an_address_that_is_used_again_makes_no_survivor():
    result = diff(traffic(0, leaked=10), traffic(1, leaked=30), traffic(2, leaked=50))
    types = {row.type: row for row in result.types}
    assert set(types) == {"app.Leaked"}
    assert (types["app.Leaked"].survivors, types["app.Leaked"].survivors_size) == (20, 2000)
    (holder,) = result.holders
    assert holder.expression == "app.LEAK"
    assert holder.survivors_size == 2000
    assert holder.grows_each_time


def test_what_is_the_same_object():
    def one(**changes):
        heap = HeapBuilder()
        known = {"type_name": "str", "size": 50, "preview": "a"} | changes
        heap.type("list")
        heap.object(known["type_name"], size=known["size"], preview=known["preview"])
        return graph_of(heap)

    assert same_object(one(), one()).tolist() == [0]
    assert same_object(one(), one(preview="b")).tolist() == [-1]
    assert same_object(one(), one(size=51)).tolist() == [-1]
    assert same_object(one(), one(type_name="bytes")).tolist() == [-1]
    grown = one(type_name="list", size=80, preview=None)
    assert same_object(one(type_name="list", preview=None), grown).tolist() == [0]
    assert same_object(one(), graph_of(HeapBuilder())).tolist() == [-1]


def test_three_snapshots_of_two_processes_are_refused(tmp_path):
    heap = cache_heap(3)
    files = [heap.write(tmp_path / f"{number}.heapgraph") for number in range(2)]
    target = heap.manifest()["target"] | {"pid": 4712}
    files.append(heap.write(tmp_path / "other.heapgraph", target=target))
    outcome = invoke("diff", *files)
    assert outcome.code == 2
    assert "4711, 4711, 4712" in outcome.error[0]
    assert len(outcome.error) == 3
    with pytest.raises(UsageError, match="limit of 0"):
        diff(heap, heap, limit=0)


def test_the_command(tmp_path):
    old = cache_heap(20).write(tmp_path / "old.heapgraph")
    new = cache_heap(50).write(tmp_path / "new.heapgraph")
    document = invoke("diff", old, new, "--json").document
    assert list(document) == ["types", "holders", "totals"]
    totals = document["totals"]
    assert totals["resident_sizes"] == [64 * 2**20] * 2
    assert totals["objects"][0] < totals["objects"][1]
    assert totals["objects_sizes"][0] < totals["objects_sizes"][1]
    assert totals["garbage_sizes"][0] == totals["garbage_sizes"][1]
    assert list(document["types"][0]) == [
        "type",
        "count_growth",
        "size_growth",
        "counts",
        "sizes",
        "native_growth",
        "native_sizes",
    ]
    assert list(document["holders"][0]) == [
        "expression",
        "type",
        "size_growth",
        "item_growth",
        "sizes",
        "items",
        "native_growth",
        "native_sizes",
        "grows_each_time",
    ]
    table = invoke("diff", old, new, "--limit", 1)
    assert "app.STORE.cache (dict)" in table.stdout
    assert "more types that grew" in table.stderr
    assert "nothing grew" in invoke("diff", new, old).stderr
    third = invoke("diff", old, new, new, "--json").document
    assert "survivors_size" in third["holders"][0]


def test_functions_that_wrap_one_another_are_named_by_the_first():
    """Between two of them lie a `__dict__` and its entry: `app.send.__wrapped__.__wrapped__`."""

    def wrapped(count):
        heap = HeapBuilder()
        module(heap, "app")
        inner = heap.object("function", size=100)
        for _ in range(count):
            outer, space = heap.object("function", size=100), heap.object("dict", size=50)
            heap.edge(outer, space, EdgeKind.DICT)
            store(heap, space, "__wrapped__", inner)
            inner = outer
        set_global(heap, "app", "send", inner)
        return heap

    (holder,) = diff(wrapped(80), wrapped(120)).holders
    assert holder.expression == "app.send"


def test_what_survives_too_deep_for_a_group_belongs_to_the_one_above_it():
    def history(count):
        heap = HeapBuilder()
        module(heap, "app")
        states = [heap.object("app.State", size=100) for _ in range(count)]
        for older, state in pairwise(states):
            heap.edge(state, older, EdgeKind.ATTRIBUTE, "before")
        set_global(heap, "app", "STATE", states[-1])
        return heap

    counts = (150, 200, 400)
    (holder,) = diff(*map(history, counts)).holders
    assert holder.expression == "app.STATE"
    assert holder.survivors_size == 50 * 100


def test_a_list_that_grows_by_references_to_old_objects_survives_by_its_own_bytes():
    def log(size):
        heap = HeapBuilder()
        module(heap, "app")
        seen, kind = heap.object("list", size=size), heap.object("app.Kind", size=50)
        items(heap, seen, *[kind] * 10)
        set_global(heap, "app", "SEEN", seen)
        return heap

    (holder,) = diff(log(1000), log(3000), log(4000)).holders
    assert (holder.expression, holder.survivors_size) == ("app.SEEN", 2000)


def test_modules_that_are_loaded_under_new_names_are_one_holder():
    def rules(count):
        heap = HeapBuilder()
        module(heap, "app")
        for number in range(count):
            module(heap, f"rule_{number}")
            set_global(heap, f"rule_{number}", "TABLE", heap.object("bytearray", size=1000))
        return heap

    (holder,) = diff(rules(100), rules(150)).holders
    assert holder.expression == "sys.modules[*]"


def test_what_a_running_event_loop_has_is_said_without_how_a_library_has_the_loop():
    def timers(count):
        heap = HeapBuilder()
        module(heap, "_asyncio")
        tasks = heap.object("dict", size=100)
        set_global(heap, "_asyncio", "_current_tasks", tasks)
        loop = heap.object("asyncio.unix_events._UnixSelectorEventLoop", size=100)
        heap.edge(tasks, loop, EdgeKind.KEY, 0)
        waiting = heap.object("list", size=100)
        heap.edge(loop, waiting, EdgeKind.ATTRIBUTE, "_scheduled")
        items(heap, waiting, *(heap.object("app.Timer", size=500) for _ in range(count)))
        return heap

    (holder,) = diff(timers(20), timers(50)).holders
    assert holder.expression == "<event loop>._scheduled"
