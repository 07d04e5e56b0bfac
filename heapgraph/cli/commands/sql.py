"""How `heapgraph sql` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.cli.output import note, print_table
from heapgraph.cli.questions import Layout
from heapgraph.units import format_count

if TYPE_CHECKING:
    from heapgraph.analysis.sql import SqlResult
    from heapgraph.cli.questions import Asked


def print_sql(result: SqlResult, asked: Asked) -> None:
    """The rows of a query."""
    del asked
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


LAYOUT = Layout(print_sql)
