"""Do the tables of a snapshot agree with one another?

Checksums prove that a file is as it was written; these checks prove that what was written makes
sense: every row number and object id exists, every count adds up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from heapgraph.errors import SnapshotFormatError
from heapgraph.model import NO_LABEL, NO_ROW, EdgeKind, RegionKind, RootKind
from heapgraph.snapshot.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

LABEL_IS_OBJECT = (EdgeKind.ATTRIBUTE, EdgeKind.VALUE, EdgeKind.LOCAL)
"""Kinds of references whose label is the object id of a name or key."""

LABEL_IS_NAME = (EdgeKind.SLOT, EdgeKind.FIELD, EdgeKind.WEAK)
"""Kinds of references whose label is a row of names."""

# (table, column, table whose rows it numbers, reserved value for "none" or None)
_ROW_NUMBERS = (
    ("objects", "type", "types", None),
    ("references", "target", "objects", None),
    ("types", "object", "objects", NO_ROW),
    ("roots", "target", "objects", None),
    ("roots", "frame", "frames", NO_ROW),
    ("frames", "thread", "threads", None),
    ("frames", "code", "objects", NO_ROW),
    ("regions", "object", "objects", NO_ROW),
    ("pools", "region", "regions", None),
)


class NumberColumns(Protocol):
    """Where columns of numbers come from: an open `SnapshotFile`, or `TableColumns`."""

    def column(self, table: str, name: str) -> npt.NDArray[Any]:
        """Return a column of numbers."""

    def row_count(self, table: str) -> int:
        """Return the rows of a table."""


class TableColumns:
    """The columns of tables that are in no file yet."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        """Take every table of the schema."""
        self._tables = tables

    def column(self, table: str, name: str) -> npt.NDArray[Any]:
        """Return a column of numbers, not copied where it is in one piece."""
        values: npt.NDArray[Any] = self._tables[table].column(name).to_numpy()
        return values

    def row_count(self, table: str) -> int:
        """Return the rows of a table."""
        return int(self._tables[table].num_rows)


def check_consistency(columns: NumberColumns) -> None:
    """Check every number that refers to a row, an object or an enumeration.

    Args:
        columns: an open snapshot, or the tables of one to be written.

    Raises:
        SnapshotFormatError: naming the table, the column, the row and the value.

    Cost: about 0.1 s per million objects with their references; one column in memory at a time,
        except for the references, of which kind and label are held together.
    """
    _check_counts(columns)
    for table, column, numbered, none in _ROW_NUMBERS:
        values = columns.column(table, column)
        exempt = None if none is None else values == none
        _check_below(values, columns.row_count(numbered), table, column, exempt)
    _check_kinds(columns, "references", len(EdgeKind))
    _check_kinds(columns, "roots", len(RootKind))
    _check_kinds(columns, "regions", len(RegionKind))
    _check_labels(columns)
    _check_addresses(columns)


def _check_counts(columns: NumberColumns) -> None:
    degrees = int(columns.column("objects", "out_degree").sum(dtype=np.uint64))
    references = columns.row_count("references")
    if degrees != references:
        raise _contradiction(
            "objects", f"out_degree adds up to {degrees}, but there are {references} references"
        )


def _check_kinds(columns: NumberColumns, table: str, known: int) -> None:
    _check_below(columns.column(table, "kind"), known, table, "kind", None)


def _check_labels(columns: NumberColumns) -> None:
    kinds = columns.column("references", "kind")
    labels = columns.column("references", "label")
    for meaning, numbered in ((LABEL_IS_OBJECT, "objects"), (LABEL_IS_NAME, "names")):
        exempt = ~np.isin(kinds, meaning) | (labels == NO_LABEL)
        _check_below(labels, columns.row_count(numbered), "references", "label", exempt)


def _check_addresses(columns: NumberColumns) -> None:
    addresses = columns.column("objects", "address")
    falling = np.flatnonzero(addresses[1:] <= addresses[:-1])
    if len(falling):
        row = int(falling[0]) + 1
        raise _contradiction("objects", f"address does not rise at row {row}")
    sizes = columns.column("objects", "shallow_size")
    # Summed as floats: the exact sum of damaged sizes would wrap around unnoticed.
    if sizes.sum(dtype=np.float64) >= float(2**63):
        raise _contradiction("objects", "shallow_size adds up to more than any process can hold")
    for table in ("maps", "regions"):
        if np.any(columns.column(table, "end") < columns.column(table, "start")):
            raise _contradiction(table, "a range ends before it starts")


def _check_below(
    values: npt.NDArray[Any],
    limit: int,
    table: str,
    column: str,
    exempt: npt.NDArray[np.bool_] | None,
) -> None:
    wrong = values >= limit
    if exempt is not None:
        wrong &= ~exempt
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _contradiction(
            table, f"{column} is {int(values[row])} at row {row}, but only {limit} exist"
        )


def _contradiction(table: str, problem: str) -> SnapshotFormatError:
    return SnapshotFormatError(
        f"the table {table} contradicts the others: {problem}",
        "the snapshot was edited, or the program that wrote it has an error",
        "take a new snapshot: heapgraph dump PID",
        member=TABLES[table].member,
    )
