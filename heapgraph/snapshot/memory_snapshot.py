"""A snapshot that is no file: tables in memory, asked as an open file is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.snapshot.arrow_arrays import in_one_piece, numpy_array
from heapgraph.snapshot.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import pyarrow as pa


class MemorySnapshot:
    """What an open file offers, over tables that are there already.

    Args:
        manifest: as of a file; `members` may be missing.
        tables: by name; as narrow as their values allow, or as the schema says.

    Attributes:
        manifest: as given.
        identity: "", so that nothing is kept on disk of it.
    """

    identity = ""

    def __init__(self, manifest: dict[str, Any], tables: Mapping[str, pa.Table]) -> None:
        """Keep both."""
        self.manifest = manifest
        self._tables = tables

    def row_count(self, table: str) -> int:
        """Rows of a table."""
        return int(self._tables[table].num_rows)

    def column(self, table: str, name: str) -> npt.NDArray[Any]:
        """A column of numbers, at the width of the schema; the array itself where it has it."""
        wanted = np.dtype(str(TABLES[table].schema.field(name).type))
        return numpy_array(self._tables[table].column(name)).astype(wanted, copy=False)

    def table(self, name: str) -> pa.Table:
        """A whole table, with the types of the schema."""
        table, schema = self._tables[name], TABLES[name].schema
        if table.schema.equals(schema):
            return table
        return table.cast(schema)  # loads Arrow's functions, a tenth of a second

    def strings(self, table: str, name: str) -> pa.StringArray:
        """A column of text, in one piece."""
        return in_one_piece(self._tables[table].column(name))

    def strings_at(self, table: str, name: str, rows: Sequence[int]) -> list[str | None]:
        """A few rows of a column of text, in the order that is asked for."""
        column = self._tables[table].column(name)
        return [column[row].as_py() for row in rows]
