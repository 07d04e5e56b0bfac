"""The objects the user marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.tui.page import Page
from heapgraph.tui.rows.object_rows import OBJECT_COLUMNS, object_cells_row
from heapgraph.tui.tables import RowTable
from heapgraph.units import format_count

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.places import Bookmarks
    from heapgraph.tui.state import Session


def build_bookmarks(session: Session, place: Bookmarks, progress: Progress) -> Page:
    """The page of bookmarks."""
    progress("bookmarks", 0, 0)
    rows = [object_cells_row(session, object_id) for object_id in session.bookmarks]
    how = "" if rows else "; b marks the object at the cursor"
    facts = [("bookmarks", f"{format_count(len(rows))}{how}")]
    return Page(place, "bookmarks", facts, [RowTable("bookmarks", OBJECT_COLUMNS, rows)])
