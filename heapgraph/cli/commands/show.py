"""How `heapgraph show` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.analysis.object_rows import ObjectRow
from heapgraph.cli.output import count_left_out, print_facts, print_table, say
from heapgraph.cli.questions import Layout
from heapgraph.cli.result_table import print_rows
from heapgraph.units import format_count, format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.show import ShownObject, ShownReference
    from heapgraph.cli.questions import Asked


_GRADES = {
    "direct": "that objects point at",
    "chain": "over other memory of C code",
    "doubtful": "doubtful",
}


def print_show(result: ShownObject, asked: Asked) -> None:
    """One object and what is around it."""
    del asked
    print_facts(_facts(result), title=result.row.expression)
    own = result.row.expression
    _print_references("refers to", own, result.references, result.references_left_out)
    _print_references("referred to by", own, result.referrers, result.referrers_left_out)
    if result.dominators:
        say()
        print_rows(result.dominators, ObjectRow, title="dominated by")
        count_left_out(result.dominators_left_out, "under 'dominated by'")


def _facts(result: ShownObject) -> list[tuple[str, str]]:
    row = result.row
    share = format_share(row.share)
    growth = row.growth
    trend = [] if growth is None else [("growth", growth.sentence)]
    return [
        ("object", f"@{row.id} at {row.address:#x}"),
        ("type", row.type),
        ("value", result.value or "-"),
        ("retained", f"{format_size(row.retained_size)} ({share} of what is reachable)"),
        ("shallow", f"{format_size(row.shallow_size)}, getsizeof {format_size(result.getsizeof)}"),
        *([("native memory (estimate)", _native(result))] if row.native_size else []),
        ("references", _account(result)),
        *trend,
    ]


def _native(result: ShownObject) -> str:
    """What goes with it of C code's memory, and how sure that is."""
    grades = ", ".join(
        f"{format_size(size)} {_GRADES[name]}" for name, size in result.native_grades.items()
    )
    return f"{format_size(result.row.native_size)} go with it{f': {grades}' if grades else ''}"


def _account(result: ShownObject) -> str:
    """The reference count as the sum of what was found."""
    parts = [f"{format_count(result.found_references)} from objects"]
    if result.root_references:
        parts.append(f"{format_count(result.root_references)} from roots")
    if result.held_from_c:
        parts.append(f"{format_count(result.held_from_c)} from C code")
    return f"count {format_count(result.refcount)}: {', '.join(parts)}"


def _worded(row: ShownReference, own: str) -> str:
    """The value, or how the object is reached unless the label has said that."""
    if row.value is not None:
        return row.value
    return "" if row.expression.startswith(own) else row.expression


def _print_references(title: str, own: str, rows: Sequence[ShownReference], left_out: int) -> None:
    if not rows:
        return
    say()
    print_table(
        (
            ("id", "right"),
            ("type", "left"),
            ("by", "left"),
            ("label", "left"),
            ("retained", "right"),
            ("value or expression", "left"),
        ),
        (
            (
                f"@{row.id}",
                row.type,
                row.label_kind,
                row.label or "",
                format_size(row.retained_size),
                _worded(row, own),
            )
            for row in rows
        ),
        title=title,
    )
    count_left_out(left_out, f"under '{title}'")


LAYOUT = Layout(print_show)
