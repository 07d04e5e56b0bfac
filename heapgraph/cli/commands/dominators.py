"""How `heapgraph dominators` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.cli.output import note, print_table, say
from heapgraph.cli.questions import Layout
from heapgraph.cli.result_table import print_result
from heapgraph.units import format_count

if TYPE_CHECKING:
    from heapgraph.analysis.dominators import Dominators
    from heapgraph.cli.questions import Asked


def print_dominators(result: Dominators, asked: Asked) -> None:
    """The objects, and below them why some of them are said to grow or not."""
    print_result(result, asked)
    if result.not_judged:
        note(f"growth of the {format_count(result.not_judged)} smallest containers was not judged")
    known = [(row.id, row.growth) for row in result.objects if row.growth and row.growth.is_known]
    if not known:
        return
    say()
    print_table(
        (("id", "right"), ("growth", "left"), ("evidence", "left")),
        ((f"@{object_id}", str(growth), growth.evidence) for object_id, growth in known),
    )


LAYOUT = Layout(print_dominators)
