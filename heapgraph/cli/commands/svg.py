"""`heapgraph svg`."""

from __future__ import annotations

from heapgraph.cli.exporters import command_of_exporter

svg_command = command_of_exporter(
    "svg",
    short_help="A picture of what keeps an object alive.",
    help="Draw the reference chains that keep OBJECT alive, or the tree of what it retains.",
    output_help="Picture to write.",
)
