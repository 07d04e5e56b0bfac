"""`heapgraph tui`."""

from __future__ import annotations

from pathlib import Path

import click

from heapgraph.cli.dump import default_output
from heapgraph.cli.output import note
from heapgraph.cli.progress import TerminalProgress
from heapgraph.errors import UsageError


@click.command(name="tui", short_help="Browse a snapshot in the terminal.")
@click.argument("file", metavar="FILE|PID")
@click.option("--serve", is_flag=True, help="Show it in a browser instead, on this machine only.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
def command(file: str, serve: bool, port: int) -> None:
    """Browse a snapshot in the terminal; with a PID, dump that process first.

    Keys: arrows or hjkl move, Enter opens, ? lists the keys that work where you are.
    """
    path = dumped(int(file)) if file.isdecimal() and not Path(file).exists() else file
    if serve:
        serve_browser(path, port)
        return
    from heapgraph.graph.heap_graph import HeapGraph  # noqa: PLC0415 - keeps --help quick
    from heapgraph.tui.app import run  # noqa: PLC0415 - loads Textual

    run(path, HeapGraph.open(path))


def dumped(pid: int) -> str:
    """Dump a process to the default file and return its name."""
    from heapgraph.capture.dump import dump  # noqa: PLC0415 - loads numpy

    path = default_output(pid)
    with TerminalProgress() as progress:
        result = dump(pid, path, progress=progress)
    note(f"wrote {result.path}")
    return str(result.path)


def serve_browser(file: str, port: int) -> None:
    """Serve the browser to web browsers on this machine.

    Raises:
        UsageError: textual-serve is not installed.
    """
    import shlex  # noqa: PLC0415
    import sys  # noqa: PLC0415

    try:
        from textual_serve.server import Server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as failure:
        raise UsageError(
            "textual-serve is not installed",
            "it is needed for --serve only",
            "pip install 'heapgraph[serve]'",
        ) from failure
    from heapgraph.graph.heap_graph import HeapGraph  # noqa: PLC0415

    HeapGraph.open(file)  # a file that cannot be read is refused here, not in every window
    words = [sys.executable, "-m", "heapgraph", "tui", file]
    Server(shlex.join(words), host="127.0.0.1", port=port, title="heapgraph").serve()
