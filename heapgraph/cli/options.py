"""Arguments and options that several commands share, and the opening of a snapshot."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from heapgraph.cli.numbers import WholeNumber
from heapgraph.cli.output import note
from heapgraph.cli.progress import TerminalProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

_Command = TypeVar("_Command", bound="Callable[..., Any]")

file_argument = click.argument("file", type=click.Path(path_type=str))

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document; sizes in bytes."
)


def limit_option(
    default: int | None, what: str, *, shown_default: str = ""
) -> Callable[[_Command], _Command]:
    """The option `--limit N`.

    Args:
        default: rows when it is not given; None for all.
        what: what is limited, after "How many".
        shown_default: the default in words, where `default` does not say it.
    """
    return click.option(
        "--limit",
        type=WholeNumber(1),
        default=default,
        metavar="N",
        help=f"How many {what}. [default: {shown_default or default}]",
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
