"""A few rows of columns of text, without reading all of a column: row group by row group."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.snapshot.arrow_arrays import take
from heapgraph.snapshot.limits import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    import pyarrow as pa
    import pyarrow.parquet as pq

    Reading: TypeAlias = Callable[[str], AbstractContextManager[pq.ParquetFile]]
    """Opens the Parquet file of a table."""


class TextParts:
    """Row groups of columns of text, each read when first asked for, and kept.

    Args:
        reading: opens a table; what it raises goes through.
    """

    def __init__(self, reading: Reading) -> None:
        """Read nothing yet."""
        self._reading = reading
        self._parts: dict[tuple[str, str, int], pa.ChunkedArray] = {}
        self._ends: dict[str, list[int]] = {}

    def at(self, table: str, name: str, rows: Sequence[int]) -> list[str | None]:
        """Texts of rows that there are, in the order that is asked for."""
        ends = self._group_ends(table)
        if len(rows) == 1:  # by far the commonest, and asked for a hundred thousand times
            group = bisect_right(ends, rows[0])
            begin = ends[group - 1] if group else 0
            text: str | None = self._part(table, name, group)[rows[0] - begin].as_py()
            return [text]
        wanted = np.asarray(rows, np.int64)
        groups = np.searchsorted(ends, wanted, side="right")
        texts: list[str | None] = [None] * len(wanted)
        for group in np.unique(groups).tolist():
            here = np.flatnonzero(groups == group)
            within = wanted[here] - (ends[group - 1] if group else 0)
            found = take(self._part(table, name, group), within).to_pylist()
            for position, text in zip(here.tolist(), found, strict=True):
                texts[position] = text
        return texts

    def _group_ends(self, table: str) -> list[int]:
        """Behind the last row of each row group of a table."""
        if table not in self._ends:
            with self._reading(table) as parquet:
                metadata = parquet.metadata
                sizes = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
                self._ends[table] = np.cumsum(sizes, dtype=np.int64).tolist()
        return self._ends[table]

    def _part(self, table: str, name: str, group: int) -> pa.ChunkedArray:
        part = self._parts.get((table, name, group))
        if part is None:
            with self._reading(table) as parquet:
                part = read_text_part(parquet, table, name, group)
            self._parts[table, name, group] = part
        return part


def read_text_part(parquet: pq.ParquetFile, table: str, name: str, group: int) -> pa.ChunkedArray:
    """One row group of a column of text, checked.

    Raises:
        pa.ArrowException: it is no valid text.
        ValueError: it is more than a table may have.
    """
    part = parquet.read_row_group(group, columns=[name], use_threads=False).column(0)
    part = plain_text(part, table)
    part.validate(full=True)
    return part
