"""`heapgraph waste`."""

from __future__ import annotations

import click

from heapgraph.cli.numbers import MOST_BYTES, WholeNumber
from heapgraph.cli.options import file_argument, json_option, limit_option, opened
from heapgraph.cli.output import count_left_out, note, print_json, print_table
from heapgraph.units import format_count, format_size

_DEFAULT_ROWS = 20


@click.command(name="waste", short_help="Waste and leaks, each with owners and a fix.")
@file_argument
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="NAME",
    help="Run only this detector; may be given several times. [default: all]",
)
@click.option(
    "--min-size",
    type=WholeNumber(0, MOST_BYTES),
    default=None,
    metavar="BYTES",
    help="Leave out waste below this size. [default: 1 % of the heap, at most 1 MiB]",
)
@limit_option(None, "findings to list", shown_default=f"{_DEFAULT_ROWS}, or all as JSON")
@json_option
def command(
    file: str, detectors: tuple[str, ...], min_size: int | None, limit: int | None, as_json: bool
) -> None:
    """Find what could be smaller and what should not be there.

    Each finding says how many bytes would be freed, how many objects are concerned, who holds
    them, and what to do. Leaks (things that pile up) are reported whatever their size.
    """
    from heapgraph.analysis.waste import find_waste  # noqa: PLC0415 - loads numpy

    rows = limit or (None if as_json else _DEFAULT_ROWS)
    with opened(file) as (graph, progress):
        result = find_waste(
            graph, progress=progress, limit=rows, min_size=min_size, detectors=detectors
        )
    if as_json:
        print_json(result.to_dict())
        return
    if not result.findings:
        note(f"no leak, and no waste of {format_size(result.minimum)} or more")
        return
    cells = []
    for finding in result.findings:
        size, count = format_size(finding.wasted_size), format_count(finding.count)
        cells.append((size, count, finding.detector, finding.advice))
        cells += [("", "", "", f"  held by {owner}") for owner in finding.owners]
    columns = (("wasted", "right"), ("count", "right"), ("detector", "left"), ("what", "left"))
    print_table(columns, cells)
    count_left_out(result.left_out, "findings")
