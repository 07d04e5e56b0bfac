"""Lists of rows with a cursor; a row is worded when it comes into sight, so length is free."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from heapgraph.tui.cells import Row, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heapgraph.tui.cells import Column

_KEPT_ROWS = 2_000


class Table(Protocol):
    """What a list on the screen needs.

    Attributes:
        title: what is listed.
        columns: the columns of every row.
        cursor: the row the user is at; the terminal moves it, pages keep it.
        left_out: how many more there are that the list cannot show; True where nobody counted.
    """

    title: str
    columns: Sequence[Column]
    cursor: int
    left_out: int

    def __len__(self) -> int:
        """How many rows there are."""

    def row(self, index: int) -> Row:
        """One row, worded now. Cost: must be well under a millisecond."""


class LazyTable:
    """Rows made by a function of their index, the recent ones kept.

    Args:
        title: what is listed.
        columns: the columns.
        count: how many rows.
        make_row: words one row.
        left_out: how many more there are that the list does not have.
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[Column],
        count: int,
        make_row: Callable[[int], Row],
        *,
        left_out: int = 0,
    ) -> None:
        """Word nothing yet."""
        self.title = title
        self.columns = columns
        self.cursor = 0
        self.left_out = left_out
        self._count = count
        self._make_row = lru_cache(_KEPT_ROWS)(make_row)

    def __len__(self) -> int:
        """How many rows there are."""
        return self._count

    def row(self, index: int) -> Row:
        """One row."""
        return self._make_row(index)


class RowTable(LazyTable):
    """Rows that are all worded already."""

    def __init__(
        self, title: str, columns: Sequence[Column], rows: Sequence[Row], *, left_out: int = 0
    ) -> None:
        """Keep the rows."""
        super().__init__(title, columns, len(rows), rows.__getitem__, left_out=left_out)


def row_of(table: Table, index: int) -> Row:
    """One row; where it cannot be worded it says so: one bad object must not end a session."""
    try:
        return table.row(index)
    except Exception as failure:  # noqa: BLE001 - a defect, or a snapshot that was tampered with
        text = safe(f"cannot be shown: {type(failure).__name__}: {failure}")
        widest = max(table.columns, key=lambda column: (not column.width, column.width))
        cells = (text if column is widest else "" for column in table.columns)
        return Row(tuple(cells), style="dim", detail=text)


def current_row(table: Table | None) -> Row | None:
    """The row at the cursor; None in an empty list."""
    if table is None or not len(table):
        return None
    return row_of(table, min(table.cursor, len(table) - 1))
