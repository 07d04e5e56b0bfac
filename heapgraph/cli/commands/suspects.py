"""`heapgraph suspects`."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from heapgraph.cli.options import file_argument, json_option, limit_option, opened
from heapgraph.cli.output import count_left_out, note, print_json, say
from heapgraph.safe_text import printable
from heapgraph.units import format_share, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.suspects import LeakSuspect

_INDENT = "   "
_WIDEST = 100
"""Columns of a paragraph: longer lines are hard to read."""


@click.command(name="suspects", short_help="What leaks, probably, and who holds it.")
@file_argument
@limit_option(10, "suspects")
@json_option
def command(file: str, limit: int, as_json: bool) -> None:
    """Name the holders where a large part of the heap gathers, and say why in words.

    The first one is the one to look at first. A heap in which nothing stands out has none.
    """
    from heapgraph.analysis.suspects import find_suspects  # noqa: PLC0415 - loads numpy

    with opened(file) as (graph, progress):
        result = find_suspects(graph, progress=progress, limit=limit)
    if as_json:
        print_json(result.to_dict())
        return
    for number, suspect in enumerate(result.suspects, 1):
        _print_suspect(number, suspect)
    if not result.suspects:
        note("no leak suspects: no holder stands out; compare two snapshots to see what grows")
    count_left_out(result.left_out, "suspects")


def suspect_line(suspect: LeakSuspect) -> str:
    """A suspect in one line, for lists."""
    return (
        f"{suspect.expression}: {format_size(suspect.retained_size)},"
        f" {format_share(suspect.share)} of the heap ({suspect.kind})"
    )


def _print_suspect(number: int, suspect: LeakSuspect) -> None:
    """A headline and the paragraph."""
    if number > 1:
        say()
    say(f"{number}. {suspect_line(suspect)}", bold=True)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDEST
    lines = textwrap.wrap(
        printable(suspect.reason),
        min(width, _WIDEST),
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
    say(*lines, f"{_INDENT}fingerprint {suspect.fingerprint}")
