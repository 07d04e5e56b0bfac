"""`heapgraph path`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from heapgraph.cli.numbers import WholeNumber
from heapgraph.cli.options import file_argument, json_option, limit_option, opened
from heapgraph.cli.output import note, print_json, print_table, say
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.paths import PathRow, Paths

_MAX_STEPS = 60
_END_STEPS = 20


@click.command(name="path", short_help="Why objects are alive: paths from the roots.")
@file_argument
@click.argument("objects", metavar="OBJECT...", nargs=-1, required=True)
@click.option(
    "--all",
    "count",
    type=WholeNumber(1),
    default=1,
    metavar="N",
    help="Show up to N different paths to a single object. [default: 1]",
)
@click.option(
    "--exclude",
    metavar="KINDS",
    default="",
    help="Kinds of references and roots not to use, with commas between: weak,frame,type,c-held...",
)
@limit_option(20, "merged paths of a set to list")
@json_option
def command(  # noqa: PLR0917 - click passes every parameter by name
    file: str, objects: tuple[str, ...], count: int, exclude: str, limit: int, as_json: bool
) -> None:
    """Show the shortest paths from the roots to objects.

    OBJECT is @ID, an address, an expression, or type:NAME for all objects of a type. The paths of
    several objects are merged: one row for each holder, with the number and size of what it holds.
    """
    from heapgraph.analysis.paths import paths_to  # noqa: PLC0415 - loads numpy

    excluded = [name.strip() for name in exclude.split(",") if name.strip()]
    with opened(file) as (graph, progress):
        result = paths_to(
            graph, progress=progress, objects=objects, count=count, exclude=excluded, limit=limit
        )
    if as_json:
        print_json(result.to_dict())
    elif result.objects > 1:
        _print_merged(result)
    else:
        for row in result.paths:
            _print_path(row)
    if result.unreached:
        condition = " under these conditions" if excluded else ""
        note(f"no path leads to {format_count(result.unreached)} of the objects{condition}")


def _print_merged(result: Paths) -> None:
    print_table(
        (
            ("objects", "right"),
            ("shallow", "right"),
            ("retained", "right"),
            ("root", "left"),
            ("held by", "left"),
        ),
        (
            (
                format_count(row.count or 0),
                format_size(row.shallow_size or 0),
                format_size(row.retained_size or 0),
                row.root.kind,
                row.expression,
            )
            for row in result.paths
        ),
    )
    shown = sum(row.count or 0 for row in result.paths)
    rest = result.objects - result.unreached - shown
    if rest > 0:
        note(f"{format_count(rest)} more objects are held elsewhere; use --limit to see more")


def _print_path(row: PathRow) -> None:
    """The expression, then the objects on the way; the middle of a long chain is left out."""
    cells = [(f"@{step.id}", step.type, step.label_kind, step.label or "") for step in row.steps]
    if (left_out := len(cells) - 2 * _END_STEPS) > 0 and len(cells) > _MAX_STEPS:
        middle = ("", f"... {format_count(left_out)} more", "", "")
        cells = [*cells[:_END_STEPS], middle, *cells[-_END_STEPS:]]
    say(row.expression, f"  root: {row.root.kind} {row.root.name}".rstrip())
    print_table((("id", "right"), ("type", "left"), ("by", "left"), ("label", "left")), cells)
