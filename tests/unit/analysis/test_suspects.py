"""Which holders are suspect in heaps drawn for the purpose, and which are not."""

from __future__ import annotations

from itertools import pairwise

import pytest

from heapgraph.analysis.ages.verdict import Growth
from heapgraph.analysis.leaks.application_code import ORIGIN_WORDS
from heapgraph.analysis.leaks.candidates import MANY_ITEMS, MIN_SIZE
from heapgraph.analysis.leaks.instances import MANY_INSTANCES
from heapgraph.analysis.registry import run
from heapgraph.analysis.suspects import find_suspects
from heapgraph.errors import UsageError
from heapgraph.model import CodeOrigin, EdgeKind, RootKind
from helpers.app_heap import (
    MEBIBYTE,
    app_heap,
    filled_list,
    graph_of,
    items,
    module,
    program_heap,
    set_global,
    store,
)
from helpers.heaps import HeapBuilder


def suspects_of(heap: HeapBuilder, limit: int = 10):
    return find_suspects(graph_of(heap), limit=limit).suspects


def test_a_list_that_holds_very_much_is_named_with_its_path_and_content():
    heap = program_heap()
    set_global(heap, "__main__", "ROWS", filled_list(heap, 100, 60_000))

    [suspect] = suspects_of(heap)

    assert (suspect.kind, suspect.expression) == ("container", "__main__.ROWS")
    assert suspect.retained_size == 64 + 100 * 60_000
    assert suspect.accumulation_point.expression == "__main__.ROWS"
    assert [step.label for step in suspect.path.steps] == ["__main__", "__dict__", "ROWS"]
    assert "100 objects of type app.Row, 58.6 KiB each" in suspect.reason
    assert "module __main__ (application code" in suspect.reason


def test_what_is_small_is_not_suspect_however_large_its_share():
    heap = program_heap(other=1000)
    set_global(heap, "__main__", "ROWS", filled_list(heap, 100, MIN_SIZE // 200))
    assert suspects_of(heap) == ()


def test_what_is_large_but_a_small_share_is_not_suspect():
    heap = program_heap(other=100 * MEBIBYTE)
    set_global(heap, "__main__", "ROWS", filled_list(heap, 100, 60_000))
    assert suspects_of(heap) == ()


def test_a_module_with_large_code_is_not_suspect():
    heap = program_heap(other=MEBIBYTE)
    codes = [heap.code(f"f{n} (/x.py:{n})", size=20_000) for n in range(400)]
    for number, code in enumerate(codes):
        set_global(heap, "json", f"f{number}", code)
    heap.root(RootKind.INTERPRETER, "modules", filled_list(heap, 20, 90_000))
    assert suspects_of(heap) == ()


def test_the_walk_goes_down_to_where_the_bytes_part():
    """The module global is an instance that passes nearly everything on to one list."""
    heap = program_heap()
    app, inner = heap.object("app.App", size=48), heap.object("app.Store", size=48)
    set_global(heap, "__main__", "APP", app)
    heap.edge(app, inner, EdgeKind.ATTRIBUTE, "store")
    heap.edge(inner, filled_list(heap, 100, 60_000), EdgeKind.ATTRIBUTE, "rows")
    [suspect] = suspects_of(heap)
    assert suspect.expression == "__main__.APP.store.rows"


def test_each_large_part_of_a_structure_is_a_suspect_of_its_own():
    heap = program_heap()
    app = heap.object("app.App", size=48)
    set_global(heap, "__main__", "APP", app)
    heap.edge(app, filled_list(heap, 100, 60_000), EdgeKind.ATTRIBUTE, "rows")
    heap.edge(app, filled_list(heap, 100, 50_000), EdgeKind.ATTRIBUTE, "events")
    found = [suspect.expression for suspect in suspects_of(heap)]
    assert found == ["__main__.APP.rows", "__main__.APP.events"]


def test_a_class_is_passed_through_to_the_list_in_it():
    heap = program_heap()
    owner = heap.type_object("app.Order")
    namespace = heap.object("dict", size=200)
    heap.edge(owner, namespace, EdgeKind.DICT)
    set_global(heap, "__main__", "Order", owner)
    store(heap, namespace, "events", filled_list(heap, 100, 60_000))
    [suspect] = suspects_of(heap)
    assert suspect.expression == "__main__.Order.events"


@pytest.mark.parametrize("owners", [("A", "B"), ("A", "B", "C")])
def test_objects_that_several_containers_share_are_found_as_a_group(owners):
    heap = program_heap()
    rows = [heap.object("app.Row", size=60_000) for _ in range(100)]
    for owner in owners:
        listing = heap.object("list", size=64)
        items(heap, listing, *rows)
        set_global(heap, "__main__", owner, listing)
    [suspect] = suspects_of(heap)
    assert suspect.kind == "container"
    assert suspect.expression in {f"__main__.{owner}" for owner in owners}
    assert suspect.retained_size == 100 * 60_000


def test_what_else_holds_a_group_is_said():
    heap = program_heap()
    rows = [heap.object("app.Row", size=60_000) for _ in range(100)]
    for owner in "AB":
        listing = heap.object("list", size=64)
        items(heap, listing, *rows)
        set_global(heap, "__main__", owner, listing)
    [suspect] = suspects_of(heap)
    other = {"__main__.A": "B", "__main__.B": "A"}[suspect.expression]
    assert f"also held by __main__.{other}, which must let go too" in suspect.reason


def test_two_containers_of_one_instance_are_told_from_the_instance():
    heap = program_heap()
    app = heap.object("app.App", size=48)
    set_global(heap, "__main__", "APP", app)
    rows = [heap.object("app.Row", size=60_000) for _ in range(100)]
    for name in ("rows", "copies"):
        listing = heap.object("list", size=64)
        items(heap, listing, *rows)
        heap.edge(app, listing, EdgeKind.ATTRIBUTE, name)
    [suspect] = suspects_of(heap)
    assert suspect.expression in {"__main__.APP.rows", "__main__.APP.copies"}
    assert suspect.retained_size == 100 * 60_000


def test_callbacks_that_c_code_holds_are_told_from_the_functions_of_the_program():
    heap = program_heap()
    for number in range(100):
        set_global(heap, "json", f"g{number}", heap.object("function", size=20_000))
    for _ in range(30):
        heap.root(RootKind.C_HELD, "", heap.object("function", size=200_000))
    [suspect] = suspects_of(heap)
    assert suspect.expression == "<held by C code, 30 objects> function"
    assert "by the library's own call" in suspect.reason


def test_threads_are_named_by_the_functions_of_the_application_they_stand_in():
    heap = program_heap()
    module(heap, "threading")
    running = heap.object("dict", size=640)
    set_global(heap, "threading", "_active", running)
    for number in range(30):
        row = heap.thread(f"worker-{number}")
        heap.frame(row, "wait", file="/usr/lib/python3.11/threading.py")
        heap.frame(row, "serve", file="/srv/app.py")
        thread = heap.object("threading.Thread", size=200_000)
        store(heap, running, f"{number}", thread)
    [suspect] = suspects_of(heap)
    assert suspect.expression == "threading._active"
    assert "Threads stand: 30 in serve() at app.py." in suspect.reason


def test_variables_of_many_threads_are_one_suspect():
    heap = program_heap()
    for number in range(30):
        frame = heap.frame(heap.thread(f"worker-{number}"), "serve", file="/srv/app.py", line=9)
        session = heap.object("app.Session", size=200_000)
        heap.root(RootKind.FRAME, "session", session, frame=frame)
    [suspect] = suspects_of(heap)
    assert suspect.kind == "threads"
    assert suspect.expression == "<30 threads in serve() at app.py> session"
    assert suspect.accumulation_point is None
    assert suspect.path.root.kind == "frame"


def test_objects_that_only_c_code_holds_are_one_suspect():
    heap = program_heap()
    for _ in range(30):
        heap.root(RootKind.C_HELD, "", heap.object("app.Message", size=200_000))
    [suspect] = suspects_of(heap)
    assert (suspect.kind, suspect.expression) == ("c-held", "<held by C code, 30 objects> Message")
    assert "Py_DECREF" in suspect.reason


def test_methods_of_c_types_are_data_where_they_keep_much():
    heap = program_heap()
    methods = [heap.object("builtin_function_or_method", size=72) for _ in range(30)]
    for method in methods:
        greenlet = heap.object("app.Greenlet", size=200_000)
        heap.edge(method, greenlet, EdgeKind.FIELD, "__self__")
        heap.root(RootKind.C_HELD, "", method)
    waiters = heap.object("list", size=296)
    set_global(heap, "__main__", "WAITERS", waiters)
    items(heap, waiters, *methods)
    [suspect] = suspects_of(heap)
    assert (suspect.kind, suspect.expression) == ("container", "__main__.WAITERS")


def test_a_linked_list_is_named_by_its_first_item():
    heap = program_heap()
    nodes = [heap.object("app.Node", size=4000) for _ in range(3000)]
    set_global(heap, "__main__", "HEAD", nodes[0])
    for node, following in pairwise(nodes):
        heap.edge(node, following, EdgeKind.ATTRIBUTE, "next")
    assert suspects_of(heap)[0].expression == "__main__.HEAD"


def test_a_large_single_object_counts_half():
    heap = program_heap()
    set_global(heap, "__main__", "TABLE", heap.object("bytearray", size=9 * MEBIBYTE))
    set_global(heap, "__main__", "ROWS", filled_list(heap, 100, 60_000))
    first, second = suspects_of(heap)
    assert (first.kind, first.expression) == ("container", "__main__.ROWS")
    assert (second.kind, second.expression) == ("object", "__main__.TABLE")
    assert second.retained_size > first.retained_size


def test_a_long_container_is_suspect_from_a_smaller_share_on():
    heap = program_heap(other=60 * MEBIBYTE)
    set_global(heap, "__main__", "ROWS", filled_list(heap, MANY_ITEMS, 2000))
    set_global(heap, "json", "TABLE", filled_list(heap, MANY_ITEMS, 2000, "bytes"))
    [suspect] = suspects_of(heap)
    assert suspect.expression == "__main__.ROWS"


@pytest.fixture(params=["growing", "unknown"])
def trend(request, monkeypatch):
    """What the ages are said to tell of every container."""
    growth = Growth(request.param, "as this test has it")
    monkeypatch.setattr("heapgraph.analysis.suspects.growth_of", lambda *_: growth)
    return request.param


def test_many_open_resources_are_suspect_when_they_grow_whatever_their_size(trend):
    heap = program_heap()
    sockets = filled_list(heap, MANY_INSTANCES, 100, "socket.socket")
    set_global(heap, "__main__", "OPEN", sockets)
    set_global(heap, "__main__", "ROWS", filled_list(heap, MANY_INSTANCES, 100))
    found = suspects_of(heap)
    if trend == "growing":
        assert [(one.kind, one.expression) for one in found] == [("instances", "__main__.OPEN")]
        assert found[0].share < 0.01
    else:
        assert found == ()


def test_a_long_list_of_references_is_suspect_by_its_own_size():
    heap = program_heap(other=60 * MEBIBYTE)
    shared = [heap.object("app.Kind", size=64), heap.object("app.Kind", size=64)]
    rows = heap.object("list", size=2 * MEBIBYTE)
    items(heap, rows, *(shared[number % 2] for number in range(MANY_ITEMS)))
    set_global(heap, "__main__", "ROWS", rows)
    for one in shared:
        heap.root(RootKind.IMMORTAL, "immortal", one)
    [suspect] = suspects_of(heap)
    assert (suspect.kind, suspect.expression) == ("container", "__main__.ROWS")
    assert "1,000 references, most of them to 2 objects of type app.Kind" in suspect.reason


def test_an_empty_heap_has_no_suspects():
    assert suspects_of(HeapBuilder()) == ()


def test_the_fingerprint_is_that_of_the_names_not_of_the_addresses():
    def leak(name: str, keys: tuple[str, ...], padding: int) -> str:
        heap = HeapBuilder()
        for _ in range(padding):
            heap.object()
        module(heap, "__main__")
        caches = heap.object("dict", size=200)
        set_global(heap, "__main__", name, caches)
        for key in keys:
            store(heap, caches, key, filled_list(heap, 100, 60_000))
        return suspects_of(heap)[0].fingerprint

    fingerprint = leak("CACHES", ("user:1",), padding=0)
    assert fingerprint == leak("CACHES", ("user:4711",), padding=7)
    assert fingerprint != leak("TABLES", ("user:1",), padding=0)


def test_values_whose_keys_have_no_name_are_one_suspect_with_the_bytes_of_the_container():
    """Given four large values under keys that Python cannot write, their bytes count once."""
    heap = HeapBuilder()
    module(heap, "__main__")
    cache = heap.object("dict", size=200)
    set_global(heap, "__main__", "CACHE", cache)
    for _ in range(4):
        store(heap, cache, heap.object("app.Key"), filled_list(heap, 100, 60_000))
    [found] = [one for one in suspects_of(heap) if one.expression == "__main__.CACHE"]
    assert found.share <= 1
    assert "holders of one kind" not in found.reason


def test_the_document_has_the_keys_of_the_command_line():
    [row, *_] = find_suspects(graph_of(app_heap())).to_dict()["suspects"]
    assert list(row) == [
        "kind",
        "expression",
        "retained_size",
        "native_size",
        "share",
        "accumulation_point",
        "path",
        "reason",
        "fingerprint",
        "growth",
        "code",
    ]
    assert list(row["path"]) == ["root", "expression", "steps"]


def test_the_limit_leaves_out_the_smaller_ones():
    heap = program_heap()
    for name in "ABC":
        set_global(heap, "__main__", name, filled_list(heap, 100, 60_000))
    result = find_suspects(graph_of(heap), limit=2)
    assert (len(result.suspects), result.left_out) == (2, 1)
    with pytest.raises(UsageError):
        run("suspects", graph_of(heap), limit=0)


def test_a_variable_of_a_coroutine_is_named_by_what_holds_the_coroutine():
    heap = program_heap()
    coroutine = heap.object("coroutine", size=200)
    code = heap.code("serve.<locals>.fetch (/srv/app/client.py:41)")
    heap.edge(coroutine, code, EdgeKind.FIELD, "cr_code")
    heap.edge(coroutine, filled_list(heap, 100, 60_000), EdgeKind.LOCAL, "rows")
    set_global(heap, "__main__", "RUNNING", coroutine)

    [suspect] = suspects_of(heap)

    assert suspect.expression == "__main__.RUNNING.cr_frame.f_locals['rows']"


@pytest.mark.parametrize(("origin", "words"), list(ORIGIN_WORDS.items()))
def test_of_smaller_containers_those_of_libraries_are_left_out(origin, words, trend):
    """Given a long list with a small share, then it is suspect unless a package was made with it.

    What is in a table of the standard library, somebody has put there.
    """
    heap = program_heap(other=100 * MEBIBYTE)
    heap.module_row(module_without_row(heap, "shop"), "shop", origin=origin)
    set_global(heap, "shop", "ROWS", filled_list(heap, 2 * MANY_ITEMS, 2000))

    found = suspects_of(heap)

    if origin is CodeOrigin.SITE_PACKAGES and trend != "growing":
        assert found == ()
    else:
        assert f"module shop ({words})" in found[0].reason


def module_without_row(heap: HeapBuilder, name: str) -> int:
    """A module of which the table of modules has no row yet."""
    module_id = heap.object("module", size=72, name=name)
    heap.edge(module_id, heap.object("dict", size=232, name=f"{name}.__dict__"), EdgeKind.DICT)
    heap.root(RootKind.MODULE, name, module_id)
    return module_id
