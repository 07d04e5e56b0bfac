"""What could be smaller: findings with their advice, and who owns most of each below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.waste import find_waste
from heapgraph.tui.cells import Column, Indented, Row, safe
from heapgraph.tui.page import Page
from heapgraph.tui.places import AnalysisOf, Inspect
from heapgraph.tui.rows.object_rows import mark, retained_text
from heapgraph.tui.rows.outline import OutlineLine, OutlineTable, outline_commands
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.analysis.waste import Finding
    from heapgraph.tui.places import Place
    from heapgraph.tui.state import Session

MAX_ROWS = 1_000
_COLUMNS = (
    Column("wasted", 9, align="right"),
    Column("objects", 10, align="right", rank=3),
    Column("finding, owners", weight=2, keep="both"),
    Column("largest owner", weight=2, keep="end", rank=4),
)


def build_waste(session: Session, place: AnalysisOf, progress: Progress) -> Page:
    """The page of findings."""
    result = find_waste(session.graph, progress=progress, limit=MAX_ROWS)
    page = Page(place, "waste", detail_lines=6, detail_part=3)
    total = sum(finding.wasted_size for finding in result.findings)
    found = f"{format_count(len(result.findings))}, {format_size(total)} together"
    page.facts = [("findings", found if result.findings else "none worth a change")]
    lines = [_finding_line(session, finding) for finding in result.findings]
    page.left = [OutlineTable("findings", _COLUMNS, lines, left_out=result.left_out)]
    page.commands = outline_commands(page)
    return page


def _finding_line(session: Session, finding: Finding) -> OutlineLine:
    """A finding; Enter opens who owns most of it."""
    ids: list[int | None] = [*finding.owner_ids]
    ids += [None] * (len(finding.owners) - len(ids))
    below = [
        _owner_line(session, text, object_id)
        for text, object_id in zip(finding.owners, ids, strict=True)
    ]
    owner = safe(finding.owners[0]) if finding.owners else "-"
    cells = (
        format_size(finding.wasted_size),
        format_count(finding.count),
        Indented("", finding.detector),
        owner,
    )
    first = below[0].row if below else None
    place = None if first is None else first.place
    object_id = None if first is None else first.object_id
    return OutlineLine(Row(cells, place, object_id, detail=safe(finding.advice)), below)


def _owner_line(session: Session, text: str, object_id: int | None) -> OutlineLine:
    # An owner that is no object is a function that threads run.
    place: Place = AnalysisOf("threads") if object_id is None else Inspect(object_id)
    retained = "" if object_id is None else retained_text(session, object_id)
    name = safe(text)
    cells = ("", "", Indented("", name), f"retains {retained}" if retained else "")
    style = "" if object_id is None else mark(session, object_id)
    return OutlineLine(Row(cells, place, object_id, style=style, detail=name))
