"""The columns of a walk as numpy arrays over the walker's own memory."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.native.walker_library import walker_library
from heapgraph.native.walker_structs import ColumnPointers, LargeValues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapgraph.native.heap_walker import HeapWalker

Array: TypeAlias = npt.NDArray[Any]

WIDE: Mapping[str, str] = {
    "type": "u4",
    "shallow_size": "u8",
    "getsizeof": "u8",
    "refcount": "i8",
    "out_degree": "u4",
    "preview_size": "u2",
}
"""What narrow columns become when a value has no room in them nor in 32 bits: `LargeValues`."""

FORGOTTEN: Mapping[str, int] = {
    "counted_in": 1,
    "shallow_size": 2,
    "getsizeof": 4,
    "refcount": 8,
    "out_degree": 16,
    "preview_size": 32,
}
"""Columns that may be given back before the others: bits of `hg_column`."""

LATE_COLUMNS = {"address", "counted_in", *WIDE} - {"type"}
"""Made by hg_walker_complete, or copied where a value has no room, as it is in nearly every heap:
while the copy of the memory is there, that would be the peak of the whole dump."""

_ROWS = ("object_count", "reference_count", "preview_bytes")
_OTHER_ROWS = {
    "previews": "preview_bytes",
    **dict.fromkeys(("target", "label", "kind", "edge_flags"), "reference_count"),
}
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

    def read(self, *, late: bool) -> dict[str, Array]:
        """The columns by name.

        Args:
            late: only those that `HeapWalker.complete` made; else all the others.

        Cost: a copy of each column in which a value has no room; of a late one, the walker gives
            its own back.
        """
        made = ColumnPointers()
        self._library.hg_walker_columns(self._walker.handle, ctypes.byref(made))
        names = [field[0] for field in ColumnPointers._fields_ if field[0] not in _ROWS]
        narrow = {
            name: self._column(made, name) for name in names if (name in LATE_COLUMNS) == late
        }
        found = {name: self._widened(name, column) for name, column in narrow.items()}
        if late:
            copied = [name for name in found if found[name] is not narrow[name]]
            narrow.clear()
            self._walker.forget_columns(*copied)
        return found

    def large(self, name: str, least: int) -> tuple[Array, Array]:
        """The objects with a value of at least so much in a column, without a look at all others.

        Args:
            name: of a column that has one in `WIDE`.
            least: more than has room in the column.

        Returns:
            Their rows, int64 and rising, and the values, uint64.
        """
        rows, values = self._beside(name)
        return rows[values >= least], values[values >= least]

    def narrow(self, name: str) -> Array:
        """A column as it lies in the walker's memory: its greatest number stands for all above."""
        made = ColumnPointers()
        self._library.hg_walker_columns(self._walker.handle, ctypes.byref(made))
        return self._column(made, name)

    def _column(self, made: ColumnPointers, name: str) -> Array:
        first = getattr(made, name)
        rows = getattr(made, _OTHER_ROWS.get(name, "object_count"))
        return self._view(first, rows) if first and rows else np.empty(0, first._type_)

    def _view(self, first: Any, count: int) -> Array:  # noqa: ANN401  # pointers share no type
        """Items behind a pointer; the array's base keeps the walker."""
        items = (first._type_ * count).from_address(ctypes.addressof(first.contents))
        items.owner = self._walker
        view: Array = np.frombuffer(items, dtype=np.dtype(first._type_))
        return view

    def _widened(self, name: str, narrow: Array) -> Array:
        """The column with the values that lie beside it."""
        if name not in WIDE:
            return narrow
        rows, values = self._beside(name)
        if not len(rows):
            return narrow
        most = int(values.max())
        code = next((each for each in _WIDER if most <= np.iinfo(each).max), WIDE[name])
        wide = narrow.astype(code)
        wide[rows] = values.astype(wide.dtype)
        return wide

    def _beside(self, name: str) -> tuple[Array, Array]:
        large = LargeValues()
        self._library.hg_walker_large_values(self._walker.handle, ctypes.byref(large))
        column = getattr(large, name)
        if not column.count:
            return np.empty(0, np.int64), np.empty(0, np.uint64)
        pairs = self._view(column.values, column.count)
        return pairs["row"].astype(np.int64), pairs["value"].copy()
