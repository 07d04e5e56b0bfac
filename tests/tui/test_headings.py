"""Headings stand over their columns, and numbers at the right edge of theirs, as they are drawn."""

from __future__ import annotations

import re

import pytest

from heapgraph.tui.cells import Bar
from heapgraph.tui.widgets.row_list import RowList
from helpers.app_heap import app_heap, graph_of, items, set_global
from helpers.browser import LARGE, SMALL, drive

SIGNS = " ▸▾"
NUMBER = re.compile(r"[>≥=+-]*\s?[\d,.]+( ?(B|[KMGT]iB|%|s|ms|us))?( of [\d,]+)?")

PAGES = {
    "overview": (),
    "inspector": ("enter",),
    "path": ("enter", "p"),
    "tree": ("2", "l"),
    "grouped": ("2", "g"),
    "types": ("3",),
    "holders": ("3", "P"),
    "analyses": ("4",),
    "suspects": ("5",),
    "threads": ("6", "l"),
    "waste": ("7", "l"),
    "memory": ("9",),
    "numbers": ("colon", "type select count(*) as count, sum(id) as ids from objects", "enter"),
    "by type": ("colon", "type select type, count(*) as n from objects group by type", "enter"),
}


async def lists_as_drawn(app, pilot):
    """Of each list with a heading: its columns with their places, heading, rows, cells."""
    found = []
    for one in app.screen.query(RowList):
        if one.table is None or not len(one.table) or not one._header_lines:
            continue
        one.focus()
        await pilot.pause()
        lines = [one.render_line(y).text for y in range(one._header_lines, one.size.height)]
        rows = [one.table.row(index).cells for index in range(len(one.table))]
        at, columns = 1, []
        for index, column in one._layout:
            columns.append((index, column, slice(at, at + column.width)))
            at += column.width + 1
        found.append((columns, one.render_line(0).text, lines[: len(rows)], rows))
    return found


def is_number(rows, index):
    """Whether a column has numbers only, and any."""
    texts = [row[index] for row in rows if not isinstance(row[index], Bar) and row[index]]
    return bool(texts) and all(isinstance(t, str) and NUMBER.fullmatch(t) for t in texts)


async def beginnings(app, pilot):
    """Where the texts of the first list begin, and where its segments do: heading, then rows."""
    del pilot
    one = app.screen.query(RowList).first()
    found = []
    for y in range(1 + min(4, len(one.table))):
        at, segments = 0, set()
        for segment in one.render_line(y):
            if segment.text.strip():
                segments.add(at)
            at += segment.cell_length
        line = one.render_line(y).text
        texts = []
        place = 1
        for _, column in one._layout:
            cell = line[place : place + column.width]
            if cell.strip():
                texts.append(place + len(cell) - len(cell.lstrip(SIGNS)))
            place += column.width + 1
        found.append((line, texts, segments))
    return found


def test_a_picture_of_the_screen_has_every_cell_in_its_place(graph):
    """What is one piece is as wide as the font of whoever looks at it makes it."""
    for line, texts, segments in drive(graph, "2", "l", then=beginnings):
        assert set(texts) <= segments, line


@pytest.fixture(scope="module")
def graph():
    """With something to waste: many equal texts."""
    heap = app_heap()
    texts = heap.object("list", size=4_000)
    set_global(heap, "app", "TEXTS", texts)
    items(heap, texts, *(heap.object("str", size=2_000, preview="the same") for _ in range(400)))
    return graph_of(heap)


@pytest.mark.parametrize(
    ("page", "size"),
    [*((page, LARGE) for page in PAGES), *((page, SMALL) for page in ("overview", "tree"))],
    ids=lambda value: "x".join(map(str, value)) if isinstance(value, tuple) else value,
)
def test_headings_stand_over_their_columns(graph, page, size):
    lists = drive(graph, *PAGES[page], size=size, then=lists_as_drawn)
    assert lists
    for columns, heading, lines, rows in lists:
        for index, column, place in columns:
            title = heading[place]
            assert title.strip() == column.title, heading
            if is_number(rows, index):
                assert column.align == "right", (column.title, rows[0])
            shown = [line[place] for line in lines if line[place].strip()]
            if not column.title or not shown:
                continue
            if column.align == "right":
                assert not title.endswith(" "), heading
                assert not any(text.endswith(" ") for text in shown), (heading, shown)
            else:
                begins = len(shown[0]) - len(shown[0].lstrip(SIGNS))
                assert len(title) - len(title.lstrip()) == begins, (heading, shown[0])
