"""`heapgraph dominators`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from heapgraph.cli.options import file_argument, json_option, limit_option, opened
from heapgraph.cli.output import count_left_out, print_json, print_table
from heapgraph.units import format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.analysis.object_rows import ObjectRow

COLUMNS = (
    ("retained", "right"),
    ("share", "right"),
    ("shallow", "right"),
    ("id", "right"),
    ("type", "left"),
    ("expression", "left"),
)


def object_cells(rows: Iterable[ObjectRow]) -> Iterable[tuple[str, ...]]:
    """Cells of a table of objects; see `COLUMNS`."""
    for row in rows:
        yield (
            format_size(row.retained_size),
            format_share(row.share),
            format_size(row.shallow_size),
            f"@{row.id}",
            row.type,
            row.expression,
        )


@click.command(name="dominators", short_help="The biggest objects by retained size.")
@file_argument
@click.option(
    "--of",
    metavar="OBJECT",
    help="List what this object immediately dominates; <roots>: what no object does.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Show each __dict__ apart from its owner, and every node of linked lists.",
)
@limit_option(20, "objects to list")
@json_option
def command(file: str, of: str | None, raw: bool, limit: int, as_json: bool) -> None:
    """List the biggest objects of a snapshot by retained size.

    The retained size of an object is what would be freed if it went. An instance or a module and
    its __dict__ count as one object; of a linked list the first node is listed.
    """
    from heapgraph.analysis.dominators import largest_objects  # noqa: PLC0415 - loads numpy

    with opened(file) as (graph, progress):
        result = largest_objects(graph, progress=progress, of=of, limit=limit, raw=raw)
    if as_json:
        print_json(result.to_dict())
        return
    print_table(COLUMNS, object_cells(result.objects))
    count_left_out(result.left_out, "objects")
