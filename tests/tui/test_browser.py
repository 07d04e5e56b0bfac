"""The browser itself: keys, sizes of terminals, hostile text, errors. Driven without a terminal."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.widgets import Input

from heapgraph.analysis.dominators import largest_objects
from heapgraph.analysis.holders import find_holders
from heapgraph.model import EdgeKind
from heapgraph.tui import places
from heapgraph.tui.screens.help import HelpScreen
from heapgraph.tui.screens.page_view import share_lines
from heapgraph.tui.widgets.message_box import MessageBox
from heapgraph.tui.widgets.row_list import RowList
from heapgraph.units import format_size
from helpers.app_heap import app_heap, graph_of, module, set_global, store
from helpers.browser import LARGE, SMALL, drive, frame, press, standing_text, text_of_screen
from helpers.heaps import HeapBuilder, draw_heap

FRAMES = Path(__file__).parent / "frames"
WRITE_FRAMES = "HEAPGRAPH_WRITE_FRAMES"
"""Set in the environment, the pictures are written anew; look at them before they are kept."""


@pytest.fixture
def heap():
    """The heap of the drawing in helpers/app_heap.py."""
    return app_heap()


@pytest.fixture
def graph(heap):
    """Its graph, with nothing computed yet."""
    return graph_of(heap)


@pytest.mark.parametrize(
    ("name", "size", "keys"),
    [
        ("overview-80x24", SMALL, []),
        ("overview-160x50", LARGE, []),
        ("inspector-80x24", SMALL, ["enter"]),
        ("inspector-160x50", LARGE, ["slash", "type app.sessions.CACHE", "enter"]),
        ("tree-80x24", SMALL, ["2", "l", "j", "l"]),
        ("path-80x24", SMALL, ["p", "w"]),
        ("threads-80x24", SMALL, ["6", "j", "l"]),
        ("threads-160x50", LARGE, ["6", "j", "l"]),
        ("suspects-80x24", SMALL, ["5", "l"]),
        ("help-80x24", SMALL, ["3", "question_mark"]),
    ],
)
def test_the_screen_looks_like_its_picture(graph, name, size, keys):
    seen = frame(graph, *keys, size=size) + "\n"
    picture = FRAMES / f"{name}.txt"
    if WRITE_FRAMES in os.environ:
        picture.write_text(seen, encoding="utf-8")
    assert seen == picture.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_numbers_are_those_of_the_command_line(graph, size):
    seen = frame(graph, "2", size=size)
    for row in largest_objects(graph, limit=3, of=None).objects[:1]:
        assert format_size(row.retained_size) in seen


@pytest.mark.parametrize("size", [(160, 50), (80, 24), (40, 12), (20, 6), (300, 9)])
def test_no_line_is_wider_than_the_terminal(graph, size):
    async def frames(app, pilot):
        seen = [await standing_text(app, pilot)]
        for key in ("enter", "2", "3", "4", "5", "6", "7", "9"):
            await press(app, pilot, [key])
            seen.append(await standing_text(app, pilot))
        return seen

    for seen in drive(graph, size=size, then=frames):
        assert len(seen.splitlines()) <= size[1]
        assert all(cell_len(line) <= size[0] for line in seen.splitlines())


def test_a_narrow_terminal_shows_the_holder(graph):
    assert "[3]" in frame(graph, size=(40, 12))


def test_a_resized_terminal_is_drawn_again(graph):
    async def resize(app, pilot):
        await pilot.resize_terminal(160, 50)
        await pilot.pause()
        wide = await standing_text(app, pilot)
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        return wide, await standing_text(app, pilot)

    wide, narrow = drive(graph, "enter", then=resize)
    assert any("refers to" in line and "referred to by" in line for line in wide.splitlines())
    assert all(cell_len(line) <= 40 for line in narrow.splitlines())


def test_without_colours_the_cursor_is_still_seen(graph, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    lines = frame(graph, "2", "j").splitlines()
    assert [line.startswith(">") for line in lines].count(True) == 1


def test_text_of_the_target_is_neither_executed_nor_styled():
    heap = HeapBuilder()
    module(heap, "app")
    evil = heap.object("dict", size=100)
    set_global(heap, "app", "EVIL", evil)
    texts = ["\x1b[2J\x1b[31mred\x07", "[bold red]x[/]", "a\nb", "\u202eevil", "שלום", "[/no]"]
    for text in texts:
        store(heap, evil, text, heap.object("str", preview=text[::-1], size=50))
    heap.object("[red]Type[/]", size=5)
    for keys in (["slash", "type EVIL", "enter"], ["3"], ["slash", "type a", "enter"]):
        seen = frame(graph_of(heap), *keys, size=LARGE)
        assert not set(seen) & set("\x1b\x07\u202eש")
        assert "b" in seen
    inspector = frame(graph_of(heap), "slash", "type EVIL", "enter", size=LARGE)
    assert "'\\x1b[2J\\x1b[31mred\\x07'" in inspector
    assert "[bold red]x[/]" in inspector
    assert "\\u202eevil" in inspector


@pytest.mark.parametrize("drawing", ["* -> a -> b\na -> c", ""])
def test_a_tiny_heap_and_an_empty_one_can_be_browsed(drawing):
    async def trail(app, pilot):
        del pilot
        return app.browser.session.history.titles, messages_of(app)

    keys = ["2", "enter", "p", "d", "3", "enter", "P", "t", "4", "end", "enter", *"5679", "1"]
    titles, messages = drive(graph_of(draw_heap(drawing)), *keys, then=trail)
    assert titles[0] == titles[-1] == "overview"
    assert {"dominator tree", "types", "analyses"} <= set(titles)
    assert messages == []


def test_the_end_of_a_long_list_can_be_looked_at():
    heap = HeapBuilder()
    module(heap, "app")
    length = 30_000
    items = [heap.object("list", size=64) for _ in range(length)]
    set_global(heap, "app", "HEAD", items[0])
    for before, after in itertools.pairwise(items):
        heap.edge(before, after, EdgeKind.INDEX, 0)
    last = f"type @{items[-1]}"
    seen = frame(graph_of(heap), "slash", last, "enter")
    assert "more>[0][0][0]" in seen
    path = frame(graph_of(heap), "slash", last, "enter", "p")
    assert f"path from the root: {length + 1:,} of {length + 1:,}" in path
    tree = frame(graph_of(heap), "2", "l", "j", "e")
    assert "[0]" in tree


def test_keys_go_there_and_back(graph):
    async def titles(app, pilot):
        trail = [app.browser.page.title]
        for key in ("left_square_bracket", "left_square_bracket", "right_square_bracket"):
            await press(app, pilot, [key])
            trail.append(app.browser.page.title)
        return trail

    trail = drive(graph, "3", "enter", then=titles)
    assert trail[0].startswith("type:")
    assert trail[1:] == ["types", "overview", "types"]


def test_a_page_is_left_and_found_again_as_it_was(graph):
    async def cursor(app, pilot):
        del pilot
        return app.browser.page.tables[0].cursor, len(app.browser.page.tables[0])

    before = drive(graph, "2", "l", "j", "j", then=cursor)
    after = drive(graph, "2", "l", "j", "j", "enter", "left_square_bracket", then=cursor)
    assert before == after
    assert before[0] == 2


def test_vim_keys_and_arrows_do_the_same(graph):
    assert frame(graph, "2", "j", "l", "j", "k") == frame(graph, "2", "down", "right", "down", "up")


def test_the_mouse_selects_and_opens(graph):
    async def click(app, pilot):
        rows = app.screen.query(RowList).first()
        await pilot.click(rows, offset=(5, 3))
        await pilot.pause()
        selected = app.browser.page.tables[0].cursor
        await pilot.click(rows, offset=(5, 3))
        await app.browser.settled()
        await pilot.pause()
        return selected, app.browser.page.place

    selected, place = drive(graph, "2", then=click)
    assert selected == 1
    assert isinstance(place, places.Inspect)


@pytest.mark.parametrize(("column", "biggest"), [(0, None), (1, 0), (31, 0), (32, 1), (79, None)])
def test_a_click_opens_the_share_below_it(graph, column, biggest):
    async def click(app, pilot):
        await pilot.click("#shares", offset=(column, 0))
        await app.browser.settled()
        await pilot.pause()
        return app.browser.page

    page = drive(graph, then=click)
    if biggest is None:
        assert isinstance(page.place, places.Overview)
    else:
        assert page.place == places.Inspect(find_holders(graph, limit=2).objects[biggest].id)


def test_the_help_lists_the_keys_that_work_here_and_no_others(graph):
    async def keys(app, pilot):
        del pilot
        assert isinstance(app.screen, HelpScreen)
        table = app.screen.table
        return {table.row(index).cells[1] for index in range(len(table))}

    on_types = drive(graph, "3", "question_mark", then=keys)
    on_tree = drive(graph, "2", "question_mark", then=keys)
    assert "show only rows that contain a text" in on_types - on_tree
    assert "group by type, by module, by package, not at all" in on_tree - on_types
    assert "one row down" in on_types & on_tree
    assert "the page after" not in on_types | on_tree
    assert "bytes freed if this reference were cut" not in on_types | on_tree


def test_a_filter_works_while_it_is_typed(graph):
    async def rows(app, pilot):
        del pilot
        return len(app.browser.page.tables[0]), isinstance(app.focused, Input)

    everything, _ = drive(graph, "3", then=rows)
    some, is_typing = drive(graph, "3", "f", "type byte", then=rows)
    assert some == 2 < everything
    assert is_typing
    assert drive(graph, "3", "f", "type byte", "enter", then=rows) == (2, False)


def test_a_search_leads_to_an_object_or_to_a_set(graph, heap):
    async def place(app, pilot):
        del pilot
        return app.browser.page.place

    assert drive(graph, "slash", "type app", "enter", then=place) == places.Inspect(heap.ids["app"])
    found = drive(graph, "slash", "type type:dict", "enter", then=place)
    assert found == places.ObjectSet("type:dict")


def messages_of(app) -> list[str]:
    """What the browser says to the user."""
    text = app.browser.query_one(MessageBox).text
    return [text] if text else []


def test_a_search_without_a_result_is_explained_and_nothing_else_happens(graph):
    async def state(app, pilot):
        del pilot
        return app.browser.page.title, messages_of(app)

    title, messages = drive(graph, "slash", "type [zzz]", "enter", then=state)
    assert title == "overview"
    assert "[zzz]" in messages[0]


def test_what_is_copied_cannot_end_the_pasting_of_it(graph):
    async def copied(app, pilot):
        del pilot
        app.browser.copy("type:\x1b[201~\nreboot\n\u202e")
        return app.clipboard

    assert drive(graph, then=copied) == r"type:\x1b[201~\nreboot\n\u202e"


def test_a_command_line_and_an_expression_can_be_copied(graph):
    async def copied(app, pilot):
        del pilot
        return app.clipboard

    keys = ["slash", "type CACHE", "enter"]
    line = drive(graph, *keys, "y", then=copied)
    assert line == "heapgraph show app.heapgraph app.sessions.CACHE"
    assert drive(graph, *keys, "c", then=copied) == "app.sessions.CACHE"
    assert drive(graph, *keys, "C", then=copied).startswith("0x7f")


def test_a_bookmark_is_found_again(graph):
    assert "app.sessions.CACHE" in frame(graph, "slash", "type CACHE", "enter", "b", "B")


def test_a_picture_is_written_or_its_absence_explained(graph, tmp_path, monkeypatch):
    async def said(app, pilot):
        del pilot
        return messages_of(app)[-1]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    message = drive(graph, "slash", "type CACHE", "enter", "v", then=said)
    assert "apt-get install graphviz" in message
    assert not list(tmp_path.iterdir())


def test_long_work_can_be_stopped_and_blocks_no_key(graph):
    begun, is_over = threading.Event(), threading.Event()

    async def stop(app, pilot):
        app.browser.run_job("endless", endless, lambda _: None)
        begun.wait(10)
        await pilot.pause()
        await pilot.press("j")
        await pilot.pause()
        busy, shown = app.browser.is_busy, text_of_screen(app)
        await pilot.press("escape")
        await pilot.pause()
        return busy, app.browser.is_busy, shown

    def endless(progress):
        progress("counting", 1, 9)
        begun.set()
        while not is_over.wait(0.01):
            progress("counting", 2, 9)

    busy, after, shown = drive(graph, "2", then=stop)
    is_over.set()
    assert busy
    assert not after
    assert shown.splitlines()[6].startswith(">")


def test_an_analysis_that_needs_a_file_asks_for_it(graph):
    async def prompt(app, pilot):
        del pilot
        return app.focused.placeholder

    async def choose(app, pilot):
        app.browser.goto(places.AnalysisOf("diff"))
        await pilot.pause()
        return await prompt(app, pilot)

    assert drive(graph, then=choose).startswith("new: ")


def test_a_query_is_completed_and_shown(graph):
    keys = ["colon", "type select count(*) from obje", "right", "type s", "enter"]
    seen = frame(graph, *keys)
    assert "select count(*) from objects" in seen
    row = next(line for line in seen.splitlines() if line.startswith(">"))
    assert row.removeprefix(">").split()[-1] == str(graph.object_count)


@pytest.mark.parametrize(
    ("room", "wanted", "focus", "lines"),
    [
        (20, [5, 5, 5], 0, [5, 5, 5]),
        (12, [20, 20, 20], 1, [2, 8, 2]),
        (12, [3, 20, 20], 0, [3, 7, 2]),
        (4, [9, 9, 9], 2, [0, 0, 4]),
        (7, [], 0, []),
    ],
)
def test_lists_share_the_lines_there_are(room, wanted, focus, lines):
    assert share_lines(room, wanted, focus) == lines


def test_the_palette_offers_what_works_here_by_name(graph):
    async def titles(app, pilot):
        del pilot
        return {command.title for command in app.get_system_commands(app.screen)}

    on_tree, on_types = drive(graph, "2", then=titles), drive(graph, "3", then=titles)
    assert "Compare: what grew between this snapshot and another" in on_tree & on_types
    assert "Group: group by type, by module, by package, not at all" in on_tree - on_types
    assert "Filter: show only rows that contain a text" in on_types - on_tree
    assert "Theme" in on_tree


def test_a_command_of_the_palette_is_done(graph):
    async def choose(app, pilot):
        await pilot.press("ctrl+p")
        await pilot.pause()
        app.screen.query_one(Input).value = "Threads:"
        while not any(str(o.prompt) for o in app.screen.query_one("CommandList").options):
            await pilot.pause()
        await pilot.pause(0.3)
        await pilot.press("enter")
        await pilot.pause()
        await app.browser.settled()
        await pilot.pause()
        return app.browser.page.place

    assert drive(graph, then=choose) == places.AnalysisOf("threads")
