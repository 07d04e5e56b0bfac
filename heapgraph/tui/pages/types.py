"""The histogram: types with counts and sizes, narrowed while one types."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.histogram import TypeRow, type_histogram
from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.graph.object_sets import sum_by_group
from heapgraph.tui.cells import Bar, Column, Row, safe
from heapgraph.tui.page import Later, Page, PageCommand
from heapgraph.tui.places import ObjectSet
from heapgraph.tui.rows.object_rows import BAR, SHARE, estimate_text
from heapgraph.tui.tables import LazyTable, current_row
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.analysis.histogram import Histogram
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.places import Types
    from heapgraph.tui.state import Session

_ORDERS = ("retained", "count", "shallow", "type")
_NATIVE = Column("native", 10, align="right", rank=3)
_COLUMNS = (
    Column("retained", 11, align="right"),
    SHARE,
    BAR,
    Column("type", keep="end"),
    Column("objects", 11, align="right"),
    Column("shallow", 9, align="right", rank=4),
)
_COLUMNS_WITH_NATIVE = (_COLUMNS[0], _NATIVE, SHARE, replace(BAR, rank=5), *_COLUMNS[3:])
"""Where it is narrow, the size of the objects says more than a bar."""


class TypeRows:
    """One row for each type, with what narrows and orders them."""

    def __init__(self, session: Session, place: Types, progress: Progress) -> None:
        """Count; of the retained sizes of all types take the minimums, which are there at once."""
        self._graph = session.graph
        self.order = _ORDERS[0]
        self.text = ""
        self._exact = 0
        if place.within:
            self._rows = _rows_of_set(session, place.within, progress)
        else:
            self.take(type_histogram(session.graph, progress=progress, work=0))
        has_native = any(row.native_size for row in self._rows)
        self.orders = (*_ORDERS[:1], "native", *_ORDERS[1:]) if has_native else _ORDERS

    def take(self, histogram: Histogram) -> None:
        """Show these rows from now on."""
        self._rows = list(histogram.types)
        self._exact = histogram.exact

    def chosen(self) -> list[tuple[TypeRow, bool]]:
        """The rows that fit the text, in order, and whether the retained size of each is exact.

        Retained sizes keep the order of the analysis.
        """
        wanted = self.text.lower()
        rows = [
            (row, number < self._exact)
            for number, row in enumerate(self._rows)
            if wanted in row.type.lower()
        ]
        if self.order == "native":
            rows.sort(key=lambda row: (-row[0].native_size, row[0].type))
        elif self.order == "count":
            rows.sort(key=lambda row: (-row[0].count, row[0].type))
        elif self.order == "shallow":
            rows.sort(key=lambda row: (-row[0].shallow_size, row[0].type))
        elif self.order == "type":
            rows.sort(key=lambda row: row[0].type)
        return rows

    def table(self) -> LazyTable:
        """The list."""
        rows = self.chosen()
        has_native = any(row.native_size for row, _ in rows)

        def make_row(index: int) -> Row:
            row, is_exact = rows[index]
            share = share_of_heap(self._graph, row.retained_size)
            about = "" if is_exact or row.count == 1 else ">="
            native = estimate_text(row.native_size)
            name = safe(row.type)
            cells = (
                f"{about}{format_size(row.retained_size)}",
                *((native,) if has_native else ()),
                format_share(share),
                Bar(share),
                name,
                format_count(row.count),
                format_size(row.shallow_size),
            )
            owned = f"  own native memory {format_size(row.native_size)} (estimate)"
            detail = f"{name}{owned if row.native_size else ''}"
            text = f"type:{row.type}"
            return Row(cells, ObjectSet(text), set_text=text, detail=detail)

        columns = _COLUMNS_WITH_NATIVE if has_native else _COLUMNS
        return LazyTable("types", columns, len(rows), make_row)

    def place_of(self, set_text: str) -> int:
        """The row of a type; the first one where the type is not shown."""
        names = [row.type for row, _ in self.chosen()]
        name = set_text.removeprefix("type:")
        return names.index(name) if name in names else 0

    def totals(self) -> str:
        """What the chosen rows add up to."""
        rows = self.chosen()
        objects = sum(row.count for row, _ in rows)
        shallow = sum(row.shallow_size for row, _ in rows)
        count = f"{format_count(len(rows))} with {format_count(objects)} objects"
        native = sum(row.native_size for row, _ in rows)
        owned = f", native memory {format_size(native)} (estimate)" if native else ""
        return f"{count}, {format_size(shallow)}{owned}"


def _rows_of_set(session: Session, text: str, progress: Progress) -> list[TypeRow]:
    """Types of the members of a set, the largest minimum of retained bytes first."""
    graph, members = session.graph, session.members(text, progress)
    owned = graph.native_owned
    is_member = np.isin(owned.objects, members)
    native = sum_by_group(
        graph.type_ids[owned.objects[is_member]], owned.sizes[is_member], len(graph.type_names)
    )
    rows = []
    type_ids, counts = np.unique(graph.type_ids[members], return_counts=True)
    for done, (type_id, count) in enumerate(zip(type_ids.tolist(), counts.tolist(), strict=True)):
        progress("types", done, len(type_ids))
        same = members[graph.type_ids[members] == type_id]
        shallow = int(graph.shallow_sizes[same].sum())
        retained = graph.dominators.minimum_retained_size(same)
        name = graph.type_names[type_id]
        rows.append(TypeRow(name, count, shallow, retained, int(native[type_id])))
    return sorted(rows, key=lambda row: (-row.retained_size, row.type))


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
        rows.order = rows.orders[(rows.orders.index(rows.order) + 1) % len(rows.orders)]
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
