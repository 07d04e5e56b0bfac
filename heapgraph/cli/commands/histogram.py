"""How `heapgraph histogram` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.cli.output import count_left_out, note, print_table
from heapgraph.cli.questions import Layout
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.histogram import Histogram
    from heapgraph.cli.questions import Asked


def print_histogram(result: Histogram, asked: Asked) -> None:
    """Objects and sizes of each type."""
    del asked
    has_native = any(row.native_size for row in result.types)
    print_table(
        (
            ("retained", "right"),
            *((("native (estimate)", "right"),) if has_native else ()),
            ("shallow", "right"),
            ("count", "right"),
            ("type", "left"),
        ),
        (
            (
                ("" if position < result.exact else ">= ") + format_size(row.retained_size),
                *((format_size(row.native_size),) if has_native else ()),
                format_size(row.shallow_size),
                format_count(row.count),
                row.type,
            )
            for position, row in enumerate(result.types)
        ),
    )
    count_left_out(result.left_out, "types")


def note_minimums(result: Histogram, asked: Asked) -> None:
    """Say which retained sizes are minimums."""
    del asked
    if result.exact < len(result.types):
        minimums = format_count(len(result.types) - result.exact)
        note(f"the retained sizes of the last {minimums} types are minimums; use --exact")


LAYOUT = Layout(print_histogram, note_minimums)
