"""What grew between this snapshot and others: types and holders, before, after and the change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from heapgraph.analysis.diff import WITH_SURVIVORS, diff_snapshots
from heapgraph.analysis.growth.rows import TypeGrowth
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.tui.cells import Column, Row, safe
from heapgraph.tui.page import Page, PageCommand
from heapgraph.tui.places import Inspect, ObjectSet
from heapgraph.tui.rows.object_rows import sizes_text
from heapgraph.tui.tables import RowTable
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.growth.rows import Diff, HolderGrowth
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.cells import Cell
    from heapgraph.tui.places import Compared
    from heapgraph.tui.state import Session

    _Growth = TypeGrowth | HolderGrowth

MAX_ROWS = 1_000
_ORDERS = ("change", "count", "after", "name")

_CHANGE = Column("change", 10, align="right")
_SURVIVED = Column("survived", 9, align="right")
_SHARE = Column("share by", 10, align="right")
_COUNTED = Column("count", 10, align="right")
_SIZES = (Column("before", 9, align="right", rank=3), Column("after", 9, align="right", rank=2))
_COUNTS = Column("objects", 20, align="right", rank=4)


def build_compare(session: Session, place: Compared, progress: Progress) -> Page:
    """The page of a comparison, the oldest snapshot first, whichever of them is open.

    Raises:
        SnapshotFormatError: one of the files is no whole snapshot.
        UsageError: three snapshots of different processes.
    """
    progress("opening", 0, 0)
    place, graphs = _by_age(session.graph, place)
    old, new, *newer = graphs
    result = diff_snapshots(old, progress=progress, new=new, newer=newer, limit=MAX_ROWS)
    page = Page(place, "diff", detail_lines=4)
    view = _View(result, len(graphs), place.position)

    def refresh() -> None:
        before = [table.cursor for table in page.left]
        page.left = [*view.tables()]
        for table, cursor in zip(page.left, before, strict=False):
            table.cursor = cursor
        page.filter_text = view.text
        page.facts = _facts(session, place, view)

    def sort(row: Row | None, progress: Progress) -> None:
        del row, progress
        view.order = view.orders[(view.orders.index(view.order) + 1) % len(view.orders)]
        refresh()

    def narrow(text: str) -> None:
        view.text = text
        refresh()

    refresh()
    page.on_filter = narrow
    page.commands = {"sort": PageCommand(sort)}
    return page


def _by_age(graph: HeapGraph, place: Compared) -> tuple[Compared, list[HeapGraph]]:
    """The snapshots from the oldest to the newest, and the place that says so."""
    graphs = [graph, *map(HeapGraph.open, place.others)]
    ages = [str(one.manifest.get("created", "")) for one in graphs]
    order = sorted(range(len(graphs)), key=lambda number: (ages[number], number))
    others = tuple(place.others[number - 1] for number in order if number)
    return replace(place, others=others, position=order.index(0)), [graphs[n] for n in order]


def _facts(session: Session, place: Compared, view: _View) -> list[tuple[str, str]]:
    files = [safe(file) for file in place.others]
    files.insert(place.position, f"{safe(session.file)} (open here)")
    facts = [
        ("snapshots", " -> ".join(files)),
        ("shown", f"what grew, sorted by {view.order}"),
    ]
    if view.text:
        facts.append(("filter", safe(view.text)))
    if view.native_sentence:
        facts.append(("native", safe(view.native_sentence)))
    return facts


class _View:
    """The rows that fit the filter, in the order that was asked for."""

    def __init__(self, result: Diff, count: int, position: int) -> None:
        """Show all as the analysis ranks them.

        Args:
            result: of the analysis.
            count: how many snapshots.
            position: of the one that is open; Enter looks at its objects.
        """
        self._position = position
        self.text = ""
        self._result = result
        self.native_sentence = result.native_sentence
        self._has_survivors = count == WITH_SURVIVORS
        self._has_shares = count > WITH_SURVIVORS
        # The first is the order of the analysis, which is that of the command line.
        rank = ("survivors",) if self._has_survivors else ("share",) if self._has_shares else ()
        self.orders = (*rank, *_ORDERS)
        self.order = self.orders[0]

    def tables(self) -> list[RowTable]:
        """Types and holders."""
        types = self._chosen(self._result.types)
        holders = self._chosen(self._result.holders)
        survived = (_SURVIVED,) if self._has_survivors else ()
        share = (_SHARE,) if self._has_shares else ()
        left_out = self._result.types_left_out
        items = replace(_COUNTED, title="items")
        return [
            RowTable(
                "types",
                (*survived, _CHANGE, _COUNTED, Column("type", keep="both"), *_SIZES, _COUNTS),
                [self._row(row) for row in types],
                left_out=left_out,
            ),
            RowTable(
                "holders",
                (*survived, *share, _CHANGE, items, Column("holder", keep="both"), *_SIZES),
                [self._row(row) for row in holders],
                left_out=self._result.holders_left_out,
            ),
        ]

    def _chosen(self, rows: Sequence[_Growth]) -> list[_Growth]:
        wanted = self.text.lower()
        chosen = [row for row in rows if wanted in _name(row).lower()]
        if self.order == self.orders[0]:
            return chosen
        if self.order == "change":
            chosen.sort(key=lambda row: -row.size_growth - (row.native_growth or 0))
        elif self.order == "count":
            chosen.sort(key=lambda row: -_count_growth(row))
        elif self.order == "after":
            chosen.sort(key=lambda row: -row.sizes[-1] - (row.native_sizes[-1] or 0))
        elif self.order == "name":
            chosen.sort(key=_name)
        return chosen

    def _row(self, row: _Growth) -> Row:
        counts = _counts(row)
        is_type = isinstance(row, TypeGrowth)
        cells: list[Cell] = []
        if self._has_survivors:
            cells.append(sizes_text(row.survivors_size or 0, row.survivors_native_size or 0))
        if self._has_shares and not isinstance(row, TypeGrowth):
            cells.append(signed_size(row.leak_share_growth or 0))
        cells += [
            change_text(row.size_growth, row.native_growth),
            f"{_count_growth(row):+,}",
            safe(_name(row)),
            sizes_text(row.sizes[0], row.native_sizes[0] or 0),
            sizes_text(row.sizes[-1], row.native_sizes[-1] or 0),
        ]
        noun = "objects" if is_type else "items"
        sizes, numbers = " -> ".join(map(format_size, row.sizes)), map(format_count, counts)
        detail = f"{safe(_name(row))}: {sizes}; {noun} {' -> '.join(numbers)}"
        if any(row.native_sizes):
            native = ("unknown" if size is None else format_size(size) for size in row.native_sizes)
            detail = f"{detail}; native memory {' -> '.join(native)} (estimate)"
        if isinstance(row, TypeGrowth):
            name = f"type:{row.type}"
            cells.append(f"{format_count(counts[0])} -> {format_count(counts[-1])}")
            return Row(tuple(cells), ObjectSet(name), set_text=name, detail=detail)
        holder = row.examples[self._position]
        place = None if holder is None else Inspect(holder)
        return Row(tuple(cells), place, holder, detail=f"{detail}; {safe(row.type)}")


def signed_size(size: int) -> str:
    """A change of bytes: `+1.21 MiB`, `-3 B`, `0 B`."""
    return f"+{format_size(size)}" if size > 0 else format_size(size)


def change_text(objects: int, native: int | None) -> str:
    """A change for a cell; "~" where memory of C code makes it an estimate.

    Args:
        objects: bytes of objects, which are exact.
        native: bytes of C code; None where it is not known, and a tenth of the others is left out.
    """
    if native is None or 10 * abs(native) <= abs(objects):
        return signed_size(objects)
    return f"~{signed_size(objects + native)}"


def _name(row: _Growth) -> str:
    return row.type if isinstance(row, TypeGrowth) else row.expression


def _counts(row: _Growth) -> tuple[int, ...]:
    return row.counts if isinstance(row, TypeGrowth) else row.items


def _count_growth(row: _Growth) -> int:
    counts = _counts(row)
    return counts[-1] - counts[0]
