"""`heapgraph export`."""

from __future__ import annotations

from pathlib import Path

import click

from heapgraph.cli.options import opened
from heapgraph.cli.output import note
from heapgraph.export.registry import EXPORTERS, WHOLE_SNAPSHOT


@click.command("export", short_help="Write a snapshot as a file for another tool.")
@click.argument("file", type=click.Path(path_type=str))
@click.option(
    "--format",
    "name",
    type=click.Choice(WHOLE_SNAPSHOT),
    required=True,
    help="What to write: pprof is a profile for go tool pprof.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="NAME",
    help="File to write.",
)
@click.option("--force", is_flag=True, help="Overwrite NAME.")
def export_command(file: str, name: str, output: Path, force: bool) -> None:
    """Write the whole heap of FILE as a file for another tool; see docs/pprof.md."""
    with opened(file) as (graph, progress):
        progress(f"{name} file", 0, 0)
        EXPORTERS[name].export(graph, output, force=force)
    note(f"wrote {output}")
