"""`heapgraph capture`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from heapgraph.cli.commands.dump import default_output
from heapgraph.cli.numbers import Milliseconds, WholeNumber
from heapgraph.cli.output import note, print_facts, say
from heapgraph.errors import UsageError
from heapgraph.units import format_seconds, format_size

if TYPE_CHECKING:
    from heapgraph.capture.capture_process import CaptureResult

SUFFIX = ".core.zst"
"""Of captures, after the name that a snapshot would have."""


@click.command(name="capture", short_help="Copy a process's memory, to make a snapshot elsewhere.")
@click.argument("pid", type=WholeNumber(1), metavar="PID")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write; - is standard output. [default: PROGRAM-PID-DATE-TIME.core.zst, here]",
)
@click.option(
    "--method",
    type=click.Choice(["clone", "pause"]),
    default="clone",
    show_default=True,
    help="clone: copy-on-write child, a pause of milliseconds. pause: it stands while it is read.",
)
@click.option(
    "--max-pause",
    type=Milliseconds(),
    metavar="MS",
    help="With --method pause: give up when it has stood for so long. [default: 10000]",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def capture_command(
    pid: int, output: Path | None, method: str, max_pause: float | None, force: bool
) -> None:
    """Copy the memory of the Python process PID into a packed core file.

    It needs at most 64 MiB, whatever the size of the process. `heapgraph dump --core FILE` makes a
    snapshot of it, here or on another machine. The file contains the memory of the process.
    """
    from heapgraph.capture.capture_process import capture_process  # noqa: PLC0415 - loads numpy

    if max_pause is not None and method != "pause":
        raise UsageError(
            f"--max-pause {max_pause:g} has no meaning for a clone",
            "the process stands for milliseconds only",
            "leave it away, or use --method pause",
        )
    if output == Path("-"):
        _refuse_terminal(pid)
        result = capture_process(pid, sys.stdout.fileno(), method=method, max_pause_ms=max_pause)
        for name, value in _facts(result):
            note(f"{name.ljust(7)}  {value}")
    else:
        path = output or default_output(pid).with_suffix(SUFFIX)
        result = capture_process(pid, path, method=method, max_pause_ms=max_pause, force=force)
        print_facts([("capture", f"{path} ({format_size(result.written)})"), *_facts(result)])
        say()
        say(f"next: {shlex.join(['heapgraph', 'dump', '--core', str(path)])}")
    for text in result.notes:
        note(text)


def _refuse_terminal(pid: int) -> None:
    if os.isatty(sys.stdout.fileno()):
        raise UsageError(
            "standard output is a terminal",
            "memory is no text, and could change what the terminal does",
            f"heapgraph capture {pid} -o - > FILE{SUFFIX}",
        )


def _facts(result: CaptureResult) -> list[tuple[str, str]]:
    return [
        ("pause", f"{format_seconds(result.pause_s)} ({result.method})"),
        ("memory", format_size(result.stored)),
    ]
