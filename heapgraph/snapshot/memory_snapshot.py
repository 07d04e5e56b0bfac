"""A snapshot that is no file: tables in memory, asked as an open file is."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.snapshot.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from heapgraph.snapshot.plain_tables import PlainTable, Texts


class MemorySnapshot:
    """What an open file offers, over tables that are there already.

    Args:
        manifest: as of a file; `members` may be missing.
        tables: by name; as narrow as their values allow, or as the schema says.
        left_out: columns that nobody asks for, by table.

    Attributes:
        manifest: as given.
        identity: "", so that nothing is kept on disk of it.
    """

    identity = ""

    def __init__(
        self,
        manifest: dict[str, Any],
        tables: Mapping[str, PlainTable],
        left_out: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Keep both."""
        self.manifest = manifest
        self._tables = dict(tables)
        for name, columns in left_out.items():
            self.forget(name, *columns)

    def forget(self, table: str, *columns: str) -> None:
        """Let go of columns that were read, and of which something else was made."""
        self._tables[table] = self._tables[table].without(*columns)

    def row_count(self, table: str) -> int:
        """Rows of a table."""
        return self._tables[table].num_rows

    def column(self, table: str, name: str) -> npt.NDArray[Any]:
        """A column of numbers, at the width of the schema: from now on the only one there is."""
        wanted = np.dtype(TABLES[table].types[name])
        numbers: npt.NDArray[Any] = self._tables[table].column(name).astype(wanted, copy=False)
        self._tables[table].columns[name] = numbers
        return numbers

    def table(self, name: str) -> PlainTable:
        """A whole table; of small ones each column has the type of the schema."""
        return self._tables[name]

    def strings(self, table: str, name: str) -> Texts:
        """A column of text."""
        texts: Texts = self._tables[table].column(name)
        return texts

    def strings_at(self, table: str, name: str, rows: Sequence[int]) -> list[str | None]:
        """A few rows of a column of text, in the order that is asked for."""
        texts = self.strings(table, name)
        return [texts[row] for row in rows]
