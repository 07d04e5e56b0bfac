"""`heapgraph ps`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from heapgraph.cli.output import note, print_json, print_table
from heapgraph.units import format_size

if TYPE_CHECKING:
    from heapgraph.watch.sampling.python_processes import PythonProcess


@click.command(name="ps", short_help="List Python processes, and whether each can be dumped.")
@click.option("--match", "text", default="", metavar="TEXT", help="Command line contains TEXT.")
@click.option(
    "--all",
    "look_into_all",
    is_flag=True,
    help="Look into programs of any name: some have a Python built in.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def ps_command(text: str, look_into_all: bool, as_json: bool) -> None:
    """List the Python processes that can be seen here.

    None is stopped. Of each: its version, its memory, the container or unit it runs in, how it can
    be dumped, or why it cannot.
    """
    from heapgraph.watch.sampling.python_processes import python_processes  # noqa: PLC0415

    found = list(python_processes(text, look_into_all=look_into_all))
    if as_json:
        print_json({"processes": [asdict(one) for one in found]})
        return
    if not found:
        note("no Python process can be seen here" + (f" with {text!r}" if text else ""))
        return
    print_table(
        (
            *(("pid", "right"), ("python", "left"), ("rss", "right"), ("private", "right")),
            *(("where", "left"), ("dump", "left"), ("command", "left")),
        ),
        map(_cells, found),
    )
    for one in found:
        if one.reason:
            note(f"{one.pid}: {one.reason}" + (f": {one.hint}" if one.hint else ""))


def _cells(one: PythonProcess) -> tuple[str, ...]:
    sizes = ("?" if size is None else format_size(size) for size in (one.rss, one.private))
    where = one.unit or (f"container {one.container}" if one.container else "-")
    return (str(one.pid), one.python or "?", *sizes, where, one.method or "no", one.command)
