"""Threads, frames and tasks of synthetic heaps."""

from __future__ import annotations

import pytest

from heapgraph.analysis.registry import run
from heapgraph.errors import UsageError
from heapgraph.model import EdgeKind, RootKind
from helpers.app_heap import graph_of, items, module, set_global
from helpers.cli import invoke
from helpers.heaps import HeapBuilder


def two_frames() -> HeapBuilder:
    """`inner` and `outer` share a list; `outer` alone holds a buffer; a module holds a third."""
    heap = HeapBuilder()
    module(heap, "app")
    thread = heap.thread("worker", holds_gil=True)
    inner = heap.frame(thread, "inner", line=5)
    outer = heap.frame(thread, "outer", line=9)
    shared = heap.object("list", size=1000, name="shared")
    own = heap.object("bytearray", size=100, name="own")
    known = heap.object("bytearray", size=10_000, name="known")
    set_global(heap, "app", "KNOWN", known)
    for frame, name, target in (
        (inner, "items", shared),
        (outer, "items", shared),
        (outer, "own", own),
        (outer, "known", known),
    ):
        heap.root(RootKind.FRAME, name, target, frame=frame)
    return heap


def threads(heap, **parameters):
    return run("threads", graph_of(heap), **parameters)


def test_a_frame_keeps_what_nothing_else_holds():
    (thread,) = threads(two_frames()).threads
    inner, outer = thread.frames
    assert (inner.retained_size, outer.retained_size) == (0, 100)
    assert thread.retained_size == 1100
    assert [variable.name for variable in outer.locals] == ["known", "items", "own"]
    assert [v.name for v in outer.locals if v.kept_alone] == ["own"]


def test_a_cycle_below_a_variable_is_kept_by_it():
    heap = two_frames()
    back = heap.object("list", size=7)
    items(heap, heap.ids["own"], back)
    items(heap, back, heap.ids["own"])
    (thread,) = threads(heap).threads
    assert thread.frames[1].retained_size == 107


def test_a_reference_from_elsewhere_ends_the_keeping():
    heap = two_frames()
    cache = heap.object("list")
    set_global(heap, "app", "CACHE", cache)
    items(heap, cache, heap.ids["own"])
    (thread,) = threads(heap).threads
    assert thread.frames[1].retained_size == 0


def test_a_weak_reference_changes_nothing():
    heap = two_frames()
    reference = heap.object("weakref")
    set_global(heap, "app", "WEAK", reference)
    heap.edge(reference, heap.ids["own"], EdgeKind.WEAK)
    (thread,) = threads(heap).threads
    assert thread.frames[1].retained_size == 100


def test_fields_and_stack_entries_are_no_variables():
    heap = two_frames()
    held = heap.object("bytes", size=50)
    heap.root(RootKind.FRAME, "stack[0]", held, frame=0)
    heap.root(RootKind.FRAME, "<function>", heap.object("function", size=60), frame=0)
    (thread,) = threads(heap).threads
    assert [variable.name for variable in thread.frames[0].locals] == ["items"]
    assert thread.frames[0].retained_size == 110


def coroutine(heap: HeapBuilder, code: str, *, waits_for: int | None, size: int = 100) -> int:
    found = heap.object("coroutine", size=size)
    heap.edge(found, heap.code(code), EdgeKind.FIELD, "cr_code")
    if waits_for is not None:
        heap.edge(found, heap.object("function"), EdgeKind.FIELD, "f_func")
        heap.edge(found, waits_for, EdgeKind.STACK, 0)
    return found


def test_the_c_task_is_read_by_the_order_of_its_words():
    heap = HeapBuilder()
    module(heap, "app")
    future = heap.object("_asyncio.Future")
    inner = coroutine(heap, "inner (a.py:3)", waits_for=future)
    outer = coroutine(heap, "outer (a.py:9)", waits_for=inner)
    task = heap.object("_asyncio.Task", size=200)
    set_global(heap, "app", "TASK", task)
    for offset, part in ((16, heap.object("Loop")), (128, future), (136, outer)):
        heap.edge(task, part, EdgeKind.UNNAMED, offset)
    heap.edge(task, heap.object("int", preview="7"), EdgeKind.UNNAMED, 144)
    (row,) = threads(heap).tasks
    assert (row.name, row.state, row.expression) == ("Task-7", "pending", "app.TASK")
    assert [(step.function, step.line) for step in row.chain] == [
        ("outer", 9),
        ("inner", 3),
        ("", 0),
    ]
    assert row.chain[-1].id == future


def test_a_coroutine_without_a_frame_has_ended():
    heap = HeapBuilder()
    module(heap, "app")
    task = heap.object("asyncio.tasks.Task")
    set_global(heap, "app", "TASK", task)
    heap.edge(task, coroutine(heap, "job (a.py:3)", waits_for=None), EdgeKind.FIELD, "_coro")
    heap.edge(task, heap.string("nightly"), EdgeKind.FIELD, "_name")
    heap.edge(task, heap.object("NoneType"), EdgeKind.FIELD, "_fut_waiter")
    result = threads(heap)
    (row,) = result.tasks
    assert (row.name, row.state, len(row.chain)) == ("nightly", "done", 1)
    assert [(place.count, place.ended) for place in result.suspended] == [(0, 1)]


def test_an_await_of_itself_ends():
    heap = HeapBuilder()
    module(heap, "app")
    task = heap.object("_asyncio.Task")
    set_global(heap, "app", "TASK", task)
    own = coroutine(heap, "job (a.py:3)", waits_for=None)
    heap.edge(own, own, EdgeKind.STACK, 0)
    heap.edge(task, own, EdgeKind.UNNAMED, 136)
    assert len(threads(heap).tasks[0].chain) == 1


def test_the_command(tmp_path):
    file = two_frames().write(tmp_path / "t.heapgraph")
    document = invoke("threads", file, "--json").document
    assert list(document) == ["threads", "tasks"]
    (thread,) = document["threads"]
    assert list(thread) == [
        "thread_id",
        "native_id",
        "name",
        "holds_gil",
        "retained_size",
        "frames",
    ]
    assert list(thread["frames"][1]) == [
        "depth",
        "function",
        "file",
        "line",
        "retained_size",
        "locals",
    ]
    assert "suspended" in invoke("threads", file, "--json", "--suspended").document
    table = invoke("threads", file).stdout
    assert "outer() at app.py:9" in table
    assert "holds the GIL" in table


def test_a_limit_leaves_out_and_says_so(tmp_path):
    heap = two_frames()
    heap.thread("idle")
    outcome = invoke("threads", heap.write(tmp_path / "t.heapgraph"), "--limit", 1)
    assert "idle" not in outcome.stdout
    assert "1 more threads" in outcome.stderr
    with pytest.raises(UsageError, match="limit of 0"):
        threads(heap, limit=0)
