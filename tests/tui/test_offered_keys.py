"""Every key that is offered does something, and every key that is not does nothing."""

from __future__ import annotations

import pytest

from heapgraph.graph.cuts import freed_without
from heapgraph.tui import places
from heapgraph.tui.keys import KEYS
from heapgraph.tui.screens.browser import OF_SETS
from heapgraph.tui.screens.help import HelpScreen
from heapgraph.tui.screens.page_screen import parsed_action
from heapgraph.tui.widgets.key_line import KeyLine
from heapgraph.tui.widgets.message_box import MessageBox
from heapgraph.tui.widgets.prompt import Prompt
from heapgraph.units import format_size
from helpers.app_heap import app_heap, graph_of
from helpers.browser import drive, page_of, press, quiet, session_of, standing_text
from helpers.heaps import draw_heap
from helpers.interpreters import is_exhaustive

LEAVING = ("quit", "write_picture", "cancel")
"""Not pressed: it ends the program, writes a file, stops work of which there is none."""

MAY_REST = ("into", "out_of", "command('raw')")
"""Offered on all pages of a kind, without effect on some rows: leaves, objects without a dict."""


def some_places(heap):
    """Places of different kinds; each takes seconds."""
    return {
        "object": places.Inspect(heap.ids["user"]),
        "path": places.PathTo(heap.ids["history"]),
        "types": places.Types(),
        "threads": places.AnalysisOf("threads"),
    }


async def seen(app, pilot):
    """All that a key may change: the screen, what lies over it, the clipboard, the bookmarks."""
    return (
        await standing_text(app, pilot),
        type(app.screen),
        app.clipboard,
        tuple(app.browser.session.bookmarks),
        app.browser.page,
    )


async def go_to(app, pilot, place):
    """Show the page of a place, made anew, and return what is seen then."""
    app.browser.session._pages.clear()
    app.copy_to_clipboard("")
    app.browser.goto(place)
    await app.browser.settled()
    await pilot.pause()
    return await seen(app, pilot)


async def wrongly_offered(app, pilot, place, keys):
    """Keys that are offered without effect, or have one without being offered."""
    browser, wrong = app.browser, []
    before = await go_to(app, pilot, place)
    for key in keys:
        if parsed_action(key.action)[0] in LEAVING or key.action in MAY_REST:
            continue
        is_offered = browser.check_action(*parsed_action(key.action))
        await press(app, pilot, [key.keys.partition(",")[0]])
        has_effect = await seen(app, pilot) != before
        if has_effect != is_offered:
            wrong.append((key.action, "offered" if is_offered else "not offered"))
        if isinstance(app.screen, HelpScreen) or browser.query_one(Prompt).display:
            await press(app, pilot, ["escape"])
        if has_effect:  # after another the page is as it was
            before = await go_to(app, pilot, place)
    return wrong


@pytest.mark.parametrize("name", some_places(app_heap()))
def test_what_is_offered_works_and_nothing_else_does(heap, name):
    """Each key on two of the four places, by turns; in the long form on all."""
    places_by_name = some_places(heap)
    first = list(places_by_name).index(name) % 2
    keys = KEYS if is_exhaustive() else KEYS[first::2]
    place = places_by_name[name]
    wrong = drive(
        graph_of(heap), "B", then=lambda app, pilot: wrongly_offered(app, pilot, place, keys)
    )
    assert wrong == []


def test_the_last_line_is_what_works(heap):
    """But for what Enter does as well, and what is about a set where there is none."""

    async def compare(app, pilot):
        del pilot
        shown = [key[0] for key in app.browser.query_one(KeyLine)._keys]
        offered = {
            key.shown: key.action
            for key in KEYS
            if key.in_footer and app.browser.check_action(*parsed_action(key.action))
        }
        return shown, offered

    for keys in ([], ["enter"], ["2"], ["3"], ["4"], ["6"]):
        shown, offered = drive(graph_of(heap), *keys, then=compare)
        assert shown == [name for name in offered if name in shown]
        assert {offered[name] for name in offered.keys() - set(shown)} <= {"into", *OF_SETS}


def test_every_line_of_the_help_says_what_its_key_does(heap):
    async def lines(app, pilot):
        del pilot
        return [app.screen.table.row(index).cells for index in range(len(app.screen.table))]

    for keys in ([], ["2"], ["3"]):
        shown = drive(graph_of(heap), *keys, "question_mark", then=lines)
        assert [cells for cells in shown if not all(cells)] == []


@pytest.mark.parametrize(
    ("drawing", "is_offered"), [("* -> a -> b", False), ("* -> a -> x\n* -> b -> x", True)]
)
def test_another_path_is_offered_where_there_is_one(drawing, is_offered):
    heap = draw_heap(drawing)
    last = heap.ids["x" if is_offered else "b"]
    page = page_of(session_of(graph_of(heap)), places.PathTo(last))
    assert ("next_path" in page.commands) == is_offered
    assert ("previous_path" in page.commands) == is_offered
    assert "what_if" in page.commands


def test_a_message_stays_until_the_next_key(heap):
    async def watch(app, pilot):
        box, found = app.browser.query_one(MessageBox), []
        for key in ("c", "j"):
            await press(app, pilot, [key])
            found.append((box.display, box.text))
        return found

    shown, gone = drive(graph_of(heap), "slash", "type CACHE", "enter", then=watch)
    assert shown == (True, "copied: app.sessions.CACHE")
    assert gone == (False, "")


def test_cuts_add_up_along_the_path():
    """What is said before and after a reference is left out is what removing them would free."""
    session = session_of(graph_of(draw_heap("* -> a -> x(100) -> y(7)\n* -> b -> x")))
    page = page_of(session, places.PathTo(1))
    page.commands["what_if"].run(None, quiet)
    assert "frees 0 B in 0 objects" in dict(page.facts)["what if"]
    other = page_of(session, page.commands["exclude_reference"].run(None, quiet))
    other.commands["what_if"].run(None, quiet)
    said = dict(other.facts)["what if"]
    both = freed_without(session.graph, [int(e) for e in session.graph.reverse.edges_to(1)])
    assert f"besides those left out frees {format_size(both.size)} in 2 objects" in said
