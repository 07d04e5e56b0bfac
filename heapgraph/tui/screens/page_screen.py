"""A screen that shows pages and the way between them; what keys do is in browser.py."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from textual.actions import parse

from heapgraph.analysis.registry import no_progress
from heapgraph.tui.cells import bar, safe
from heapgraph.tui.jobs import JobThread
from heapgraph.tui.keys import KEYS
from heapgraph.tui.page import Notice, Page
from heapgraph.tui.places import AnalysisOf
from heapgraph.tui.screens.page_view import PageView
from heapgraph.tui.screens.working import WorkingScreen, explained
from heapgraph.tui.state import Session
from heapgraph.tui.widgets.headline import Headline
from heapgraph.tui.widgets.key_line import KeyLine
from heapgraph.tui.widgets.message_box import MessageBox
from heapgraph.tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from heapgraph.analysis.registry import Progress
    from heapgraph.errors import HeapgraphError
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.tui.cells import Row
    from heapgraph.tui.page import PageCommand
    from heapgraph.tui.places import Place

SHOW_WAITING_AFTER_S = 0.2
"""A page that is made faster is not announced: two pages in a blink are harder to read than one."""

_BAR_WIDTH = 40


class PageScreen(WorkingScreen, inherit_bindings=False):
    """Shows the page of a place, and the way there.

    Args:
        file: the snapshot as it was given.
        graph: open, nothing computed.
        first: where to begin.
        jobs: the thread that works.
    """

    def __init__(self, file: str, graph: HeapGraph, first: Place, jobs: JobThread) -> None:
        """Show nothing yet."""
        super().__init__(jobs)
        self.session = Session(file, graph)
        self._first = first
        # A thread of its own: what the next key asks for must not wait for what was given up.
        self._later_jobs = JobThread()
        self._coming: Page | None = None
        self._waiting: Page | None = None

    def compose(self) -> ComposeResult:
        """Headline, page, prompt, keys; messages lie over the page."""
        yield Headline(self.session.file, id="headline")
        yield PageView(id="page")
        yield Prompt(id="prompt")
        yield KeyLine(id="keys")
        yield MessageBox(id="message")

    def on_mount(self) -> None:
        """Show what the manifest says, and begin to compute the rest."""
        from heapgraph.tui.pages.overview import first_page  # noqa: PLC0415 - needs numpy

        super().on_mount()
        try:
            self.query_one(PageView).show(first_page(self.session.graph.manifest))
        except Exception as failure:  # noqa: BLE001 - of a manifest that was tampered with
            self.work_failed(explained(failure))
        self.goto(self._first)

    @property
    def page(self) -> Page | None:
        """The page that is shown."""
        return self._waiting or self.session.history.page

    @property
    def is_waiting(self) -> bool:
        """Whether a page that is still being made is shown, with how far it is."""
        return self._waiting is not None

    @property
    def row(self) -> Row | None:
        """The row at the cursor."""
        return self.query_one(PageView).row

    def goto(self, place: Place) -> None:
        """Show the page of a place: at once if it was there before, else when it is made."""
        known = self.session.known_page(place)
        if known is not None:
            self.cancel_job()
            self.show_new(known)
            return
        title = place.name if isinstance(place, AnalysisOf) else place.title
        self.run_job(title, lambda progress: self._build(place, progress), self.show_new)
        if self.page is not None:
            self._coming = Page(place, title)

    def show_new(self, page: Page) -> None:
        """Show a page and remember the one before."""
        self._coming = self._waiting = None
        self.session.visit(page)
        self.show_page()

    def cancel_job(self) -> None:
        """Give up the work; of a page that was being made nothing stays on the screen."""
        super().cancel_job()
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        was_waiting, self._coming, self._waiting = self.is_waiting, None, None
        if was_waiting and self.page is not None:
            self.query_one(PageView).show(self.page)
            self.query_one(Headline).show_trail(self.session.history.titles)

    def _show_waiting(self, coming: Page) -> None:
        """Show at once that another page is coming: what was pressed did something."""
        self._waiting, self._coming = coming, None
        coming.facts = self._progress_facts()
        self.query_one(PageView).show(coming)
        self.query_one(Headline).show_trail([*self.session.history.titles, coming.title])
        self.offer_keys()

    def _progress_facts(self) -> list[tuple[str, str]]:
        job, facts = self._job, [("computing", self.progress_text)]
        if job is not None and job.total:
            facts.append(("", bar(job.done / job.total, _BAR_WIDTH)))
        return facts

    def show_page(self) -> None:
        """Draw the page that history is at, and go on with what it still has to compute."""
        page = self.page
        if page is None:
            return
        self.query_one(PageView).show(page)
        self.query_one(Headline).show_trail(self.session.history.titles)
        self.offer_keys()
        self._go_on_with(page)

    def _go_on_with(self, page: Page) -> None:
        """Compute what the page does not have yet."""
        later = page.later
        if later is not None:
            then = partial(self._show_later, page)
            self.run_job(later.title, later.work, then, self._later_jobs)

    def _show_later(self, page: Page, show: Callable[[], None]) -> None:
        page.later = None
        show()
        if page is self.page and not self.is_waiting:  # else another page is announced already
            self.query_one(PageView).refresh_page()

    def run_command(self, command: PageCommand) -> None:
        """Do what a key does on this page."""
        row = self.row
        if command.is_heavy:
            self.run_job("working", lambda progress: command.run(row, progress), self._after)
            return
        try:
            outcome = command.run(row, no_progress)
        except Exception as failure:  # noqa: BLE001 - as for work in the background
            self.work_failed(explained(failure))
        else:
            self._after(outcome)

    def say(self, text: str, *, is_error: bool = False) -> None:
        """Show a message until the next key. Text of the target is not read as markup."""
        self.query_one(MessageBox).show(text, is_error=is_error)

    def on_key(self) -> None:
        """A message was read by who presses a key, and not by who mends the line below it."""
        if not self.query_one(Prompt).display:
            self.query_one(MessageBox).close()

    def work_failed(self, failure: HeapgraphError) -> None:
        """Say what failed, why, and what to do."""
        self._stop_waiting()
        if self.page is None:  # the first page: without one no key would do anything
            self.show_new(Page(self._first, self._first.title, [("not shown", safe(failure.what))]))
        self.say("\n".join(map(safe, failure.parts())), is_error=True)

    def work_changed(self) -> None:
        """Esc does something, or does nothing any more."""
        self.offer_keys()

    def offer_keys(self) -> None:
        """Show the keys that do something now."""
        prompt = self.query_one(Prompt)
        keys = prompt.keys if prompt.display else self.footer_keys()
        self.query_one(KeyLine).show(keys)
        self.query_one(MessageBox).set_class(prompt.display, "-above-prompt")

    def footer_keys(self) -> list[tuple[str, str, str]]:
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
            if self.page is not None:
                self._go_on_with(self.page)
        else:
            self.goto(outcome)

    def show_progress(self) -> None:
        """Phase, done and total in the headline."""
        text = self.progress_text
        self.query_one(Headline).show_work(f"{text} - esc stops" if text else "")
        if not text:
            return
        if self._coming is not None and self.job_age_s > SHOW_WAITING_AFTER_S:
            self._show_waiting(self._coming)
        elif self._waiting is not None:
            self._waiting.facts = self._progress_facts()
            self.query_one(PageView).refresh_page()


@cache
def parsed_action(action: str) -> tuple[str, tuple[object, ...]]:
    """Name and parameters of an action as the key table writes it."""
    _, name, parameters = parse(action)
    return name, parameters
