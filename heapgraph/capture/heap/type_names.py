"""Qualified names of types, from the walked columns: `collections.OrderedDict`, `app.Session`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.native.walked_type import WalkedType

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made at run time, by a class statement or from a spec
_BUILTINS = ("", "builtins")


class TypeNames:
    """Names the types of one walk.

    Args:
        columns: the walk's result.
        ids: object id of each type by row of `columns.types`, -1 for one that was not walked.
    """

    def __init__(self, columns: HeapColumns, ids: list[int]) -> None:
        """Keep the columns; nothing is computed."""
        self._columns = columns
        self._ids = ids

    def qualified(self) -> list[str]:
        """One name per row: `module.Qualname`, builtins without module, else tp_name."""
        return [
            self._name(walked, object_id)
            for walked, object_id in zip(self._columns.types, self._ids, strict=True)
        ]

    def _name(self, walked: WalkedType, object_id: int) -> str:
        if object_id < 0 or not walked.flags & _HEAP_TYPE:
            return walked.tp_name
        qualname: str | None = None
        module: str | None = None
        for kind, label, target in self._references(object_id):
            if kind == EdgeKind.FIELD and self._columns.names[label] == "__qualname__":
                qualname = self._columns.preview(target)
            elif kind == EdgeKind.DICT:
                module = self._dict_text(target, "__module__")
        if qualname is None:
            return walked.tp_name
        # Types from a C spec have their module in tp_name only.
        if module is None and "." in walked.tp_name:
            return walked.tp_name
        return qualname if module is None or module in _BUILTINS else f"{module}.{qualname}"

    def _references(self, object_id: int) -> Iterator[tuple[int, int, int]]:
        rows, arrays = self._columns.references_of(object_id), self._columns.arrays
        return zip(
            arrays["kind"][rows].tolist(),
            arrays["label"][rows].tolist(),
            arrays["target"][rows].tolist(),
            strict=True,
        )

    def _dict_text(self, dict_id: int, key: str) -> str | None:
        columns = self._columns
        sizes = columns.arrays["preview_size"]
        for kind, label, target in self._references(dict_id):
            # Most keys have another length: only of the others the text is looked at.
            if kind != EdgeKind.VALUE or label >= len(sizes) or sizes[label] != len(key) + 1:
                continue
            if columns.preview(label) == key:
                return columns.preview(target)
        return None
