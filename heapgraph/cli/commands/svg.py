"""`heapgraph svg`."""

from __future__ import annotations

from pathlib import Path

import click

from heapgraph.cli.numbers import WholeNumber
from heapgraph.cli.options import file_argument, opened
from heapgraph.cli.output import note
from heapgraph.errors import HeapgraphError


@click.command(name="svg", short_help="A picture of what keeps an object alive.")
@file_argument
@click.argument("object_", metavar="OBJECT")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="X.svg",
    help="Picture to write.",
)
@click.option("--dominators", is_flag=True, help="Draw what OBJECT retains instead.")
@click.option(
    "--all",
    "count",
    type=WholeNumber(1),
    default=1,
    metavar="N",
    help="Draw up to N different chains. [default: 1]",
)
@click.option("--force", is_flag=True, help="Overwrite X.svg.")
@click.option(
    "--limit",
    type=WholeNumber(1),
    default=6,
    metavar="N",
    help="How many children of each object to draw, with --dominators. [default: 6]",
)
def svg_command(  # noqa: PLR0917 - click passes every parameter by name
    file: str,
    object_: str,
    output: Path,
    dominators: bool,
    count: int,
    force: bool,
    limit: int,
) -> None:
    """Draw the reference chains that keep OBJECT alive, or the tree of what it retains."""
    from heapgraph.analysis.expressions.resolving import resolve  # noqa: PLC0415 - loads numpy
    from heapgraph.export.dot import dominated_drawing, paths_drawing  # noqa: PLC0415
    from heapgraph.export.svg import write_svg  # noqa: PLC0415

    with opened(file) as (graph, progress):
        object_id = resolve(graph, object_)
        progress("dominators and paths", 0, 0)
        if dominators:
            drawing = dominated_drawing(graph, object_id, children=limit)
        else:
            paths = graph.all_paths(object_id, count)
            if not paths:
                raise HeapgraphError(
                    f"nothing keeps {object_} alive",
                    "no root leads to it: it is garbage that the collector has not removed yet",
                    f"look at what refers to it: heapgraph show {file} {object_}",
                )
            drawing = paths_drawing(graph, object_id, paths)
        write_svg(drawing, output, force=force)
    note(f"wrote {output}")
