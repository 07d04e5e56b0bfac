"""When the keys of the browser do anything; the footer and the help leave out those that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.registry import REGISTRY
from heapgraph.tui.places import PathTo

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.tui.page import Page
    from heapgraph.tui.screens.browser import Browser


def _needs_object(browser: Browser) -> bool:
    return browser.current_object() is not None


def _needs_set(browser: Browser) -> bool:
    return browser.current_set() is not None


def _leads_to_a_path(browser: Browser) -> bool:
    object_id = browser.current_object()
    here = None if browser.page is None else browser.page.place
    return object_id is not None and here != PathTo(object_id)


def _needs_page(test: Callable[[Page], bool]) -> Callable[[Browser], bool]:
    return lambda browser: browser.page is not None and test(browser.page)


def _can_open(browser: Browser) -> bool:
    row, page = browser.row, browser.page
    if row is None or page is None:
        return False
    return row.place is not None or "open_row" in page.commands


def _has_command(browser: Browser, name: str) -> bool:
    return browser.page is not None and name in browser.page.commands


CONDITIONS: dict[str, Callable[..., bool]] = {
    "open_row": _can_open,
    "into": lambda browser: _can_open(browser) or _has_command(browser, "expand"),
    "out_of": lambda browser: (
        _has_command(browser, "collapse") or browser.session.history.can_move(-1)
    ),
    "command": _has_command,
    "history": lambda browser, steps: (
        browser.session.history.can_move(steps) or (browser.is_waiting and steps < 0)
    ),
    "query": lambda _: "sql" in REGISTRY,
    "cancel": lambda browser: browser.is_busy,
    "filter": _needs_page(lambda page: page.on_filter is not None),
    "next_list": _needs_page(lambda page: len(page.tables) > 1),
    "previous_list": _needs_page(lambda page: len(page.tables) > 1),
    "copy_command": lambda browser: (
        browser.page is not None and browser.session.command_line(browser.page) is not None
    ),
    "path": _leads_to_a_path,
    "merged_paths": _needs_set,
    "last_set": lambda browser: bool(browser.session.selection_text),
    "types_of_set": _needs_set,
    **dict.fromkeys(
        ("dominated", "bookmark", "copy_expression", "copy_address", "write_picture"),
        _needs_object,
    ),
}
"""When an action does anything; one that is not here always does."""
