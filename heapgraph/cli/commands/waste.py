"""How `heapgraph waste` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.cli.output import count_left_out, note, print_table
from heapgraph.cli.questions import Layout
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.waste import Waste
    from heapgraph.cli.questions import Asked


def print_waste(result: Waste, asked: Asked) -> None:
    """Each finding with its owners below it."""
    del asked
    if not result.findings:
        note(f"no leak, and no waste of {format_size(result.minimum)} or more")
        return
    cells = []
    for finding in result.findings:
        size, count = format_size(finding.wasted_size), format_count(finding.count)
        cells.append((size, count, finding.detector, finding.advice))
        cells += [("", "", "", f"  held by {owner}") for owner in finding.owners]
        if finding.owners_left_out:
            more = f"  held by {format_count(finding.owners_left_out)} more"
            cells.append(("", "", "", more))
    columns = (("wasted", "right"), ("count", "right"), ("detector", "left"), ("what", "left"))
    print_table(columns, cells)
    count_left_out(result.left_out, "findings")
    if result.not_looked_at:
        note(
            f"{format_count(result.not_looked_at)} smaller candidates for findings of these kinds "
            "were not looked at"
        )


LAYOUT = Layout(print_waste)
