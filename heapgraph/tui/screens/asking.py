"""A page screen that asks: for searches, filters, queries, files of other snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.errors import HeapgraphError
from heapgraph.tui import places
from heapgraph.tui.completion import file_completer, word_completer
from heapgraph.tui.screens import destinations
from heapgraph.tui.screens.page_screen import PageScreen
from heapgraph.tui.screens.page_view import PageView
from heapgraph.tui.widgets.message_box import MessageBox
from heapgraph.tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.tui.messages import PromptAnswered, PromptChanged, PromptClosed
    from heapgraph.tui.page import Page
    from heapgraph.tui.places import Place

SEARCH_HELP = "@ID, 0xADDRESS, expression, type:NAME, value:TEXT, or any text"
SQL_HELP = "select type, count(*) from objects group by type"
SERVED_OPENS_NOTHING = (
    "a served browser opens no other file; in a terminal: heapgraph diff BEFORE AFTER"
)
"""Whoever has the address may look at this snapshot, and at no other file of who serves it."""

COMPARE_HELP = "file of another snapshot of this program, or of several"


class AskingScreen(PageScreen, inherit_bindings=False):
    """Asks in the line at the bottom, and goes on with what was entered."""

    pending: Callable[[str], None] | None = None
    """What goes on with the parameter that was asked for."""

    asked: tuple[str, str] | None = None
    """Purpose and text of a line that is being worked on: it comes back when that fails."""

    sql_words: set[str] | None = None
    """Words of the SQL console: those of SQL, and soon the names of tables and columns."""

    def goto(self, place: Place) -> None:
        """Ask for what a place has to be told, then show its page."""
        if isinstance(place, places.Compared) and self.app.is_web:
            self.say(SERVED_OPENS_NOTHING, is_error=True)
            return
        if isinstance(place, places.Compared) and not place.others:
            self._ask("compare")
            return
        missing = destinations.missing_parameter(place)
        if missing is None:
            super().goto(place)
            return
        self.pending = lambda text: self.goto(
            destinations.with_parameter(place, missing.name, text)
        )
        self.query_one(Prompt).ask("parameter", f"{missing.name}: {missing.help}")

    def action_search(self) -> None:
        """Ask what to search."""
        self.query_one(Prompt).ask("search", SEARCH_HELP)

    def action_filter(self) -> None:
        """Ask for a filter."""
        text = self.page.filter_text if self.page is not None else ""
        self.query_one(Prompt).ask("filter", "show only rows that contain this", text)

    def action_query(self) -> None:
        """Ask for a query; the names of the tables may come while it is typed."""
        if self.sql_words is None:
            self.sql_words = words = set(destinations.SQL_KEYWORDS)
            self.run_job("SQL", lambda _: destinations.sql_names(self.session.graph), words.update)
        self._ask("sql")

    def _ask(self, purpose: str, text: str = "") -> None:
        prompt = self.query_one(Prompt)
        if purpose == "sql":
            prompt.ask(purpose, SQL_HELP, text, self._complete_query)
        else:
            prompt.ask(purpose, COMPARE_HELP, text, file_completer())

    def _complete_query(self, line: str) -> list[str]:
        return word_completer(self.sql_words or ())(line)

    def on_prompt_changed(self, message: PromptChanged) -> None:
        """A filter works while it is typed; an error was read by who mends the line."""
        if message.purpose == "filter":
            self.narrow(message.text)
        elif self.asked is not None and message.text != self.asked[1]:
            self.query_one(MessageBox).close()

    def on_prompt_answered(self, message: PromptAnswered) -> None:
        """A line was entered."""
        self.query_one(MessageBox).close()
        self.query_one(PageView).focus_list()
        self.answer(message.purpose, message.text)

    def on_prompt_closed(self, message: PromptClosed) -> None:
        """A line was given up."""
        del message
        self.asked = None
        self.query_one(PageView).focus_list()

    def narrow(self, text: str) -> None:
        """Filter the page."""
        if self.page is not None and self.page.on_filter is not None:
            self.page.on_filter(text)
            self.query_one(PageView).refresh_page()

    def answer(self, purpose: str, text: str) -> None:
        """Go on with a line that was entered."""
        self.asked = None
        if purpose == "filter":
            self.narrow(text)
        elif not text.strip():
            return
        elif purpose == "parameter" and self.pending is not None:
            self.pending(text)
        elif purpose == "search":
            self.run_job(
                "search",
                lambda progress: destinations.find(self.session, text, progress),
                self.goto,
            )
        elif purpose in ("sql", "compare"):
            self.asked = (purpose, text)
            try:
                self.goto(destinations.place_of_line(purpose, text))
            except HeapgraphError as failure:
                self.work_failed(failure)

    def show_new(self, page: Page) -> None:
        """Show a page; the line that asked for it was right."""
        self.asked = None
        super().show_new(page)

    def work_failed(self, failure: HeapgraphError) -> None:
        """Say what failed; a query or the name of a file comes back to be mended."""
        super().work_failed(failure)
        if self.asked is not None:
            self._ask(*self.asked)
            self.offer_keys()
