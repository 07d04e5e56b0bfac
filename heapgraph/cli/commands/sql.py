"""`heapgraph sql`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from heapgraph.cli.numbers import Seconds
from heapgraph.cli.options import file_argument, json_option, limit_option, opened
from heapgraph.cli.output import note, print_json, print_table
from heapgraph.units import format_count

if TYPE_CHECKING:
    from heapgraph.analysis.sql import SqlResult

_DEFAULT_ROWS = 50


@click.command(name="sql", short_help="Ask in SQL (DuckDB), read-only.")
@file_argument
@click.argument("query")
@limit_option(None, "rows to print", shown_default=f"{_DEFAULT_ROWS}, or all as JSON")
@click.option(
    "--time-limit",
    type=Seconds(),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="Stop the query when it takes longer.",
)
@json_option
def command(file: str, query: str, limit: int | None, time_limit: float, as_json: bool) -> None:
    """Run one query over the snapshot: objects, refs, types, roots, dominators, threads, maps.

    Try `describe objects`, or `select * from instances('app.Order') order by retained_size desc`.
    A query reads the snapshot and nothing else: no files, no extensions.
    """
    from heapgraph.analysis.sql import query_heap  # noqa: PLC0415 - loads numpy

    rows = limit or (None if as_json else _DEFAULT_ROWS)
    with opened(file) as (graph, progress):
        result = query_heap(
            graph, progress=progress, query=query, limit=rows, time_limit=time_limit
        )
    if as_json:
        print_json(result.to_dict())
        return
    _print_rows(result)
    if result.left_out:
        note(f"only the first {format_count(len(result.rows))} rows; use --limit to see more")


def _print_rows(result: SqlResult) -> None:
    numeric = [
        all(isinstance(row[place], int | float | None) for row in result.rows)
        for place in range(len(result.columns))
    ]
    print_table(
        [
            (name, "right" if right else "left")
            for name, right in zip(result.columns, numeric, strict=True)
        ],
        ([_cell(value) for value in row] for row in result.rows),
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
