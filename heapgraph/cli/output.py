"""All that the command line writes: results on stdout, notes, progress and errors on stderr.

No other module of `cli` writes to a stream (a test checks it), so that there is one place where
text of a target, of a file or of a message is made safe to look at.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

import click

from heapgraph.safe_text import begun, json_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

_PIPE_WIDTH = 4096
"""Columns when stdout is no terminal: nothing that a program reads may be folded or cut."""


_FACT_CHARACTERS = 4096
"""Of a fact: a path has no more. A program may write 6 MiB of command line, a damaged file more."""


def say(*lines: str, bold: bool = False) -> None:
    """Print lines to stdout; without one, an empty line."""
    for line in lines or ("",):
        text = printable(line)
        _write(click.style(text, bold=True) if bold else text)


def note(text: str) -> None:
    """Print one line for people to stderr."""
    _write(printable(text), to_stderr=True)


def print_at_once(text: str, *, to_stderr: bool = False) -> OSError | None:
    """Print one line, unbuffered, for who must go on whatever becomes of its reader.

    Returns:
        Why it could not be written; None where it was. Nothing of it is tried again.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    encoding = getattr(stream, "encoding", None) or "ascii"
    line = (printable(text) + "\n").encode(encoding, "backslashreplace")
    try:
        stream.flush()
        while line:
            line = line[os.write(stream.fileno(), line) :]
    except OSError as error:
        return error
    return None


def complain(label: str, text: str, colour: str | None = None) -> None:
    """Print one line of an error to stderr, with its name in front."""
    _write(click.style(label, bold=True, fg=colour) + printable(text), to_stderr=True)


def print_help(text: str) -> None:
    """Print a help page to stderr, for whom that is an error."""
    for line in text.splitlines():
        note(line)


def print_traceback(failure: Exception) -> None:
    """Print a traceback to stderr."""
    for part in traceback.format_exception(failure):
        for line in part.rstrip("\n").split("\n"):
            note(line)


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document."""
    _write(json_text(document, ascii_only=not _is_unicode(sys.stdout)))


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
            Text(printable(name)),
            justify="right" if justify == "right" else "left",
            no_wrap=not is_last,
            overflow="fold" if is_last else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(file=sys.stdout, width=width, highlight=False)
    if title:
        say(title, bold=True)
    with console.capture() as capture:
        console.print(table)
    lines = capture.get().splitlines()
    _write("\n".join(line.rstrip() for line in lines))


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


def progress_console() -> Console:
    """Where a progress bar is drawn; its texts have to be `printable`, and no markup."""
    from rich.console import Console  # noqa: PLC0415 - most commands are over before this

    return Console(file=sys.stderr, markup=False)


def _write(text: str, *, to_stderr: bool = False) -> None:
    """Write text that is safe already, with what the stream's encoding lacks written out."""
    stream = sys.stderr if to_stderr else sys.stdout
    if (encoding := getattr(stream, "encoding", None)) and not _is_unicode(stream):
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    click.echo(text, err=to_stderr)


def _is_unicode(stream: object) -> bool:
    encoding = getattr(stream, "encoding", None) or "ascii"
    return encoding.lower().replace("-", "") == "utf8"
