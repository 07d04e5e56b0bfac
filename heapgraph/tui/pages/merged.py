"""Who holds the objects of a set: their paths from the roots, merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.merged_paths import merged_paths
from heapgraph.analysis.paths import path_row
from heapgraph.tui.cells import Bar, Column, Row, safe
from heapgraph.tui.page import Page
from heapgraph.tui.places import Inspect
from heapgraph.tui.rows.object_rows import GROWTH, NAME, RETAINED, native_detail, sizes_text
from heapgraph.tui.tables import RowTable
from heapgraph.units import format_count

if TYPE_CHECKING:
    from heapgraph.analysis.merged_paths import MergedPath
    from heapgraph.analysis.paths import PathRow
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.places import MergedPathsTo
    from heapgraph.tui.state import Session

MAX_HOLDERS = 100
_COLUMNS = (
    Column("objects", 10, align="right"),
    Column("", 10, rank=3),
    RETAINED,
    NAME,
    Column("root", 8, rank=2),
)
_COLUMNS_WITH_GROWTH = (*_COLUMNS[:3], GROWTH, *_COLUMNS[3:])


def build_merged(session: Session, place: MergedPathsTo, progress: Progress) -> Page:
    """The page of a set's holders."""
    members = session.members(place.text, progress)
    progress("paths from the roots", 0, 0)
    paths = session.graph.root_paths
    groups, unreached = merged_paths(session.graph, paths, members, MAX_HOLDERS, progress)
    total = len(members)
    paths_to_holders = [path_row(session.graph, group.path) for group in groups]
    with_growth = any(path.growth for path in paths_to_holders)
    rows = [
        _row(group, path, total, with_growth=with_growth)
        for group, path in zip(groups, paths_to_holders, strict=True)
    ]
    text = safe(place.text)
    page = Page(place, f"holders of {text}", set_text=place.text)
    columns = _COLUMNS_WITH_GROWTH if with_growth else _COLUMNS
    left_out = total - unreached - sum(group.count for group in groups)
    page.left = [RowTable("held by", columns, rows, left_out=left_out)]
    page.facts = [("set", f"{text}, {format_count(total)} objects")]
    if unreached:
        page.facts.append(("unreached", f"{format_count(unreached)} of them by no path"))
    return page


def _row(group: MergedPath, path: PathRow, total: int, *, with_growth: bool) -> Row:
    holder = path.steps[-1].id
    name = safe(path.expression)
    cells = (
        format_count(group.count),
        Bar(group.count / max(1, total)),
        sizes_text(group.retained_size, group.native_size),
        *((safe(str(path.growth or "")),) if with_growth else ()),
        name,
        path.root.kind,
    )
    detail = name if path.growth is None else f"{name}  {safe(path.growth.sentence)}"
    if group.native_size:
        detail = f"{detail}  {native_detail(group.retained_size, group.native_size)}"
    return Row(cells, Inspect(holder), holder, detail=detail)
