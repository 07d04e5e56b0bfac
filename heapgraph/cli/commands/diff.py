"""How `heapgraph diff` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.cli.output import count_left_out, note, print_facts, print_table, say
from heapgraph.cli.questions import Layout
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.growth.rows import Diff, DiffTotals, HolderGrowth, TypeGrowth
    from heapgraph.cli.questions import Asked


def print_diff(result: Diff, asked: Asked) -> None:
    """Holders and types that grew, with survivors or shares where there are enough snapshots."""
    print_facts(_totals(result.totals))
    say()
    if not result.holders and not result.types:
        _say_native(result)
        note("nothing grew in every snapshot" if len(asked.values["newer"]) > 1 else "nothing grew")
        return
    _print_holders(result)
    count_left_out(result.holders_left_out, "holders that grew")
    say()
    _print_types(result)
    count_left_out(result.types_left_out, "types that grew")
    if result.native_sentence:
        say()
        _say_native(result)


def _say_native(result: Diff) -> None:
    if result.native_sentence:
        say(result.native_sentence)


def _totals(totals: DiffTotals) -> list[tuple[str, str]]:
    """What each snapshot is in all, old -> new."""
    counts = " -> ".join(map(format_count, totals.objects))
    facts = [
        ("resident", _arrows(totals.resident_sizes)),
        ("objects", f"{_arrows(totals.objects_sizes)} ({counts})"),
    ]
    if any(totals.garbage_sizes):
        facts.append(("garbage", _arrows(totals.garbage_sizes)))
    if any(totals.native_sizes):
        facts.append(("native memory", f"{_arrows(totals.native_sizes)} (estimate)"))
    return facts


def _arrows(sizes: Sequence[int | None]) -> str:
    return " -> ".join("unknown" if size is None else format_size(size) for size in sizes)


def _print_holders(result: Diff) -> None:
    columns = [("growth", "right"), ("items", "right"), ("sizes", "left"), ("holder", "left")]
    cells = []
    for row in result.holders:
        sizes = _arrows(row.sizes)
        name = f"{row.expression} ({row.type})"
        cells.append([_signed(row.size_growth), f"{row.item_growth:+,}", sizes, name])
    _with_native(columns, cells, result.holders)
    _with_survivors(columns, cells, result.holders)
    _with_leak_shares(columns, cells, result.holders)
    print_table(columns, cells, title="holders")


def _print_types(result: Diff) -> None:
    columns = [("growth", "right"), ("objects", "right"), ("counts", "left"), ("type", "left")]
    cells = []
    for row in result.types:
        counts = " -> ".join(format_count(count) for count in row.counts)
        cells.append([_signed(row.size_growth), f"{row.count_growth:+,}", counts, row.type])
    _with_native(columns, cells, result.types)
    _with_survivors(columns, cells, result.types)
    print_table(columns, cells, title="types")


def _with_native(
    columns: list[tuple[str, str]],
    cells: list[list[str]],
    rows: Sequence[HolderGrowth | TypeGrowth],
) -> None:
    """Put what C code has behind the growth and before the name, where any row has some."""
    if not any(size for row in rows for size in row.native_sizes):
        return
    columns.insert(1, ("native (estimate)", "right"))
    columns.insert(-1, ("native sizes", "left"))
    for cell, row in zip(cells, rows, strict=True):
        has_any = row.native_growth is None or any(row.native_sizes)
        growth = "unknown" if row.native_growth is None else _signed(row.native_growth)
        cell.insert(1, growth if has_any else "")
        cell.insert(-1, _arrows(row.native_sizes) if has_any else "")


def _with_survivors(
    columns: list[tuple[str, str]],
    cells: list[list[str]],
    rows: Sequence[HolderGrowth | TypeGrowth],
) -> None:
    """Put the survivors before everything else, where there are three snapshots."""
    if all(row.survivors_size is None for row in rows):
        return
    if any(row.survivors_native_size for row in rows):
        columns.insert(0, ("native survived", "right"))
        for cell, row in zip(cells, rows, strict=True):
            size = row.survivors_native_size
            cell.insert(0, format_size(size) if size else "")
    columns.insert(0, ("survived", "right"))
    for cell, row in zip(cells, rows, strict=True):
        cell.insert(0, format_size(row.survivors_size or 0))


def _with_leak_shares(
    columns: list[tuple[str, str]], cells: list[list[str]], rows: Sequence[HolderGrowth]
) -> None:
    """Put the share of the heap, by which four and more snapshots are ranked, first."""
    if any(row.leak_share_growth is not None for row in rows):
        columns[:0] = [("share grew by", "right"), ("to", "right")]
        for cell, row in zip(cells, rows, strict=True):
            cell[:0] = [_signed(row.leak_share_growth or 0), format_size(row.leak_share or 0)]


def _signed(size: int) -> str:
    return f"+{format_size(size)}" if size > 0 else format_size(size)


LAYOUT = Layout(print_diff)
