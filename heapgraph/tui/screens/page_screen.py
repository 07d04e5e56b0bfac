"""A screen that shows pages and runs long work beside itself; what keys do is in browser.py."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from textual.actions import parse
from textual.screen import Screen

from heapgraph.errors import HeapgraphError
from heapgraph.tui.cells import safe
from heapgraph.tui.jobs import Cancelled, Job, JobThread
from heapgraph.tui.keys import KEYS
from heapgraph.tui.page import Notice
from heapgraph.tui.places import AnalysisOf
from heapgraph.tui.screens.page_view import PageView
from heapgraph.tui.state import Session
from heapgraph.tui.widgets.headline import Headline
from heapgraph.tui.widgets.key_line import KeyLine
from heapgraph.tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.tui.cells import Row
    from heapgraph.tui.page import Page, PageCommand
    from heapgraph.tui.places import Place

_Result = TypeVar("_Result")
_PROGRESS_EVERY_S = 0.1


class PageScreen(Screen[None], inherit_bindings=False):
    """Shows the page of a place, and the way there.

    Args:
        file: the snapshot as it was given.
        graph: open, nothing computed.
        first: where to begin.
    """

    def __init__(self, file: str, graph: HeapGraph, first: Place) -> None:
        """Show nothing yet."""
        super().__init__()
        self.session = Session(file, graph)
        self._first = first
        self._jobs = JobThread()
        self._job: Job | None = None

    def compose(self) -> ComposeResult:
        """Headline, page, prompt, footer."""
        yield Headline(self.session.file, id="headline")
        yield PageView(id="page")
        yield Prompt(id="prompt")
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        """Show what the manifest says, and begin to compute the rest."""
        from heapgraph.tui.pages.overview import first_page  # noqa: PLC0415 - needs numpy

        self.set_interval(_PROGRESS_EVERY_S, self._show_progress)
        self.query_one(PageView).show(first_page(self.session.graph.manifest))
        self.goto(self._first)

    @property
    def page(self) -> Page | None:
        """The page that is shown."""
        return self.session.history.page

    @property
    def row(self) -> Row | None:
        """The row at the cursor."""
        return self.query_one(PageView).row

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed for the user."""
        return self._job is not None

    def goto(self, place: Place) -> None:
        """Make the page of a place in the background and show it when it is there."""
        title = place.name if isinstance(place, AnalysisOf) else type(place).__name__.lower()
        self.run_job(title, lambda progress: self._build(place, progress), self.show_new)

    def show_new(self, page: Page) -> None:
        """Show a page and remember the one before."""
        self.session.history.visit(page)
        self.show_page()

    def show_page(self) -> None:
        """Draw the page that history is at."""
        page = self.page
        if page is not None:
            self.query_one(PageView).show(page)
            self.query_one(Headline).show_trail(self.session.history.titles)
            self.offer_keys()

    def run_job(
        self, title: str, work: Callable[[Progress], _Result], then: Callable[[_Result], None]
    ) -> None:
        """Run work in the background; new work takes the place of the old."""
        self.cancel_job()
        self._job = job = Job(title)
        future = self._jobs.submit(job, work)

        async def wait() -> None:
            try:
                result = await asyncio.wrap_future(future)
            except Cancelled:
                return
            except HeapgraphError as failure:
                self.say("\n".join(map(safe, failure.parts())), is_error=True)
            else:
                if not job.is_cancelled:
                    then(result)
            finally:
                if self._job is job:
                    self._job = None
                    self._show_progress()
                    self.offer_keys()

        self.run_worker(wait(), group="job")
        self.offer_keys()

    def cancel_job(self) -> None:
        """Give up the work in the background, if there is any."""
        if self._job is not None:
            self._job.is_cancelled = True
            self._job = None

    def run_command(self, command: PageCommand) -> None:
        """Do what a key does on this page."""
        row = self.row
        if command.is_heavy:
            self.run_job("working", lambda progress: command.run(row, progress), self._after)
        else:
            self._after(command.run(row, _no_progress))

    def say(self, text: str, *, is_error: bool = False) -> None:
        """Show a line for a few seconds. Text of the target is not read as markup."""
        self.notify(text, severity="error" if is_error else "information", markup=False)

    def offer_keys(self) -> None:
        """Show the keys that do something now."""
        prompt = self.query_one(Prompt)
        keys = prompt.keys if prompt.display else self._working_keys()
        self.query_one(KeyLine).show(keys)

    def _working_keys(self) -> list[tuple[str, str, str]]:
        """Name, label and action of the keys that do something now and have room in the line."""
        return [
            (key.shown, key.label, key.action)
            for key in KEYS
            if key.in_footer and self.check_action(*parsed_action(key.action))
        ]

    def _build(self, place: Place, progress: Progress) -> Page:
        from heapgraph.tui.pages import build_page  # noqa: PLC0415 - needs numpy

        if not self.session.is_prepared:
            self.session.prepare(progress)
        return build_page(self.session, place, progress)

    def _after(self, outcome: Place | Notice | None) -> None:
        if isinstance(outcome, Notice):
            self.say(outcome.text)
        elif outcome is None:
            self.query_one(PageView).refresh_page()
            self.offer_keys()
        else:
            self.goto(outcome)

    def _show_progress(self) -> None:
        text = "" if self._job is None else f"{self._job.describe()} - esc stops"
        self.query_one(Headline).show_work(safe(text))

    async def settled(self) -> None:
        """Wait until nothing is being computed: for tests and measurements."""
        while self.is_busy:
            await self.workers.wait_for_complete()


def _no_progress(phase: str, done: int, total: int) -> None:
    del phase, done, total


@cache
def parsed_action(action: str) -> tuple[str, tuple[object, ...]]:
    """Name and parameters of an action as the key table writes it."""
    _, name, parameters = parse(action)
    return name, parameters
