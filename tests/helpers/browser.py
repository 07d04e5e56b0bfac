"""Drives the terminal browser without a terminal: press keys, read the screen."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from textual.widgets import Input

from heapgraph.tui.app import HeapgraphApp
from heapgraph.tui.cells import Bar, Indented
from heapgraph.tui.pages import build_page
from heapgraph.tui.screens.opening import Opened, PendingSnapshot
from heapgraph.tui.state import Session
from helpers.idle import idle_by_the_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from textual.pilot import Pilot

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.tui.cells import Cell, Row
    from heapgraph.tui.page import Page
    from heapgraph.tui.places import Place

FILE = "app.heapgraph"
SMALL, LARGE = (80, 24), (160, 50)

_Result = TypeVar("_Result")


def quiet(phase: str, done: int, total: int) -> None:
    """A progress callback that tells nobody."""
    del phase, done, total


def session_of(graph: HeapGraph) -> Session:
    """A prepared session."""
    session = Session(FILE, graph)
    session.prepare(quiet)
    return session


def page_of(session: Session, place: Place) -> Page:
    """The page of a place, computed here and now, with what it adds later."""
    page = build_page(session, place, quiet)
    if page.later is not None:
        page.later.work(quiet)()
    return page


def cells_of(page: Page, number: int = 0) -> list[tuple[str, ...]]:
    """All rows of a list of a page as text; bars as their share."""
    table = page.tables[number]
    rows = [table.row(index).cells for index in range(len(table))]
    return [tuple(_text(cell) for cell in row) for row in rows]


def _text(cell: Cell) -> str:
    if isinstance(cell, Bar):
        return f"{cell.share:.3f}"
    return cell.lead + cell.text if isinstance(cell, Indented) else cell


def do(page: Page, name: str, row: Row | None = None) -> object:
    """What a key does on a page."""
    return page.commands[name].run(row, quiet)


TYPED = "type "
"""Before a text that is put into the prompt at once; key by key it would take seconds."""


async def press(app: HeapgraphApp, pilot: Pilot[Any], keys: Sequence[str]) -> None:
    """Press keys, each after what the one before asked for is there."""
    for key in keys:
        if key.startswith(TYPED):
            app.screen.query_one(Input).insert_text_at_cursor(key.removeprefix(TYPED))
        else:
            await pilot.press(key)
        if app.browser is not None:
            await app.browser.settled()
        await pilot.pause()


async def browsing(app: HeapgraphApp, pilot: Pilot[Any]) -> None:
    """Wait for the first page."""
    while app.browser is None or app.browser.page is None:
        await pilot.pause()
    await app.browser.settled()
    await pilot.pause()


@asynccontextmanager
async def piloted(app: HeapgraphApp, size: tuple[int, int] = SMALL) -> AsyncIterator[Pilot[Any]]:
    """Run the browser without a terminal."""
    with idle_by_the_loop():
        async with app.run_test(size=size) as pilot:
            yield pilot


def drive(
    graph: HeapGraph,
    *keys: str,
    size: tuple[int, int] = SMALL,
    then: Callable[[HeapgraphApp, Pilot[Any]], Awaitable[_Result]],
) -> _Result:
    """Browse a snapshot, press keys, and return what `then` makes of it."""

    async def run() -> _Result:
        app = HeapgraphApp(PendingSnapshot(FILE, lambda _: Opened(FILE, graph)))
        async with piloted(app, size) as pilot:
            await browsing(app, pilot)
            await press(app, pilot, keys)
            return await then(app, pilot)

    return asyncio.run(run())


def frame(graph: HeapGraph, *keys: str, size: tuple[int, int] = SMALL) -> str:
    """The text of the screen after some keys."""

    return drive(graph, *keys, size=size, then=standing_text)


async def standing_text(app: HeapgraphApp, pilot: Pilot[Any]) -> str:
    """The text of the screen when it stands still."""
    before = ""
    while (seen := text_of_screen(app)) != before:  # a list may still be told its new size
        before = seen
        await pilot.pause()
        await pilot.pause()
    return seen


def text_of_screen(app: HeapgraphApp) -> str:
    """The screen as lines of text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)
