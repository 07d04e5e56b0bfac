"""Every analysis of the registry that can be shown as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.registry import REGISTRY
from heapgraph.tui.cells import Column, Row
from heapgraph.tui.page import Page
from heapgraph.tui.places import AnalysisOf, Compared, DominatorsOf, Overview, Place, Types
from heapgraph.tui.tables import RowTable

if TYPE_CHECKING:
    from heapgraph.analysis.declarations.analysis import Analysis
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.places import Analyses
    from heapgraph.tui.state import Session

OWN_PAGES: dict[str, Place] = {
    "summary": Overview(),
    "histogram": Types(),
    "dominators": DominatorsOf(),
    "diff": Compared(),
}
"""Analyses with a page of their own, which is opened instead of their bare rows."""

BY_OBJECT = frozenset({"paths", "show"})
"""Analyses of one object: Enter and `p` on the object open them."""

_COLUMNS = (
    Column("analysis", 14),
    Column("what it tells", weight=2),
    Column("asks for", 16, rank=3),
)


def build_analyses(session: Session, place: Analyses, progress: Progress) -> Page:
    """The page of analyses."""
    del session
    progress("analyses", 0, 0)
    rows = [_row(REGISTRY[name]) for name in REGISTRY if name not in BY_OBJECT]
    facts = [("analyses", f"{len(rows)}; Enter asks for what one needs, y copies its command line")]
    return Page(place, "analyses", facts, [RowTable("analyses", _COLUMNS, rows)])


def _row(analysis: Analysis) -> Row:
    place = OWN_PAGES.get(analysis.name, AnalysisOf(analysis.name))
    needed = ", ".join(p.name for p in analysis.parameters if p.required)
    options = ", ".join(f"{p.name} ({p.help})" for p in analysis.parameters)
    detail = analysis.description + (f"; parameters: {options}" if options else "")
    return Row((analysis.name, analysis.description, needed), place, detail=detail)
