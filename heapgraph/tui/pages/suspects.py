"""Leak suspects: a sentence each, and the way from the root to where the bytes gather."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from heapgraph.analysis.suspects import find_suspects
from heapgraph.tui.cells import Bar, Column, Indented, Row, safe
from heapgraph.tui.page import Page
from heapgraph.tui.places import AnalysisOf, Inspect
from heapgraph.tui.rows.object_rows import (
    BAR,
    GROWTH,
    RETAINED,
    SHARE,
    mark,
    retained_text,
    sizes_text,
)
from heapgraph.tui.rows.outline import OutlineLine, OutlineTable, outline_commands
from heapgraph.units import format_count, format_share

if TYPE_CHECKING:
    from heapgraph.analysis.paths import PathStepRow
    from heapgraph.analysis.registry import Progress
    from heapgraph.analysis.suspects import LeakSuspect, Suspects
    from heapgraph.tui.state import Session

MAX_ROWS = 100
NO_SUSPECTS = "none: nothing stands out from the rest of the heap"
SUSPECT_COLUMNS = (
    RETAINED,
    SHARE,
    BAR,
    Column("name", weight=2, keep="both"),
    Column("kind", 10, rank=4),
)


def build_suspects(session: Session, place: AnalysisOf, progress: Progress) -> Page:
    """The page of suspects."""
    result = find_suspects(session.graph, progress=progress, limit=MAX_ROWS)
    page = Page(place, "suspects", detail_lines=10, detail_part=2)
    count = len(result.suspects)
    found = f"{format_count(count)} found" if count else NO_SUSPECTS
    page.facts = [("suspects", found)]
    lines = [
        OutlineLine(suspect_row(suspect), _steps(session, suspect)) for suspect in result.suspects
    ]
    page.left = [OutlineTable("leak suspects", SUSPECT_COLUMNS, lines, left_out=result.left_out)]
    if result.steady:
        page.left.append(_steady_table(session, result))
    page.commands = outline_commands(page)
    return page


def _steady_table(session: Session, result: Suspects) -> OutlineTable:
    """What is large and does not grow, with its verdict in the place of the kind."""
    lines = []
    for suspect in result.steady:
        row, growth = suspect_row(suspect), safe(str(suspect.growth))
        row = replace(row, cells=(*row.cells[:-1], growth), detail=safe(suspect.growth.sentence))
        lines.append(OutlineLine(row, _steps(session, suspect)))
    columns = (*SUSPECT_COLUMNS[:-1], GROWTH)
    left_out = result.steady_left_out
    return OutlineTable("large, but not growing", columns, lines, left_out=left_out)


def suspect_row(suspect: LeakSuspect) -> Row:
    """One suspect; Enter opens where its bytes gather."""
    object_id = gathering_object(suspect)
    cells = (
        sizes_text(suspect.retained_size, suspect.native_size),
        format_share(suspect.share),
        Bar(suspect.share),
        Indented("", safe(suspect.expression)),
        suspect.kind,
    )
    place = AnalysisOf("suspects") if object_id is None else Inspect(object_id)
    return Row(cells, place, object_id, detail=safe(suspect.reason))


def gathering_object(suspect: LeakSuspect) -> int | None:
    """The accumulation point, or the end of the path of a group that has none."""
    if suspect.accumulation_point is not None:
        return suspect.accumulation_point.id
    return None if suspect.path is None else suspect.path.steps[-1].id


def _steps(session: Session, suspect: LeakSuspect) -> list[OutlineLine]:
    """The path to the gathering point, root first."""
    if suspect.path is None:
        return []
    return [_step(session, step) for step in suspect.path.steps]


def _step(session: Session, step: PathStepRow) -> OutlineLine:
    label = safe(step.label or step.label_kind)
    text = f"{label}  {safe(step.type)}"
    detail = f"{step.label_kind} {label} to {session.names.of(step.id)}  @{step.id}"
    cells = (retained_text(session, step.id), "", "", Indented("", text), step.label_kind)
    style = mark(session, step.id)
    return OutlineLine(Row(cells, Inspect(step.id), step.id, style=style, detail=detail))
