"""Cells, columns and rows: what a list shows, before any terminal is involved.

Text of the target is never trusted here: `safe` writes out what would steer a terminal or turn the
direction of reading, and nothing ever parses markup.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len, set_cell_size

from heapgraph.safe_text import cell_text
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.tui.places import Place

ELLIPSIS = "…"

SIGN_CELLS = 2
"""What says in a tree whether a line unfolds, before its text: `▸ `."""

safe = cell_text
"""Text of the target as it may be shown: what would steer a terminal, turn or pile up, escaped."""

_BLOCKS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Bar:
    """A cell that is drawn as a bar of this share (0..1)."""

    share: float


@dataclass(frozen=True, slots=True)
class Indented:
    """A text whose beginning, the lines and signs of a tree, is never cut."""

    lead: str
    text: str


Cell = str | Bar | Indented


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list.

    Attributes:
        title: its header.
        width: characters; 0 takes a part of what the others leave.
        weight: that part, relative to other columns without a width.
        align: where short text stands.
        keep: what stays of a long text; of a path the end says more, of the keys of a dict, which
            often begin alike, both ends.
        rank: columns of the highest rank go first where the terminal is narrow; 0 stays.
        lead: cells that the signs of a tree take before its texts, over which the title stands.
    """

    title: str
    width: int = 0
    weight: int = 1
    align: Literal["left", "right"] = "left"
    keep: Literal["start", "end", "both"] = "start"
    rank: int = 0
    lead: int = 0

    @property
    def header(self) -> str:
        """The title in the column, over the texts."""
        return fit(" " * self.lead + self.title, self.width, align=self.align)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list.

    Attributes:
        cells: one for each column.
        place: what Enter opens; None for nothing.
        object_id: the object the line is about, if it is about one.
        set_text: OBJECT text of the set the line is about, if it is about one.
        style: how it is drawn.
        detail: what there is to say in full when the cursor is here.
    """

    cells: tuple[Cell, ...]
    place: Place | None = None
    object_id: int | None = None
    set_text: str | None = None
    style: Literal["", "dim", "strong", "more", "marked"] = ""
    detail: str = ""


def fit(text: str, width: int, *, align: str = "left", keep: str = "start") -> str:
    """Text in exactly `width` terminal cells, with an ellipsis where it was cut."""
    if width <= 0:
        return ""
    length = cell_len(text)
    if length <= width:
        padding = " " * (width - length)
        return padding + text if align == "right" else text + padding
    if keep == "start":
        return set_cell_size(text, width - 1) + ELLIPSIS
    head = (width - 1) // 2 if keep == "both" else 0
    tail, room = len(text), width - 1 - head
    while tail > 0 and (size := cell_len(text[tail - 1])) <= room:
        tail, room = tail - 1, room - size
    return set_cell_size(text, head) + ELLIPSIS + " " * room + text[tail:]


def fit_indented(cell: Indented, width: int, *, keep: str) -> str:
    """`fit` for what stands behind the lead; the lead has at most half of the width."""
    lead = cell.lead[-(width // 2) :] if len(cell.lead) > width // 2 else cell.lead
    return lead + fit(cell.text, width - len(lead), keep=keep)


def count_text(count: int, noun: str) -> str:
    """`1 referrer`, `40,312 referrers`."""
    return f"{format_count(count)} {noun}{'' if count == 1 else 's'}"


def bar(share: float, width: int) -> str:
    """A bar of eighths of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_BLOCKS[part] if part else "")).ljust(width)


GAP = 1
"""Cells between two columns."""

_MIN_FLEXIBLE = 10
_COMFORTABLE = 24
"""The least room for columns without a width before a column of lower worth is left out."""


def lay_out(columns: Sequence[Column], width: int) -> list[tuple[int, Column]]:
    """Which columns fit into a width, and how wide each is.

    Returns:
        Index and column (with its final width), from left to right.
    """
    chosen = list(enumerate(columns))
    while True:
        flexible = [column for _, column in chosen if not column.width]
        taken = sum(column.width for _, column in chosen) + GAP * (len(chosen) - 1)
        droppable = max((column.rank for _, column in chosen), default=0)
        if width - taken >= _COMFORTABLE * len(flexible) or not droppable:
            break
        last = max(i for i, (_, column) in enumerate(chosen) if column.rank == droppable)
        del chosen[last]
    left = max(width - taken, _MIN_FLEXIBLE * len(flexible))
    return _share_out(chosen, left)


def _share_out(chosen: list[tuple[int, Column]], left: int) -> list[tuple[int, Column]]:
    """Give the columns without a width their parts; the last one takes the rounding."""
    weights = sum(column.weight for _, column in chosen if not column.width)
    result: list[tuple[int, Column]] = []
    for index, column in chosen:
        if column.width:
            result.append((index, column))
            continue
        part = left * column.weight // weights
        left, weights = left - part, weights - column.weight
        result.append((index, replace(column, width=part)))
    return result
