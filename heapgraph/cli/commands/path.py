"""How `heapgraph path` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.cli.output import note, print_table, say
from heapgraph.cli.questions import Layout
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from heapgraph.analysis.ages.verdict import Growth
    from heapgraph.analysis.paths import PathRow, Paths, PathStepRow
    from heapgraph.cli.questions import Asked

_MAX_STEPS = 60
_END_STEPS = 20
_NUMBERS = ("id", "native (estimate)")
_IF_ANY = ("native (estimate)", "growth")
"""Columns that are there only where they say something."""


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
    has_growth = any(row.growth for row in result.paths)
    has_native = any(row.native_size for row in result.paths)
    print_table(
        (
            ("objects", "right"),
            ("shallow", "right"),
            ("retained", "right"),
            *((("native (estimate)", "right"),) if has_native else ()),
            ("root", "left"),
            *((("growth", "left"),) if has_growth else ()),
            ("held by", "left"),
        ),
        (
            (
                format_count(row.count or 0),
                format_size(row.shallow_size or 0),
                format_size(row.retained_size or 0),
                *((format_size(row.native_size or 0),) if has_native else ()),
                row.root.kind,
                *((_growth_cell(row.growth),) if has_growth else ()),
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
    cells = [_step_cells(step) for step in row.steps]
    if (left_out := len(cells) - 2 * _END_STEPS) > 0 and len(cells) > _MAX_STEPS:
        middle = dict.fromkeys(cells[0], "") | {"type": f"... {format_count(left_out)} more"}
        cells = [*cells[:_END_STEPS], middle, *cells[-_END_STEPS:]]
    say(row.expression, f"  root: {row.root.kind} {row.root.name}".rstrip())
    shown = [name for name in cells[0] if name not in _IF_ANY or any(one[name] for one in cells)]
    columns = [(name, "right" if name in _NUMBERS else "left") for name in shown]
    print_table(columns, ([one[name] for name in shown] for one in cells))


def _step_cells(step: PathStepRow) -> dict[str, str]:
    """By the titles of the columns."""
    return {
        "id": f"@{step.id}",
        "native (estimate)": format_size(step.native_size) if step.native_size else "",
        "type": step.type,
        "by": step.label_kind,
        "growth": _growth_cell(step.growth),
        "label": step.label or "",
    }


def _growth_cell(growth: Growth | None) -> str:
    """What is known; a path is no place to say what is not."""
    return str(growth) if growth is not None and growth.is_known else ""


LAYOUT = Layout(print_path, note_unreached)
