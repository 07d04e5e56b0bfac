"""How `heapgraph path` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.cli.output import note, print_table, say
from heapgraph.cli.questions import Layout
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.paths import PathRow, Paths
    from heapgraph.cli.questions import Asked

_MAX_STEPS = 60
_END_STEPS = 20


def print_path(result: Paths, asked: Asked) -> None:
    """The expression of a path above its objects, or the holders of a set."""
    del asked
    if result.objects > 1:
        _print_merged(result)
        return
    for row in result.paths:
        _print_path(row)


def note_unreached(result: Paths, asked: Asked) -> None:
    """Say that there is no path to some."""
    if result.unreached:
        condition = " under these conditions" if asked.values["exclude"] else ""
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


LAYOUT = Layout(print_path, note_unreached)
