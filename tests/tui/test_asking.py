"""Lines that are typed: queries that fail come back, lines are remembered, Tab completes."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from heapgraph.tui import places
from heapgraph.tui.widgets.message_box import MessageBox
from helpers.app_heap import app_heap, graph_of
from helpers.browser import drive, text_of_screen


@pytest.fixture
def graph():
    """The graph of a small program."""
    return graph_of(app_heap())


async def line(app, pilot) -> str:
    """What stands in the line that is typed."""
    del pilot
    return app.focused.value if isinstance(app.focused, Input) else "(no line)"


def test_a_query_that_fails_comes_back_with_the_reason(graph):
    async def state(app, pilot):
        return await line(app, pilot), app.browser.query_one(MessageBox).text, text_of_screen(app)

    keys = ["colon", "type select colour from objects", "enter"]
    text, message, seen = drive(graph, *keys, then=state)
    assert text == "select colour from objects"
    assert "colour" in message
    rows = seen.splitlines()
    assert text in rows[-2]
    assert any("error: the query failed" in row for row in rows[:-2])


def test_the_mended_query_is_run(graph):
    keys = ["colon", "type select kount(*) from objects", "enter", *["ctrl+u"]]
    keys += ["type select count(*) from objects", "enter"]

    async def page(app, pilot):
        del pilot
        return app.browser.page.title, app.browser.query_one(MessageBox).text

    assert drive(graph, *keys, then=page) == ("sql", "")


def test_a_query_that_is_given_up_does_not_come_back(graph):
    keys = ["colon", "type select x from y", "enter", "escape", "2"]

    async def state(app, pilot):
        return await line(app, pilot), app.browser.page.title

    assert drive(graph, *keys, then=state) == ("(no line)", "dominator tree")


def test_up_and_down_go_through_the_lines_entered(graph):
    first, second = "select 1", "select 2"
    entered = ["colon", f"type {first}", "enter", "colon", f"type {second}", "enter"]
    recall = [*entered, "colon", "type draft"]
    assert drive(graph, *recall, "up", then=line) == second
    assert drive(graph, *recall, "up", "up", then=line) == first
    assert drive(graph, *recall, "up", "up", "down", "down", then=line) == "draft"


def test_a_set_that_was_found_is_at_hand_on_every_page(graph):
    async def where(app, pilot):
        del pilot
        return app.browser.page.place

    found = ["slash", "type type:app.sessions.User", "enter"]
    text = "type:app.sessions.User"
    assert drive(graph, *found, "2", "P", then=where) == places.MergedPathsTo(text)
    assert drive(graph, *found, "6", "t", then=where) == places.Types(text)
    assert drive(graph, *found, "1", "S", then=where) == places.ObjectSet(text)
    assert drive(graph, "2", "S", then=where) == places.DominatorsOf()


def test_tab_completes_tables_and_columns(graph):
    assert drive(graph, "colon", "type sel", "tab", then=line) == "select"
    typed = ["colon", "type select shallow", "tab"]
    assert drive(graph, *typed, then=line) == "select shallow_size"
    several = ["colon", "type select thread", "tab"]
    assert drive(graph, *several, then=line) == "select thread_id"
    ambiguous = ["colon", "type select na", "tab", "tab"]
    assert drive(graph, *ambiguous, then=line) == "select named_refs"


def test_tab_goes_through_what_fits(graph):
    typed = ["colon", "type select retained_size from re"]
    seen = [drive(graph, *typed, *["tab"] * times, then=line) for times in (1, 2, 3)]
    assert seen[0] != "select retained_size from re"
    assert len(set(seen[:2])) == 2


def test_tab_without_anything_to_complete_keeps_the_line(graph):
    assert drive(graph, "slash", "type app.se", "tab", then=line) == "app.se"
