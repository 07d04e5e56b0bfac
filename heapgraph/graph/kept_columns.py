"""Columns of large snapshots, kept decoded between runs."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.graph.cache import ArrayCache
from heapgraph.graph.columns import SnapshotColumns

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.columns import SnapshotSource

KEPT_ROWS = 1_000_000
"""Rows from which on a column is kept: shorter ones are decoded in a few milliseconds."""


class KeptColumns(SnapshotColumns):
    """Columns that are decoded once and then mapped from the cache.

    A kept column is known by the identity of its file, by the checksum of the table it came from
    and by the rows of all tables: another file is read and checked anew, whatever it says it is.

    Args:
        source: an open snapshot, or tables made by hand.
        use_cache: False keeps nothing on disk.

    Cost: up to 20 bytes on disk per object, and 10 per reference, for what is used; to map a
    column takes a fifth of the time to decode it.
    """

    def __init__(self, source: SnapshotSource, *, use_cache: bool = True) -> None:
        """Read nothing yet."""
        super().__init__(source)
        self._cache = ArrayCache(source.identity if use_cache else "")

    @property
    def cache_refusal(self) -> str:
        """Why nothing is kept on disk, where somebody else could have a hand in it; else ""."""
        return self._cache.refusal

    def _numbers(
        self, table: str, column: str, dtype: type[np.generic], length: int
    ) -> npt.NDArray[Any]:
        members = self.manifest.get("members", {})
        member = members.get(f"{table}.parquet")
        if member is None or member["rows"] < KEPT_ROWS:
            return super()._numbers(table, column, dtype, length)
        # What is kept was checked, and is still right while the other tables are as long.
        rows = zlib.crc32(repr([members[name]["rows"] for name in sorted(members)]).encode())
        name = f"{table}.{column}.{member['crc32']:08x}{rows:08x}"
        kept = self._cache.load({name: (dtype, member["rows"])})
        if kept is not None and length == member["rows"]:
            # As an array: of a map of a file one number takes five times as long.
            return np.asarray(kept[name])
        numbers = super()._numbers(table, column, dtype, length)
        self._cache.store({name: numbers})
        return numbers
