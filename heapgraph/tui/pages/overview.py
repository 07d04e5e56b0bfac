"""The first look: the target, its resident memory, what is big, what may leak."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from heapgraph.analysis.holders import holder_ids
from heapgraph.analysis.object_rows import share_of_heap
from heapgraph.analysis.resident.parts import OBJECTS
from heapgraph.analysis.summary import summarize
from heapgraph.analysis.suspects import find_suspects
from heapgraph.safe_text import begun
from heapgraph.tui.cells import Bar, Column, Row, safe
from heapgraph.tui.page import Later, Page, Share
from heapgraph.tui.pages.suspects import NO_SUSPECTS, SUSPECT_COLUMNS, suspect_row
from heapgraph.tui.places import AnalysisOf, Inspect, Overview, RootsOf, Types
from heapgraph.tui.rows.object_rows import HOLDER_COLUMNS, OBJECT_COLUMNS, object_cells_row
from heapgraph.tui.tables import RowTable
from heapgraph.units import format_count, format_seconds, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heapgraph.analysis.memory import MemoryAccount
    from heapgraph.analysis.registry import Progress
    from heapgraph.analysis.summary import Summary
    from heapgraph.tui.state import Session

HOLDERS = 12
SUSPECTS = 5
_SHOWN_FIELDS = 6
_MIN_FIELD = 0.03
"""Holders below this share of the heap have no field of their own in the block of shares."""

MEMORY_COLUMNS = (
    Column("size", 9, align="right"),
    Column("", 8, rank=1),
    Column("resident memory"),
)


_COMMAND_CHARACTERS = 1000
"""Of the command line; no terminal shows more of it in one line."""


def first_facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the manifest alone says, for the moment before anything is computed."""
    target, capture = manifest.get("target", {}), manifest.get("capture", {})
    counts = manifest.get("counts", {})
    pause = format_seconds(float(capture.get("pause_ms", 0)) / 1000)
    command = begun(" ".join(target.get("command_line") or []), _COMMAND_CHARACTERS)
    process = f"{target.get('pid')} on {target.get('hostname') or 'an unknown host'}, {command}"
    created = re.sub(r"T(\d\d:\d\d:\d\d).*", r" \1 UTC", str(manifest.get("created")))
    taken = f"{created} by {capture.get('method')}, paused {pause}"
    size = format_count(int(counts.get("objects", 0)))
    return [
        ("process", safe(process)),
        ("python", safe(f"{target.get('python_version')}, taken {taken}")),
        ("objects", f"{size}, {format_count(int(counts.get('references', 0)))} references"),
    ]


def first_page(manifest: Mapping[str, Any]) -> Page:
    """The overview before anything is computed."""
    return Page(Overview(), "overview", first_facts(manifest))


def build_overview(session: Session, place: Overview, progress: Progress) -> Page:
    """The overview."""
    progress("summary", 0, 2)
    summary = summarize(session.graph)
    progress("biggest holders", 1, 2)
    holders = holder_ids(session.graph.weighed, HOLDERS)
    page = Page(place, "overview", _facts(session, summary), detail_lines=6, detail_part=5)
    page.left = [_holder_table(session, holders)]
    page.right = [
        RowTable("resident memory", MEMORY_COLUMNS, _memory_rows(summary.memory)),
        RowTable("roots", (MEMORY_COLUMNS[0], Column("reached from")), _root_rows(summary)),
    ]
    page.shares = _shares(session, holders[:_SHOWN_FIELDS])
    page.left.insert(0, _suspect_table([_note("looking ...")]))
    page.later = Later(
        "leak suspects", lambda progress: _look_closer(session, page, holders, progress)
    )
    return page


def _facts(session: Session, summary: Summary) -> list[tuple[str, str]]:
    facts = first_facts(session.graph.manifest)
    totals, quality = summary.totals, summary.quality
    unreachable = f"{format_size(totals.unreachable_size)} unreachable"
    name, text = facts[-1]
    facts[-1] = (name, f"{text}, {format_size(totals.reachable_size)} reachable, {unreachable}")
    if quality.get("grade") != "good":
        reasons = "; ".join(quality.get("reasons", []))
        facts.append(("quality", safe(f"{quality.get('grade')}: {reasons}")))
    return facts


def _memory_rows(memory: MemoryAccount) -> list[Row]:
    lines = [(memory.accounted_size, "resident"), *((g.size, g.name) for g in memory.groups)]
    whole = max(memory.accounted_size, 1)
    return [
        Row(
            (format_size(size), Bar(size / whole), text),
            Types() if text == OBJECTS else AnalysisOf("memory"),
        )
        for size, text in lines
    ]


def _root_rows(summary: Summary) -> list[Row]:
    """What the roots of each kind reach, and none of a kind before."""
    return [
        Row(
            (format_size(root.reached_size), f"{format_count(root.count)} {root.kind} roots"),
            RootsOf(root.kind),
        )
        for root in sorted(summary.roots, key=lambda root: -root.reached_size)
    ]


def _suspect_table(rows: list[Row], left_out: int = 0) -> RowTable:
    return RowTable("leak suspects", SUSPECT_COLUMNS, rows, left_out=left_out)


def _note(text: str) -> Row:
    return Row(("", "", Bar(0), text, ""), AnalysisOf("suspects"), style="dim")


def _holder_table(
    session: Session, holders: Sequence[int], *, with_growth: bool = False
) -> RowTable:
    rows = [object_cells_row(session, one, with_growth=with_growth) for one in holders]
    columns = HOLDER_COLUMNS if with_growth else OBJECT_COLUMNS
    return RowTable("biggest holders", columns, rows)


def _shares(session: Session, holders: Sequence[int]) -> list[Share]:
    graph = session.graph
    sized = [(one, share_of_heap(graph, graph.folded.retained_size(one))) for one in holders]
    return [
        Share(session.names.of(one), share, Inspect(one))
        for one, share in sized
        if share >= _MIN_FIELD
    ]


def _look_closer(
    session: Session, page: Page, holders: Sequence[int], progress: Progress
) -> Callable[[], None]:
    """Find the leak suspects and what grows, which take longer than all the rest of the page."""
    result = find_suspects(session.graph, progress=progress, limit=SUSPECTS)
    rows = [suspect_row(suspect) for suspect in result.suspects]
    if not rows:
        rows = [_note(NO_SUSPECTS)]
    with_growth = session.growth.judge(holders, progress)

    suspects = _suspect_table(rows, result.left_out)

    def show() -> None:
        holder_table = _holder_table(session, holders, with_growth=with_growth)
        holder_table.cursor = page.left[-1].cursor
        page.left = [suspects, holder_table]

    return show
