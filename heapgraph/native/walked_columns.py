"""The columns of a walk as numpy arrays over the walker's own memory."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.native.walker_library import COLUMNS, LATE_COLUMNS, WIDE, walker_library

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapgraph.native.heap_walker import HeapWalker

Array: TypeAlias = npt.NDArray[Any]

_WIDER = ("u2", "u4")


class WalkedColumns:
    """Reads the columns of a walker that has emitted them.

    They are as narrow as their values allow. `preview_size` is the size of each object's preview in
    `previews` (UTF-8 bytes) plus one, and 0 for an object that has none.

    Args:
        walker: kept alive by every view.
    """

    def __init__(self, walker: HeapWalker) -> None:
        """Nothing is read yet."""
        self._walker = walker
        self._library = walker_library()

    def read(self, counts: Mapping[str, int], *, late: bool) -> dict[str, Array]:
        """The columns by name.

        Args:
            counts: see `HeapWalker.counts`.
            late: only those that `HeapWalker.complete` made; else all the others.

        Cost: a copy of each column in which a value has no room.
        """
        handle = self._walker.handle
        sizes = {**counts, "preview_bytes": int(self._library.hg_walker_preview_bytes(handle))}
        pointers = (ctypes.c_void_p * len(COLUMNS))()
        self._library.hg_walker_columns(handle, pointers)
        return {
            name: self._widened(place, self._view(pointers[place], sizes[length], np.dtype(code)))
            for place, (name, length, code) in enumerate(COLUMNS)
            if (name in LATE_COLUMNS) == late
        }

    def large(self, name: str, least: int) -> tuple[Array, Array]:
        """The objects with a value of at least so much in a column, without a look at all others.

        Args:
            name: of a column that has one in `WIDE`.
            least: more than has room in the column.

        Returns:
            Their rows, int64 and rising, and the values, uint64.
        """
        (place,) = (row for row, column in enumerate(COLUMNS) if column[0] == name)
        rows, values = self._beside(place)
        return rows[values >= least], values[values >= least]

    def _view(self, pointer: int | None, length: int, dtype: np.dtype[Any]) -> Array:
        if not length or pointer is None:
            return np.empty(0, dtype)
        buffer = (ctypes.c_char * (length * dtype.itemsize)).from_address(pointer)
        buffer.owner = self._walker  # type: ignore[attr-defined]  # the array's base keeps the walker
        view: Array = np.frombuffer(memoryview(buffer).cast("B"), dtype=dtype)
        return view

    def _widened(self, place: int, narrow: Array) -> Array:
        """The column with the values that lie beside it."""
        rows, values = self._beside(place)
        if not len(rows):
            return narrow
        most = int(values.max())
        code = next(
            (each for each in _WIDER if most <= np.iinfo(each).max), WIDE[COLUMNS[place][0]]
        )
        wide = narrow.astype(code)
        wide[rows] = values.astype(wide.dtype)
        return wide

    def _beside(self, place: int) -> tuple[Array, Array]:
        handle = self._walker.handle
        count = self._library.hg_walker_large_values(handle, place, None)
        pairs = np.empty((count, 2), np.uint64)
        self._library.hg_walker_large_values(handle, place, pairs.ctypes.data)
        return pairs[:, 0].astype(np.int64), pairs[:, 1]
