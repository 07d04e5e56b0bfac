"""`heapgraph histogram`."""

from __future__ import annotations

import click

from heapgraph.cli.options import file_argument, json_option, limit_option, opened
from heapgraph.cli.output import count_left_out, note, print_json, print_table
from heapgraph.units import format_count, format_size

_DEFAULT_ROWS = 30


@click.command(name="histogram", short_help="Objects and sizes per type.")
@file_argument
@click.option("--exact", is_flag=True, help="Make the retained size of every type exact (slow).")
@limit_option(None, "types to list", shown_default=f"{_DEFAULT_ROWS}, or all as JSON")
@json_option
def command(file: str, exact: bool, limit: int | None, as_json: bool) -> None:
    """Count the objects of every type, with their sizes.

    The retained size is what would be freed if all objects of the type went. It is exact for the
    largest types; for the others it is a minimum, marked with >=.
    """
    from heapgraph.analysis.histogram import type_histogram  # noqa: PLC0415 - loads numpy

    rows = limit or (None if as_json else _DEFAULT_ROWS)
    with opened(file) as (graph, progress):
        result = type_histogram(graph, progress=progress, limit=rows, exact=exact)
    if as_json:
        print_json(result.to_dict())
    else:
        print_table(
            (("retained", "right"), ("shallow", "right"), ("count", "right"), ("type", "left")),
            (
                (
                    ("" if position < result.exact else ">= ") + format_size(row.retained_size),
                    format_size(row.shallow_size),
                    format_count(row.count),
                    row.type,
                )
                for position, row in enumerate(result.types)
            ),
        )
        count_left_out(result.left_out, "types")
    if result.exact < len(result.types):
        minimums = format_count(len(result.types) - result.exact)
        note(f"the retained sizes of the last {minimums} types are minimums; use --exact")
