"""A command that writes one format, made from what its exporter declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from heapgraph.cli.options import opened
from heapgraph.cli.output import note
from heapgraph.cli.questions import click_parameter
from heapgraph.export.registry import EXPORTERS


def command_of_exporter(
    name: str,
    *,
    short_help: str,
    help: str,  # noqa: A002 - as click calls it
    output_help: str,
) -> click.Command:
    """The command that writes a format.

    Args:
        name: of the command and of the format.
        short_help: in the list of commands.
        help: on its own page.
        output_help: of the file that is written.
    """
    exporter = EXPORTERS[name]
    file_name = f"X{exporter.suffix}"

    def write(file: str, output: Path, force: bool, **inputs: Any) -> None:  # noqa: ANN401 - by the declaration
        with opened(file) as (graph, progress):
            progress(f"{name} file", 0, 0)
            exporter.export(graph, output, force=force, **inputs)
        note(f"wrote {output}")

    arguments = [click_parameter(one) for one in exporter.inputs if one.is_argument]
    options = {one.name: click_parameter(one) for one in exporter.inputs if not one.is_argument}
    limits = [options.pop("limit")] if "limit" in options else []
    output = click.Option(
        ["-o", "--output"],
        type=click.Path(path_type=Path),
        required=True,
        metavar=file_name,
        help=output_help,
    )
    force = click.Option(["--force"], is_flag=True, help=f"Overwrite {file_name}.")
    return click.Command(
        name,
        callback=write,
        params=[
            click.Argument(["file"], type=click.Path(path_type=str)),
            *arguments,
            output,
            *options.values(),
            force,
            *limits,
        ],
        help=help,
        short_help=short_help,
    )
