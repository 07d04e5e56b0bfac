"""Results on stdout, as tables for people or as one JSON document; notes on stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from heapgraph.export.text import begun, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

_PIPE_WIDTH = 4096
"""Columns when stdout is no terminal: nothing that a program reads may be folded or cut."""


_FACT_CHARACTERS = 4096
"""Of a fact: a path has no more. A program may write 6 MiB of command line, a damaged file more."""


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    is_unicode = encoding.lower().replace("-", "") == "utf8"
    click.echo(json.dumps(document, indent=2, ensure_ascii=not is_unicode, allow_nan=False))


def note(text: str) -> None:
    """Print one line for people to stderr."""
    click.echo(printable(text), err=True)


def print_table(
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    header: bool = True,
) -> None:
    """Print a table.

    Args:
        columns: header and justification (`left`, `right`) of each column; the last one may fold.
        rows: cells as text.
        title: a line above it.
        header: whether the headers are printed.
    """
    from rich.console import Console  # noqa: PLC0415 - `--json` and `--help` need no tables
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table: Table = Table(box=None, pad_edge=False, show_header=header, header_style="bold")
    for position, (name, justify) in enumerate(columns):
        is_last = position == len(columns) - 1
        table.add_column(
            name,
            justify="right" if justify == "right" else "left",
            no_wrap=not is_last,
            overflow="fold" if is_last else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(file=sys.stdout, width=width, highlight=False)
    if title:
        click.secho(printable(title), bold=True)
    with console.capture() as capture:
        console.print(table)
    lines = capture.get().splitlines()
    click.echo("\n".join(line.rstrip() for line in lines))


def print_facts(facts: Iterable[tuple[str, str]], *, title: str = "") -> None:
    """Print names and values, one a line; of a long value the beginning."""
    print_table(
        (("", "left"), ("", "left")),
        ((name, begun(text, _FACT_CHARACTERS)) for name, text in facts),
        title=title,
        header=False,
    )


def count_left_out(left_out: int, what: str) -> None:
    """Say on stderr that a list goes on."""
    if left_out > 0:
        note(f"{left_out:,} more {what}; use --limit to see more")
