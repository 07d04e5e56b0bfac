"""A list whose lines unfold: a thread's frames below it, a frame's variables below that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from heapgraph.tui.cells import SIGN_CELLS, Indented, Row
from heapgraph.tui.page import Page, PageCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.registry import Progress
    from heapgraph.tui.cells import Column


@dataclass(eq=False)
class OutlineLine:
    """One line and those below it.

    Attributes:
        row: what it shows; the sign that says whether it unfolds is put before its `Indented` cell.
        below: the lines it unfolds to.
        is_open: whether they are shown at first.
    """

    row: Row
    below: Sequence[OutlineLine] = ()
    is_open: bool = False


class OutlineTable:
    """Lines as they are unfolded.

    Args:
        title: what is listed.
        columns: the columns.
        lines: the first level.
        left_out: how many more there are that the list does not have.
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[Column],
        lines: Sequence[OutlineLine],
        *,
        left_out: int = 0,
    ) -> None:
        """Show the first level, and what is open below it."""
        self.title = title
        self.columns = columns
        if any(line.below for line in lines):
            self.columns = _over_the_texts(columns, lines[0].row)
        self.cursor = 0
        self.left_out = left_out
        self._can_unfold = any(line.below for line in lines)
        self._lines = _shown(lines, 0)

    def __len__(self) -> int:
        """How many lines are shown."""
        return len(self._lines)

    def row(self, index: int) -> Row:
        """One line."""
        line, depth = self._lines[index]
        sign = "▾ " if line.is_open else "▸ " if line.below else "  "
        lead = "  " * depth + (sign if self._can_unfold else "")
        cells = (
            Indented(lead + cell.lead, cell.text) if isinstance(cell, Indented) else cell
            for cell in line.row.cells
        )
        return replace(line.row, cells=tuple(cells))

    def toggle(self, index: int) -> None:
        """Unfold or fold a line."""
        line, _ = self._lines[index]
        if line.is_open:
            self.close(index)
        else:
            self.open(index)

    def open(self, index: int) -> None:
        """Show what is below a line."""
        line, depth = self._lines[index]
        if line.below and not line.is_open:
            line.is_open = True
            self._lines[index + 1 : index + 1] = _shown(line.below, depth + 1)

    def close(self, index: int) -> None:
        """Hide what is below a line; on one without, go to the line it is below of."""
        line, depth = self._lines[index]
        if line.is_open:
            end = index + 1
            while end < len(self._lines) and self._lines[end][1] > depth:
                end += 1
            del self._lines[index + 1 : end]
            line.is_open = False
        elif depth:
            while self._lines[index][1] >= depth:
                index -= 1
            self.cursor = index


def _over_the_texts(columns: Sequence[Column], row: Row) -> list[Column]:
    """The columns, with room for the signs of the tree where its texts are."""
    return [
        replace(column, lead=SIGN_CELLS) if isinstance(cell, Indented) else column
        for column, cell in zip(columns, row.cells, strict=True)
    ]


def _shown(lines: Sequence[OutlineLine], depth: int) -> list[tuple[OutlineLine, int]]:
    """Lines and those of the open ones below them, with their depths."""
    found = []
    for line in lines:
        found.append((line, depth))
        if line.is_open:
            found.extend(_shown(line.below, depth + 1))
    return found


def outline_commands(page: Page) -> dict[str, PageCommand]:
    """The keys that unfold and fold the list that has the keys."""

    def on_line(method: str) -> PageCommand:
        def change(row: Row | None, progress: Progress) -> None:
            del row, progress
            table = page.tables[min(page.focus, len(page.tables) - 1)]
            if isinstance(table, OutlineTable) and len(table):
                getattr(table, method)(table.cursor)

        return PageCommand(change)

    return {
        "open_row": on_line("toggle"),
        "expand": on_line("open"),
        "collapse": on_line("close"),
    }
