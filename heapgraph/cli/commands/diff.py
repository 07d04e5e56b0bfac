"""`heapgraph diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from heapgraph.cli.options import json_option, limit_option, opened
from heapgraph.cli.output import count_left_out, note, print_json, print_table, say
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.growth.rows import Diff, HolderGrowth

_DEFAULT_ROWS = 20


@click.command(name="diff", short_help="What grew between snapshots.")
@click.argument("old", type=click.Path(path_type=str))
@click.argument("new", type=click.Path(path_type=str))
@click.argument("newer", type=click.Path(path_type=str), nargs=-1, metavar="[NEWER]...")
@limit_option(None, "holders and types to list", shown_default=f"{_DEFAULT_ROWS}, or all as JSON")
@json_option
def command(old: str, new: str, newer: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Compare snapshots of one program: which holders and which types grew.

    With three snapshots of one process the rank is what survived: objects made between OLD and NEW
    that are still there in NEWER. What merely comes and goes is not counted.

    With four or more, of one process or of several runs, only what grew in every one of them is
    listed, ranked by how much more of the heap nothing but the holder keeps alive.
    """
    from heapgraph.analysis.diff import diff_snapshots  # noqa: PLC0415 - loads numpy

    rows = limit or (None if as_json else _DEFAULT_ROWS)
    with opened(old) as (graph, progress):
        result = diff_snapshots(graph, progress=progress, new=new, newer=newer, limit=rows)
    if as_json:
        print_json(result.to_dict())
        return
    if not result.holders and not result.types:
        note("nothing grew in every snapshot" if len(newer) > 1 else "nothing grew")
        return
    _print_holders(result)
    say()
    _print_types(result)
    count_left_out(result.types_left_out, "types that grew")


def _print_holders(result: Diff) -> None:
    columns = [("growth", "right"), ("items", "right"), ("sizes", "left"), ("holder", "left")]
    cells = []
    for row in result.holders:
        sizes = " -> ".join(format_size(size) for size in row.sizes)
        name = f"{row.expression} ({row.type})"
        cells.append([_signed(row.size_growth), f"{row.item_growth:+,}", sizes, name])
    _with_survivors(columns, cells, [row.survivors_size for row in result.holders])
    _with_leak_shares(columns, cells, result.holders)
    print_table(columns, cells, title="holders")


def _print_types(result: Diff) -> None:
    columns = [("growth", "right"), ("objects", "right"), ("counts", "left"), ("type", "left")]
    cells = []
    for row in result.types:
        counts = " -> ".join(format_count(count) for count in row.counts)
        cells.append([_signed(row.size_growth), f"{row.count_growth:+,}", counts, row.type])
    _with_survivors(columns, cells, [row.survivors_size for row in result.types])
    print_table(columns, cells, title="types")


def _with_survivors(
    columns: list[tuple[str, str]], cells: list[list[str]], sizes: list[int | None]
) -> None:
    """Put the survivors before everything else, where there are three snapshots."""
    if any(size is not None for size in sizes):
        columns.insert(0, ("survived", "right"))
        for row, size in zip(cells, sizes, strict=True):
            row.insert(0, format_size(size or 0))


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
