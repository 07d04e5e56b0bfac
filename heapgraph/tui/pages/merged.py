"""Who holds the objects of a set: their paths from the roots, merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.paths import Paths, paths_to
from heapgraph.tui.cells import Bar, Column, Row, safe
from heapgraph.tui.page import Page
from heapgraph.tui.pages.object_rows import NAME, RETAINED
from heapgraph.tui.places import Inspect
from heapgraph.tui.tables import RowTable
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.paths import PathRow
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.places import MergedPathsTo
    from heapgraph.tui.state import Session

MOST_HOLDERS = 100
_COLUMNS = (
    Column("objects", 10, align="right"),
    Column("", 10, rank=3),
    RETAINED,
    NAME,
    Column("root", 8, rank=2),
)


def build(session: Session, place: MergedPathsTo, progress: Progress) -> Page:
    """The page of a set's holders."""
    found = paths_to(
        session.graph,
        progress=progress,
        objects=[f"@{member}" for member in session.members(place.text).tolist()]
        if not place.text.startswith("type:")
        else [place.text],
        limit=MOST_HOLDERS,
    )
    text = safe(place.text)
    page = Page(place, f"holders of {text}", set_text=place.text)
    page.left = [RowTable("held by", _COLUMNS, [_row(found, row) for row in found.paths])]
    page.facts = [("set", f"{text}, {format_count(found.objects)} objects")]
    if found.unreached:
        page.facts.append(("unreached", f"{format_count(found.unreached)} of them by no path"))
    return page


def _row(found: Paths, row: PathRow) -> Row:
    count = 1 if row.count is None else row.count
    holder = row.steps[-1].id
    retained = "" if row.retained_size is None else format_size(row.retained_size)
    name = safe(row.expression)
    cells = (
        format_count(count),
        Bar(count / max(1, found.objects)),
        retained,
        name,
        row.root.kind,
    )
    return Row(cells, Inspect(holder), holder, detail=name)
