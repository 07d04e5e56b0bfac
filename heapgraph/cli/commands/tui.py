"""`heapgraph tui`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from heapgraph.cli.commands.dump import default_output
from heapgraph.cli.output import note, say
from heapgraph.cli.progress import TerminalProgress
from heapgraph.errors import UsageError

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.screens.opening import Opened


@click.command(name="tui", short_help="Browse a snapshot in the terminal.")
@click.argument("file", metavar="FILE|PID")
@click.option("--serve", is_flag=True, help="Show it in a browser instead, on this machine only.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
def tui_command(file: str, serve: bool, port: int) -> None:
    """Browse a snapshot in the terminal; with a PID, dump that process first.

    Keys: arrows or hjkl move, Enter opens, ? lists the keys that work where you are.
    """
    is_process = file.isascii() and file.isdecimal() and not Path(file).exists()
    if serve:
        serve_browser(dumped(int(file)) if is_process else file, port)
        return
    check_terminal()
    from heapgraph.tui.app import run  # noqa: PLC0415 - loads Textual
    from heapgraph.tui.loading import load  # noqa: PLC0415
    from heapgraph.tui.screens.opening import PendingSnapshot  # noqa: PLC0415

    if is_process:
        pid = int(file)
        path = default_output(pid)
        run(PendingSnapshot(f"process {pid}", lambda progress: _dump(pid, path, progress)))
        if path.exists():
            note(f"wrote {path}")
    else:
        run(PendingSnapshot(file, lambda progress: load(file, progress)))


_UNDRAWABLE = frozenset({"dumb", "unknown"})
"""Values of TERM that say the cursor cannot be moved."""


def check_terminal() -> None:
    """Refuse to draw where nobody could see it, or nobody could press a key.

    Raises:
        UsageError: there is no terminal, or it says that it cannot be drawn on.
    """
    if "TEXTUAL_DRIVER" in os.environ:  # it is drawn by something else, e.g. for a web browser
        return
    term = os.environ.get("TERM", "")
    hint = "heapgraph summary FILE, heapgraph suspects FILE, or heapgraph tui FILE --serve"
    if term in _UNDRAWABLE:
        raise UsageError(
            f"this terminal cannot be drawn on: TERM={term}",
            "it is the inside of an editor or of a script, or TERM was lost on the way",
            f"TERM=xterm if it is a real one; otherwise {hint}",
        )
    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # what Textual reads and writes
        raise UsageError(
            "there is no terminal to browse in",
            "standard input or standard error is a file or a pipe, e.g. in ssh without -t",
            hint,
        )


def _dump(pid: int, path: Path, progress: Progress) -> Opened:
    from heapgraph.capture.dump import dump  # noqa: PLC0415 - after the first frame
    from heapgraph.tui.loading import load  # noqa: PLC0415

    result = dump(pid, path, progress=progress)
    return load(str(path), progress, (f"wrote {path}", *result.notes))


def dumped(pid: int) -> str:
    """Dump a process to the default file and return its name."""
    from heapgraph.capture.dump import dump  # noqa: PLC0415 - loads numpy

    path = default_output(pid)
    with TerminalProgress() as progress:
        result = dump(pid, path, progress=progress)
    for text in (f"wrote {result.path}", *result.notes):
        note(text)
    return str(result.path)


def serve_browser(file: str, port: int) -> None:
    """Serve the browser to web browsers on this machine, until Ctrl-C.

    Raises:
        UsageError: textual-serve is not installed, or nobody can listen at the port.
        SnapshotFormatError: the file cannot be read.
    """
    import asyncio  # noqa: PLC0415

    try:
        from heapgraph.tui.serving.serve import BrowserServer  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError as failure:
        raise UsageError(
            "textual-serve is not installed",
            "it is needed for --serve only",
            "pip install 'heapgraph[serve]'",
        ) from failure
    from heapgraph.graph.heap_graph import HeapGraph  # noqa: PLC0415

    check_isolated()
    HeapGraph.open(file)  # a file that cannot be read is refused here, not in every window
    asyncio.run(BrowserServer(file, port).serve(announce))


def announce(address: str) -> None:
    """Print where to look: on stdout, since it is what was asked for, and nowhere else."""
    say(address)
    note("who has this address sees the snapshot; Ctrl-C ends the server and every window")


def check_isolated() -> None:
    """Refuse to serve when a window could not import heapgraph from where Python keeps packages.

    A window runs as this user in a folder of anybody's: it looks for modules neither there, nor in
    PYTHONPATH, nor among the packages that a user has for himself.

    Raises:
        UsageError: it is installed only where a window does not look.
    """
    words = [sys.executable, "-I", "-c", "import heapgraph.tui.serving.served"]
    if subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode:
        raise UsageError(
            "a served window cannot import heapgraph",
            "it is found through PYTHONPATH, the current folder or pip install --user, and a window"
            " imports from none of them",
            "install it into a virtual environment, e.g. pipx install 'heapgraph[serve]'",
        )
