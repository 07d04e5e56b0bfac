"""The page of threads, tasks and suspended functions."""

from __future__ import annotations

import pytest

from heapgraph.analysis.threads import list_threads
from heapgraph.tui import places
from heapgraph.units import format_size
from helpers.app_heap import graph_of
from helpers.browser import LARGE, SMALL, cells_of, do, drive, frame, page_of

THREADS = places.AnalysisOf("threads")


def test_a_thread_stands_above_its_stack_and_its_variables(session, heap):
    page = page_of(session, THREADS)
    thread = list_threads(session.graph).threads[0]
    assert cells_of(page)[0][:2] == (
        format_size(thread.retained_size),
        "▾ worker-3 in handle() app.py:88",
    )
    assert cells_of(page)[1][:2] == (
        format_size(thread.frames[0].retained_size),
        "  ▸ handle() app.py:88",
    )
    page.tables[0].cursor = 1
    do(page, "expand")
    assert cells_of(page)[2][1].startswith("      rows = ")
    assert page.tables[0].row(2).place == places.Inspect(heap.ids["rows"])


def test_folding_leads_back_to_the_thread(session):
    page = page_of(session, THREADS)
    table = page.tables[0]
    table.cursor = 1
    do(page, "collapse")
    assert table.cursor == 0
    do(page, "open_row")
    assert len(table) == 1
    do(page, "open_row")
    assert len(table) == 2


def test_a_task_says_what_it_awaits(session, heap):
    page = page_of(session, THREADS)
    page.focus = 1
    assert cells_of(page, 1) == [
        (
            format_size(session.graph.folded.retained_size(heap.ids["task"])),
            "pending",
            "▸ poll: fetch()",
        )
    ]
    assert page.tables[1].row(0).place == places.Inspect(heap.ids["task"])
    do(page, "expand")
    assert cells_of(page, 1)[1][2] == "    fetch() client.py:41"
    assert page.tables[1].row(1).place == places.Inspect(heap.ids["coroutine"])


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_function_and_file_are_read_at_any_width(heap, size):
    seen = frame(graph_of(heap), "6", "j", "l", size=size)
    assert "handle() app.py:88" in seen
    assert "rows = " in seen


def test_enter_opens_the_variable(heap):
    async def place(app, pilot):
        del pilot
        return app.browser.page.place

    keys = ["6", "j", "enter", "j", "enter"]
    assert drive(graph_of(heap), *keys, then=place) == places.Inspect(heap.ids["rows"])


def test_enter_on_suspended_code_opens_the_largest_of_its_objects(session, heap):
    page = page_of(session, THREADS)
    suspended = next(table for table in page.tables if table.title == "suspended")
    place = suspended.row(0).place
    assert page_of(session, place).object_id == heap.ids["coroutine"]
