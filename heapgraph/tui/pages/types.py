"""The histogram: types with counts and sizes, narrowed while one types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.histogram import type_histogram
from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.tui.cells import Bar, Column, Row, safe
from heapgraph.tui.page import Later, Page, PageCommand
from heapgraph.tui.places import ObjectSet
from heapgraph.tui.rows.object_rows import BAR, SHARE
from heapgraph.tui.tables import LazyTable, current_row
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.analysis.histogram import Histogram
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.places import Types
    from heapgraph.tui.state import Session

ORDERS = ("retained", "count", "shallow", "type")
_COLUMNS = (
    Column("retained", 11, align="right"),
    SHARE,
    BAR,
    Column("type", keep="end"),
    Column("objects", 11, align="right"),
    Column("shallow", 9, align="right", rank=4),
)


class TypeRows:
    """One row for each type, with what narrows and orders them."""

    def __init__(self, session: Session, place: Types, progress: Progress) -> None:
        """Count; of the retained sizes of all types take the minimums, which are there at once."""
        self._graph = session.graph
        self.order = ORDERS[0]
        self.text = ""
        if place.within:
            self._rows = _rows_of_set(session, place.within, progress)
        else:
            self.take(type_histogram(session.graph, progress=progress, work=0))

    def take(self, histogram: Histogram) -> None:
        """Show these rows from now on."""
        self._rows = [
            (row.type, row.count, row.shallow_size, row.retained_size, number < histogram.exact)
            for number, row in enumerate(histogram.types)
        ]

    def chosen(self) -> list[tuple[str, int, int, int, bool]]:
        """The rows that fit the text, in order; retained sizes keep the order of the analysis."""
        wanted = self.text.lower()
        rows = [row for row in self._rows if wanted in row[0].lower()]
        if self.order == "count":
            rows.sort(key=lambda row: (-row[1], row[0]))
        elif self.order == "shallow":
            rows.sort(key=lambda row: (-row[2], row[0]))
        elif self.order == "type":
            rows.sort(key=lambda row: row[0])
        return rows

    def table(self) -> LazyTable:
        """The list."""
        rows = self.chosen()

        def make_row(index: int) -> Row:
            name, count, shallow, retained, is_exact = rows[index]
            share = share_of_heap(self._graph, retained)
            about = "" if is_exact or count == 1 else ">="
            cells = (
                f"{about}{format_size(retained)}",
                format_share(share),
                Bar(share),
                safe(name),
                format_count(count),
                format_size(shallow),
            )
            text = f"type:{name}"
            return Row(cells, ObjectSet(text), set_text=text, detail=safe(name))

        return LazyTable("types", _COLUMNS, len(rows), make_row)

    def place_of(self, set_text: str) -> int:
        """The row of a type; the first one where the type is not shown."""
        names = [row[0] for row in self.chosen()]
        name = set_text.removeprefix("type:")
        return names.index(name) if name in names else 0

    def totals(self) -> str:
        """What the chosen rows add up to."""
        rows = self.chosen()
        objects, shallow = sum(row[1] for row in rows), sum(row[2] for row in rows)
        count = f"{format_count(len(rows))} with {format_count(objects)} objects"
        return f"{count}, {format_size(shallow)}"


def _rows_of_set(
    session: Session, text: str, progress: Progress
) -> list[tuple[str, int, int, int, bool]]:
    """Types of the members of a set, the largest minimum of retained bytes first."""
    graph, members = session.graph, session.members(text, progress)
    rows = []
    type_ids, counts = np.unique(graph.type_ids[members], return_counts=True)
    for done, (type_id, count) in enumerate(zip(type_ids, counts, strict=True)):
        progress("types", done, len(type_ids))
        same = members[graph.type_ids[members] == type_id]
        shallow = int(graph.shallow_sizes[same].sum())
        retained = graph.dominators.minimum_retained_size(same)
        rows.append((graph.type_names[int(type_id)], int(count), shallow, retained, False))
    return sorted(rows, key=lambda row: (-row[3], row[0]))


def build_types(session: Session, place: Types, progress: Progress) -> Page:
    """The page of types."""
    rows = TypeRows(session, place, progress)
    page = Page(place, "types", set_text=place.within or None)
    if place.within:
        page.title = f"types of {safe(place.within)}"

    def refresh() -> None:
        before = current_row(page.left[0]) if page.left else None
        page.left = [rows.table()]
        if before is not None and before.set_text is not None:
            page.left[0].cursor = rows.place_of(before.set_text)
        page.filter_text = rows.text
        order = f"sorted by {rows.order}"
        page.facts = [("types", f"{rows.totals()}, {order}")]
        if rows.text:
            page.facts.append(("filter", safe(rows.text)))

    def sort(row: Row | None, progress: Progress) -> None:
        del row, progress
        rows.order = ORDERS[(ORDERS.index(rows.order) + 1) % len(ORDERS)]
        refresh()

    def narrow(text: str) -> None:
        rows.text = text
        refresh()

    def more_exact(progress: Progress) -> Callable[[], None]:
        histogram = type_histogram(session.graph, progress=progress)

        def show() -> None:
            rows.take(histogram)
            refresh()

        return show

    refresh()
    page.on_filter = narrow
    if not place.within:
        page.later = Later("retained sizes", more_exact)
    page.commands = {"sort": PageCommand(sort)}
    return page
