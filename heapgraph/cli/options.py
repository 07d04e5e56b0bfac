"""Arguments and options that several commands share, and the opening of a snapshot."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from heapgraph.cli.output import note
from heapgraph.cli.progress import TerminalProgress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document; sizes in bytes."
)


@contextmanager
def opened(file: str) -> Iterator[tuple[HeapGraph, Progress]]:
    """Open a snapshot for a command, with a progress bar for what takes long.

    Raises:
        SnapshotFormatError: the file is not a whole snapshot.
    """
    from heapgraph.graph.heap_graph import HeapGraph  # noqa: PLC0415 - keeps --help quick

    with TerminalProgress() as progress:
        graph = HeapGraph.open(file)
        yield graph, progress
    if graph.cache_refusal:
        note(f"nothing is kept between runs: {graph.cache_refusal}; HEAPGRAPH_CACHE names another")
