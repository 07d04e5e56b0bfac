"""The names that the program's code is made of, as far as the heap has the code.

What a program calls its attributes may be data: `setattr(user, token, 1)`. A name that some code
object has among its names and constants was written by a programmer; so were the names of types,
slots and fields, of modules, and of what the built-in types have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.model import NO_LABEL, EdgeKind, ObjectFlags, RootKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt
    import pyarrow as pa

    _Ids = npt.NDArray[np.int64]

_CONTAINERS = ("tuple", "frozenset")
_DEEPEST = 4  # levels of constants inside constants that are looked at; `x in {(1, "a")}` has three


def names_in_code(tables: Mapping[str, pa.Table]) -> set[str]:
    """Every identifier that occurs in the source of the program, as far as it can be known.

    Args:
        tables: every table of the schema, with previews.

    Cost: 8 bytes per object, and what code objects refer to.
    """
    heap = _Heap(tables)
    rows = np.unique(np.concatenate([heap.texts_of_code(), heap.names_of_static_types()]))
    previews = tables["objects"].column("preview").take(rows)
    names = {text for text in previews.to_pylist() if text and text.isidentifier()}
    names.update(tables["names"].column("name").to_pylist())
    for name in (*tables["types"].column("name").to_pylist(), *module_names(tables)):
        names.update(name.split("."))
    return names


def module_names(tables: Mapping[str, pa.Table]) -> set[str]:
    """The keys of `sys.modules`."""
    roots = tables["roots"]
    kinds, names = roots.column("kind").to_numpy(), roots.column("name").to_pylist()
    return {name for kind, name in zip(kinds, names, strict=True) if kind == RootKind.MODULE}


class _Heap:
    """What is asked of objects and references here."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        objects, references = tables["objects"], tables["references"]
        self._type_names: list[str] = tables["types"].column("name").to_pylist()
        self._types = objects.column("type").to_numpy()
        self._flags = objects.column("flags").to_numpy()
        self._ends = np.cumsum(objects.column("out_degree").to_numpy(), dtype=np.int64)
        self._targets = references.column("target").to_numpy()
        self._labels = references.column("label").to_numpy()
        self._kinds = references.column("kind").to_numpy()

    def texts_of_code(self) -> _Ids:
        """The strings among what code objects refer to, in constants of constants too."""
        return np.concatenate([np.empty(0, np.int64), *self._texts_by_level()])

    def names_of_static_types(self) -> _Ids:
        """The keys in the dicts of types that nobody can add to."""
        wanted = ObjectFlags.IS_TYPE | ObjectFlags.STATIC
        static = np.flatnonzero((self._flags & wanted) == wanted)
        edges = self._edges(self._of_type(self._reached(static), ("dict",)))
        labels = self._labels[edges[self._kinds[edges] == EdgeKind.VALUE]]
        return self._of_type(np.unique(labels[labels != NO_LABEL]), ("str",))

    def _texts_by_level(self) -> Iterator[_Ids]:
        reached = self._reached(self._of_type(np.arange(len(self._types)), ("code",)))
        for _ in range(_DEEPEST):
            yield self._of_type(reached, ("str",))
            reached = self._reached(self._of_type(reached, _CONTAINERS))

    def _of_type(self, ids: npt.NDArray[Any], names: tuple[str, ...]) -> _Ids:
        rows = [row for row, name in enumerate(self._type_names) if name in names]
        kept: _Ids = ids[np.isin(self._types[ids], rows)].astype(np.int64)
        return kept

    def _reached(self, sources: _Ids) -> _Ids:
        """What some objects refer to, each once."""
        return np.unique(self._targets[self._edges(sources)]).astype(np.int64)

    def _edges(self, sources: _Ids) -> _Ids:
        """Rows of the references of some objects."""
        ends = self._ends[sources]
        begins = np.where(sources > 0, self._ends[sources - 1], 0)
        degrees = ends - begins
        before = np.cumsum(degrees) - degrees
        edges: _Ids = np.repeat(begins - before, degrees) + np.arange(int(degrees.sum()))
        return edges
