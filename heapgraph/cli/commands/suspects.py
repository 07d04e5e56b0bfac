"""How `heapgraph suspects` prints."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from heapgraph.cli.output import count_left_out, note, say
from heapgraph.cli.questions import Layout
from heapgraph.safe_text import printable
from heapgraph.units import format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.suspects import LeakSuspect, Suspects
    from heapgraph.cli.questions import Asked

_INDENT = "   "
_WIDEST = 100
"""Columns of a paragraph: longer lines are hard to read."""


def print_suspects(result: Suspects, asked: Asked) -> None:
    """Each suspect as a headline and a paragraph."""
    for number, suspect in enumerate(result.suspects, 1):
        _print_suspect(number, suspect)
    if not result.suspects:
        stands_out = "nothing that may grow" if result.steady else "no holder"
        note(f"no suspects: {stands_out} stands out; compare two snapshots to see what grows")
    count_left_out(result.left_out, "suspects")
    _print_steady(result.steady)
    count_left_out(result.steady_left_out, "that do not grow")
    if result.memory:
        note(f"most of the resident memory is no object's: {result.memory}")
        say(f"next: {shlex.join(['heapgraph', 'memory', asked.file])}")


def suspect_line(suspect: LeakSuspect) -> str:
    """A suspect in one line, for lists."""
    return (
        f"{suspect.expression}: {_sizes(suspect)},"
        f" {format_share(suspect.share)} of the heap ({suspect.kind})"
    )


def _sizes(suspect: LeakSuspect) -> str:
    text = format_size(suspect.retained_size)
    return f"{text} + {format_size(suspect.native_size)} native" if suspect.native_size else text


def _print_steady(steady: Sequence[LeakSuspect]) -> None:
    """What is large and does not grow, in one line each."""
    if not steady:
        return
    say()
    say("Large, but not growing:", bold=True)
    for suspect in steady:
        say(f"{_INDENT}{suspect_line(suspect)}: {suspect.growth.sentence}")


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


LAYOUT = Layout(print_suspects)
