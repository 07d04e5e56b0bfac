"""The screen before there is a snapshot: how far it is, and a way out."""

from __future__ import annotations

import asyncio
import threading

import pytest

from heapgraph.errors import SnapshotFormatError
from heapgraph.tui.app import HeapgraphApp
from heapgraph.tui.screens.opening import Opened, PendingSnapshot
from helpers.app_heap import app_heap, graph_of
from helpers.browser import FILE, browsing, piloted, text_of_screen


class SlowOpening:
    """An opening that waits, reporting how far it is, until it is allowed to end or given up."""

    def __init__(self):
        self.begun, self.go_on, self.ended = (threading.Event() for _ in range(3))

    def run(self, progress):
        try:
            progress("reading", 3, 12)
            self.begun.set()
            while not self.go_on.wait(0.01):
                progress("reading", 3, 12)
            return Opened(FILE, graph_of(app_heap()))
        finally:
            self.ended.set()


@pytest.fixture
def opening():
    slow = SlowOpening()
    yield slow
    slow.go_on.set()


def opened_by(opening, then):
    """Start the browser with this opening, and return what `then` makes of it."""

    async def run():
        app = HeapgraphApp(PendingSnapshot("process 4711", opening.run))
        async with piloted(app) as pilot:
            await asyncio.to_thread(opening.begun.wait, 20)
            return await then(app, pilot)

    return asyncio.run(run())


async def until(pilot, condition):
    """Wait until the screen is drawn as it should be."""
    while not condition():
        await pilot.pause()


def test_the_phase_and_how_much_is_done_are_shown_while_it_opens(opening):
    async def watch(app, pilot):
        await until(pilot, lambda: "3 of 12" in text_of_screen(app))
        lines = text_of_screen(app).splitlines()
        opening.go_on.set()
        await browsing(app, pilot)
        return lines, text_of_screen(app)

    lines, after = opened_by(opening, watch)
    assert lines[0] == " process 4711: opening"
    assert [line.strip() for line in lines if "reading" in line] == ["reading"]
    assert "███████▌" in "\n".join(lines)  # a quarter of thirty
    assert lines[-1].strip() == "esc stop"
    assert "leak suspects" in after


@pytest.mark.parametrize("key", ["escape", "q"])
def test_it_can_be_given_up_and_waits_until_everything_is_put_back(opening, key):
    async def give_up(app, pilot):
        await pilot.press(key)
        await until(pilot, lambda: app._exit)
        return opening.ended.is_set(), app.return_value, app.browser

    assert opened_by(opening, give_up) == (True, None, None)


@pytest.mark.parametrize("key", ["x", "2", "enter", "question_mark"])
def test_other_keys_do_nothing_yet(opening, key):
    async def press_and_go_on(app, pilot):
        await pilot.press(key)
        await pilot.pause()
        opening.go_on.set()
        await browsing(app, pilot)
        return app.browser.page.title

    assert opened_by(opening, press_and_go_on) == "overview"


def test_what_cannot_be_opened_ends_the_browser_with_the_reason():
    failure = SnapshotFormatError("what", "why", "next")

    def fail(progress):
        progress("reading", 0, 0)
        raise failure

    async def run():
        app = HeapgraphApp(PendingSnapshot(FILE, fail))
        async with piloted(app) as pilot:
            await until(pilot, lambda: app._exit)
            return app.return_value

    assert asyncio.run(run()) is failure
