"""Pages that take long are announced at once, and what goes wrong is said in the browser."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.errors import HeapgraphError
from heapgraph.tui import pages, places
from heapgraph.tui.app import HeapgraphApp
from heapgraph.tui.cells import Column
from heapgraph.tui.screens.opening import Opened, PendingSnapshot
from heapgraph.tui.screens.page_screen import SHOW_WAITING_AFTER_S
from heapgraph.tui.tables import LazyTable, row_of
from heapgraph.tui.widgets.message_box import MessageBox
from helpers.app_heap import app_heap, graph_of
from helpers.browser import drive, piloted, press, text_of_screen

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph


@pytest.fixture
def graph():
    """The graph of a small program."""
    return graph_of(app_heap())


@pytest.fixture
def slow_types(monkeypatch):
    """The page of types waits until the event is set, and reports that it does."""
    begun, go_on = threading.Event(), threading.Event()
    real = pages._BUILDERS[places.Types]

    def build(session, place, progress):
        begun.set()
        while not go_on.wait(0.01):
            progress("counting", 3, 7)
        return real(session, place, progress)

    monkeypatch.setitem(pages._BUILDERS, places.Types, build)
    yield begun, go_on
    go_on.set()


async def until_announced(app, pilot) -> None:
    """Wait until the page that is being made is announced."""
    while not app.browser.is_waiting:
        await pilot.pause(SHOW_WAITING_AFTER_S / 4)
    await pilot.pause()  # until it is drawn


def test_a_page_that_takes_long_is_there_at_once_with_its_progress(graph, slow_types):
    begun, go_on = slow_types

    async def watch(app, pilot):
        await pilot.press("3")
        begun.wait(10)
        await until_announced(app, pilot)
        announced = text_of_screen(app)
        go_on.set()
        await app.browser.settled()
        await pilot.pause()
        return announced, app.browser.page.title, app.browser.session.history.titles

    announced, title, titles = drive(graph, then=watch)
    assert "overview > types" in announced
    assert "types: counting (3 of 7)" in announced
    assert "█" * 17 in announced
    assert "biggest holders" not in announced
    assert title == "types"
    assert titles == ["overview", "types"]


@pytest.mark.parametrize("key", ["escape", "left_square_bracket", "backspace"])
@pytest.mark.parametrize(("before", "title"), [("2", "dominator tree"), ("j", "overview")])
def test_who_does_not_want_to_wait_is_back_where_they_were(graph, slow_types, key, before, title):
    begun, _ = slow_types

    async def give_up(app, pilot):
        await pilot.press("3")
        begun.wait(10)
        await until_announced(app, pilot)
        await pilot.press(key)
        await pilot.pause()
        return app.browser.page.title, app.browser.is_busy, text_of_screen(app)

    shown, is_busy, seen = drive(graph, before, then=give_up)
    assert shown == title
    assert not is_busy
    assert "computing" not in seen
    assert ">" in {line[:1] for line in seen.splitlines()}


def test_a_page_that_cannot_be_made_is_explained_in_three_parts(graph, monkeypatch):
    def fail(*_):
        raise HeapgraphError("what failed", "the likely cause", "what to type next")

    monkeypatch.setitem(pages._BUILDERS, places.Types, fail)

    async def said(app, pilot):
        del pilot
        return app.browser.query_one(MessageBox).text, app.browser.page.title

    message, title = drive(graph, "3", then=said)
    assert message.splitlines() == ["what failed", "the likely cause", "what to type next"]
    assert title == "overview"


@pytest.mark.parametrize("failure", [IndexError("7 of [red]3[/]"), MemoryError(), KeyError("x")])
def test_a_defect_ends_neither_a_job_nor_the_browser(graph, monkeypatch, failure):
    def fail(*_):
        raise failure

    monkeypatch.setitem(pages._BUILDERS, places.Types, fail)

    async def go_on(app, pilot):
        message = app.browser.query_one(MessageBox).text
        await press(app, pilot, ["2"])
        return message, app.browser.page.title

    message, title = drive(graph, "3", then=go_on)
    assert len(message.splitlines()) == 3
    assert title == "dominator tree"


def test_a_defect_in_a_key_is_said(graph, monkeypatch):
    async def press_p(app, pilot):
        def fail():
            raise ValueError("a bad label")

        monkeypatch.setattr(app.browser, "action_path", fail)
        await press(app, pilot, ["p"])
        message = app.browser.query_one(MessageBox).text
        await press(app, pilot, ["2"])
        return message, app.browser.page.title

    message, title = drive(graph, then=press_p)
    assert message.startswith("ValueError: a bad label")
    assert title == "dominator tree"


def test_a_row_that_cannot_be_worded_says_so():
    def fail(index):
        raise IndexError(f"label {index} of 3 \x1b[2J")

    table = LazyTable("rows", (Column("size", 9), Column("name")), 5, fail)
    row = row_of(table, 4)
    assert row.cells == ("", "cannot be shown: IndexError: label 4 of 3 \\x1b[2J")
    assert row.place is None


def test_a_list_with_rows_that_cannot_be_worded_can_be_walked(graph, monkeypatch):
    def fail(object_id):
        raise IndexError(f"name {object_id}")

    async def walk(app, pilot):
        monkeypatch.setattr(app.browser.session.names, "of", fail)
        await press(app, pilot, ["2", "j", "j", "k"])
        return text_of_screen(app), app.browser.page.title

    seen, title = drive(graph, then=walk)
    assert "cannot be shown: IndexError: name" in seen
    assert title == "dominator tree"


def tampered(what: str) -> HeapGraph:
    """A graph whose arrays do not fit one another, as those of a crafted file might."""
    graph = graph_of(app_heap())
    if what == "labels":
        graph.__dict__["labels"] = np.full(graph.reference_count, 4_000_000_000, np.uint32)
    elif what == "kinds":
        graph.__dict__["edge_kinds"] = np.full(graph.reference_count, 99, np.uint8)
    else:
        graph.__dict__["type_ids"] = np.full(graph.object_count, 400, np.uint32)
    return graph


@pytest.mark.parametrize("what", ["labels", "kinds", "types"])
def test_a_crafted_snapshot_gives_errors_in_three_parts_and_never_a_traceback(what):
    async def messages(app, pilot):
        said = []
        for key in [
            *"jp2lje3",
            "enter",
            *"P456",
            "l",
            "7",
            "1",
            "tab",
            "enter",
            "slash",
            "type a",
            "enter",
        ]:
            await press(app, pilot, [key])
            said.append(app.browser.query_one(MessageBox).text)
        return [text for text in said if text], text_of_screen(app)

    said, seen = drive(tampered(what), then=messages)
    assert said
    assert all(len(text.splitlines()) == 3 for text in said)
    assert "Traceback" not in seen


def test_who_stops_the_first_page_can_still_go_anywhere(graph, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def wait(_, __, progress):
        begun.set()
        while not go_on.wait(0.01):
            progress("summing up", 0, 0)

    monkeypatch.setitem(pages._BUILDERS, places.Overview, wait)

    async def run():
        app = HeapgraphApp(
            PendingSnapshot("app.heapgraph", lambda _: Opened("app.heapgraph", graph))
        )
        async with piloted(app) as pilot:
            while not begun.is_set():
                await pilot.pause()
            await press(app, pilot, ["escape"])
            said = app.browser.query_one(MessageBox).text
            await press(app, pilot, ["3"])
            return said, app.browser.page.title

    said, title = asyncio.run(run())
    go_on.set()
    assert said.startswith("stopped")
    assert title == "types"
