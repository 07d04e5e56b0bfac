"""Do the tables of a snapshot agree with one another?

Checksums prove that a file is as it was written; these checks prove that what was written makes
sense: every row number and object id exists, every count adds up. Whoever reads a column for use
checks it (`graph/columns.py`), so that no number in an array leads outside another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.errors import SnapshotFormatError
from heapgraph.model import (
    NO_LABEL,
    NO_ROW,
    CodeOrigin,
    EdgeKind,
    NativeGrade,
    NativeKind,
    RegionKind,
    RootKind,
)
from heapgraph.snapshot.plain_tables import numpy_array
from heapgraph.snapshot.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from heapgraph.snapshot.plain_tables import PlainTable

RowCount: TypeAlias = Callable[[str], int]
"""How many rows a table has."""

_Numbers: TypeAlias = npt.NDArray[Any]

LABEL_IS_OBJECT = (EdgeKind.ATTRIBUTE, EdgeKind.VALUE, EdgeKind.LOCAL)
"""Kinds of references whose label is the object id of a name or key."""

LABEL_IS_NAME = (EdgeKind.SLOT, EdgeKind.FIELD, EdgeKind.WEAK)
"""Kinds of references whose label is a row of names."""

# By table and column: the table whose rows it numbers, the reserved value for "none" or None.
_ROW_NUMBERS: Mapping[tuple[str, str], tuple[str, int | None]] = {
    ("objects", "type"): ("types", None),
    ("references", "target"): ("objects", None),
    ("types", "object"): ("objects", NO_ROW),
    ("roots", "target"): ("objects", None),
    ("roots", "frame"): ("frames", NO_ROW),
    ("frames", "thread"): ("threads", None),
    ("frames", "code"): ("objects", NO_ROW),
    ("codes", "object"): ("objects", None),
    ("containers", "object"): ("objects", None),
    ("standing_lines", "object"): ("objects", None),
    ("views", "object"): ("objects", None),
    ("modules", "object"): ("objects", None),
    ("regions", "object"): ("objects", NO_ROW),
    ("pools", "region"): ("regions", None),
    ("native", "object"): ("objects", NO_ROW),
}

_KINDS: Mapping[tuple[str, str], int] = {
    ("references", "kind"): len(EdgeKind),
    ("roots", "kind"): len(RootKind),
    ("regions", "kind"): len(RegionKind),
    ("native", "kind"): len(NativeKind),
    ("native", "grade"): len(NativeGrade) + 1,
    ("frames", "origin"): len(CodeOrigin),
    ("codes", "origin"): len(CodeOrigin),
    ("modules", "origin"): len(CodeOrigin),
}

_RISING = {
    ("objects", "address"),
    ("codes", "object"),
    ("containers", "object"),
    ("standing_lines", "object"),
    ("views", "object"),
}
"""Columns that are looked up in."""

_SIZES = {
    ("objects", "shallow_size"),
    ("objects", "getsizeof"),
    ("maps", "rss"),
    ("maps", "pss"),
    ("maps", "private_dirty"),
    ("regions", "resident"),
    ("regions", "in_use"),
    ("regions", "free"),
    ("regions", "blocks"),
    ("native", "bytes"),
    ("native", "blocks"),
}
"""Columns that are added up, in 64 bits."""

_MAX_BYTES = 2**63 - 1
_ALL_LABELS = 2**32 - 1
_STEP = 1 << 16
"""Rows that are compared at a time: what is needed for it stays in the cache of the processor."""

_ENDS_BEFORE_START = "a range ends before it starts"


class NumberColumns(Protocol):
    """Where columns of numbers come from: an open `SnapshotFile`, or `TableColumns`."""

    def column(self, table: str, name: str) -> _Numbers:
        """Return a column of numbers."""

    def row_count(self, table: str) -> int:
        """Return the rows of a table."""


class TableColumns:
    """The columns of tables that are in no file."""

    def __init__(self, tables: Mapping[str, pa.Table | PlainTable]) -> None:
        """Take every table of the schema."""
        self._tables = tables

    def column(self, table: str, name: str) -> _Numbers:
        """Return a column of numbers, not copied where it is in one piece."""
        values: _Numbers = numpy_array(self._tables[table].column(name))
        return values

    def row_count(self, table: str) -> int:
        """Return the rows of a table."""
        return int(self._tables[table].num_rows)


def check_consistency(columns: NumberColumns) -> None:
    """Check every number that refers to a row, an object or an enumeration.

    Args:
        columns: an open snapshot, or the tables of one.

    Raises:
        SnapshotFormatError: naming the table, the column, the row and the value.

    Cost: about 0.1 s per million objects with their references; one column in memory at a time,
        except for the references, of which kind and label are held together.
    """
    _check_counts(columns)
    for table, layout in TABLES.items():
        for name in layout.types:
            if _has_rule(table, name):
                check_column(table, name, columns.column(table, name), columns.row_count)
        _check_ranges(table, columns)
    kinds = columns.column("references", "kind")
    check_labels(kinds, columns.column("references", "label"), columns.row_count)


def check_column(table: str, column: str, values: _Numbers, row_count: RowCount) -> None:
    """Check what can be said of one column alone.

    Args:
        table: its table.
        column: its name.
        values: all of its values.
        row_count: how many rows the other tables have.

    Raises:
        SnapshotFormatError: naming the table, the column, the row and the value.

    Cost: 1-2 ms per million values of the large tables.
    """
    if (table, column) in _ROW_NUMBERS:
        numbered, none = _ROW_NUMBERS[table, column]
        _check_below(values, row_count(numbered), table, column, none)
    elif (table, column) in _KINDS:
        _check_below(values, _KINDS[table, column], table, column, None)
    elif (table, column) in _SIZES:
        _check_sum(values, table, column)
    if (table, column) in _RISING:
        _check_rising(values, table, column)


def check_table(name: str, table: pa.Table | PlainTable, row_count: RowCount) -> None:
    """Check a whole small table: each of its columns, and ranges; see `check_column`."""
    columns = TableColumns({name: table})
    for column in table.column_names:
        if _has_rule(name, column):
            check_column(name, column, columns.column(name, column), row_count)
    _check_ranges(name, columns)


def check_labels(kinds: _Numbers, labels: _Numbers, row_count: RowCount) -> None:
    """Check the labels of references, whose meaning depends on the kind.

    Args:
        kinds: uint8, each of `EdgeKind`.
        labels: uint32.
        row_count: how many objects and names there are.

    Raises:
        SnapshotFormatError: a label is of an object or of a name that does not exist.

    Cost: 1 ms per million references.
    """
    first_wrong = np.full(256, _ALL_LABELS, np.uint32)
    first_wrong[list(LABEL_IS_OBJECT)] = row_count("objects")
    first_wrong[list(LABEL_IS_NAME)] = row_count("names")
    for start in range(0, len(labels), _STEP):
        part, of_part = labels[start : start + _STEP], kinds[start : start + _STEP]
        # Few are as large as no object's, or names: what their kind allows is asked of these only.
        asked = part >= row_count("objects")
        for kind in LABEL_IS_NAME:
            asked |= of_part == np.uint8(kind)
        rows = np.flatnonzero(asked & (part != NO_LABEL))
        wrong = rows[part[rows] >= first_wrong[of_part[rows]]]
        if len(wrong):
            row = int(wrong[0])
            limit = int(first_wrong[of_part[row]])
            raise _not_there("references", "label", int(part[row]), start + row, limit)


def _has_rule(table: str, column: str) -> bool:
    place = (table, column)
    return any(place in rules for rules in (_ROW_NUMBERS, _KINDS, _SIZES, _RISING))


def _check_counts(columns: NumberColumns) -> None:
    degrees = int(columns.column("objects", "out_degree").sum(dtype=np.uint64))
    references = columns.row_count("references")
    if degrees != references:
        raise _contradiction(
            "objects", f"out_degree adds up to {degrees}, but there are {references} references"
        )


def _check_rising(values: _Numbers, table: str, column: str) -> None:
    for start in range(1, len(values), _STEP):
        part = values[start : start + _STEP]
        falling = part <= values[start - 1 : start - 1 + len(part)]
        if falling.any():
            row = start + int(np.argmax(falling))
            raise _contradiction(table, f"{column} does not rise at row {row}")


def _check_sum(values: _Numbers, table: str, column: str) -> None:
    # The sum of damaged sizes would wrap around unnoticed, that of floats does not. Summed only
    # where the largest value leaves a doubt.
    if len(values) and int(values.max()) > _MAX_BYTES // len(values):
        total = values.sum(dtype=np.float64)
        if total >= float(_MAX_BYTES):
            problem = f"{column} adds up to more than any process can hold"
            raise _contradiction(table, problem)


def _check_ranges(table: str, columns: NumberColumns) -> None:
    if table not in ("maps", "regions"):
        return
    starts, ends = columns.column(table, "start"), columns.column(table, "end")
    if np.any(ends < starts):
        raise _contradiction(table, _ENDS_BEFORE_START)


def _check_below(values: _Numbers, limit: int, table: str, column: str, none: int | None) -> None:
    if not len(values) or int(values.max()) < limit:
        return
    wrong = values >= limit
    if none is not None:
        wrong &= values != none
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _not_there(table, column, int(values[row]), row, limit)


def _not_there(table: str, column: str, value: int, row: int, limit: int) -> SnapshotFormatError:
    return _contradiction(table, f"{column} is {value} at row {row}, but only {limit} exist")


def _contradiction(table: str, problem: str) -> SnapshotFormatError:
    return SnapshotFormatError(
        f"the table {table} contradicts the others: {problem}",
        "the snapshot was edited, or the program that wrote it has an error",
        "take a new snapshot: heapgraph dump PID",
        member=TABLES[table].member,
    )
