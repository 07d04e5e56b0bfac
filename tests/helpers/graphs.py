"""Graphs for tests: built by hand, at random, or as the lists that break other algorithms.

`GraphBuilder` is how a test writes a heap down:

    heap = GraphBuilder()
    cache = heap.object("dict", size=100)
    heap.value(cache, "user", heap.object("app.User", size=50))
    heap.root(cache, RootKind.MODULE, "app")
    graph = heap.build()
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import NO_LABEL, NO_ROW, EdgeFlags, EdgeKind, ObjectFlags, RootKind
from heapgraph.snapshot.schema import TABLES
from heapgraph.source_files import origin_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FIRST_ADDRESS = 0x7F0000000000
ADDRESS_STEP = 64
VISIBLE_AND_COUNTED = EdgeFlags.GC_VISIBLE | EdgeFlags.COUNTED


class TableSnapshot:
    """A snapshot in memory: what an open file offers, over tables made by hand."""

    def __init__(self, tables: dict[str, pa.Table], manifest: dict[str, Any]) -> None:
        self.manifest = manifest
        self._tables = tables

    def table(self, name: str) -> pa.Table:
        return self._tables[name]

    @property
    def identity(self) -> str:
        """What a test gave it as its id."""
        identity: str = self.manifest.get("snapshot_id", "")
        return identity

    def row_count(self, table: str) -> int:
        return int(self._tables[table].num_rows)

    def column(self, table: str, name: str) -> NDArray[Any]:
        values: NDArray[Any] = self._tables[table].column(name).to_numpy()
        return values

    def strings(self, table: str, name: str) -> pa.StringArray:
        return self._tables[table].column(name).combine_chunks()

    def strings_at(self, table: str, name: str, rows: Sequence[int]) -> list[str | None]:
        return [self._tables[table].column(name)[row].as_py() for row in rows]


@dataclass
class GraphBuilder:
    """Objects, references and roots in the order in which a test names them; ids count from 0."""

    manifest: dict[str, Any] = field(default_factory=dict)
    objects: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    roots: list[dict[str, Any]] = field(default_factory=list)
    threads: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    types: dict[str, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)

    def object(
        self,
        type_name: str = "object",
        *,
        size: int = 1,
        preview: str | None = None,
        refcount: int = 1,
        flags: ObjectFlags = ObjectFlags.IS_GC,
    ) -> int:
        """Add an object; its id."""
        self.objects.append(
            {
                "address": FIRST_ADDRESS + ADDRESS_STEP * len(self.objects),
                "type": self.types.setdefault(type_name, len(self.types)),
                "shallow_size": size,
                "getsizeof": size,
                "refcount": refcount,
                "flags": int(flags),
                "age": 0,
                "age_part": 0,
                "preview": preview,
            }
        )
        return len(self.objects) - 1

    def text(self, value: str, size: int = 0) -> int:
        """The str object of this value, added when first asked for."""
        if value not in self.texts:
            self.texts[value] = self.object("str", size=size, preview=value)
        return self.texts[value]

    def refer(
        self,
        source: int,
        target: int,
        kind: EdgeKind = EdgeKind.UNNAMED,
        label: int = NO_LABEL,
        flags: EdgeFlags = VISIBLE_AND_COUNTED,
    ) -> None:
        """Add a reference; those of one source keep this order."""
        self.references.append(
            {
                "source": source,
                "target": target,
                "label": label,
                "kind": int(kind),
                "flags": int(flags),
            }
        )

    def value(self, source: int, key: str, target: int) -> None:
        """`source[key] is target` in a dict; the key itself is referred to as well."""
        self.refer(source, self.text(key), EdgeKind.KEY, 0)
        self.refer(source, target, EdgeKind.VALUE, self.text(key))

    def attribute(self, source: int, name: str, target: int) -> None:
        """`source.name is target`, stored in the object itself."""
        self.refer(source, target, EdgeKind.ATTRIBUTE, self.text(name))

    def field(self, source: int, name: str, target: int, kind: EdgeKind = EdgeKind.FIELD) -> None:
        """A named field of a C struct, a slot, or a named weak reference."""
        self.refer(source, target, kind, self.names.setdefault(name, len(self.names)))

    def items(self, source: int, *targets: int) -> None:
        """The items of a list or tuple."""
        for position, target in enumerate(targets):
            self.refer(source, target, EdgeKind.INDEX, position)

    def root(
        self,
        target: int,
        kind: RootKind = RootKind.MODULE,
        name: str = "",
        frame: int = NO_ROW,
        count: int = 1,
    ) -> None:
        """Add a root."""
        self.roots.append(
            {
                "target": target,
                "kind": int(kind),
                "name": name,
                "frame": frame,
                "count": count,
            }
        )

    def thread(self, name: str | None = "MainThread", *, holds_gil: bool = True) -> int:
        """Add a thread; its row."""
        row = len(self.threads)
        self.threads.append(
            {
                "thread_id": 1000 + row,
                "native_id": 2000 + row,
                "name": name,
                "interpreter": 0,
                "holds_gil": holds_gil,
            }
        )
        return row

    def frame(
        self, thread: int, function: str, *, file: str = "app.py", line: int = 1, depth: int = 0
    ) -> int:
        """Add a running frame; its row."""
        self.frames.append(
            {
                "thread": thread,
                "depth": depth,
                "function": function,
                "file": file,
                "line": line,
                "code": NO_ROW,
                "origin": int(origin_of_file(file)),
            }
        )
        return len(self.frames) - 1

    def tables(self) -> dict[str, pa.Table]:
        """The tables of the snapshot file."""
        ordered = sorted(self.references, key=lambda reference: reference["source"])
        degrees = np.bincount(
            np.array([r["source"] for r in ordered], np.int64), minlength=len(self.objects)
        )
        objects = [
            {**row, "out_degree": int(degree)}
            for row, degree in zip(self.objects, degrees, strict=True)
        ]
        types = [
            {"name": n, "object": NO_ROW, "basicsize": 0, "itemsize": 0, "flags": 0, "handler": ""}
            for n in self.types
        ]
        return {
            "objects": _table(objects, OBJECTS),
            "references": _table(ordered, REFERENCES),
            "types": _table(types, TYPES),
            "names": _table([{"name": name} for name in self.names], {"name": pa.string()}),
            "roots": _table(self.roots, ROOTS),
            "threads": _table(self.threads, THREADS),
            "frames": _table(self.frames, FRAMES),
            "codes": TABLES["codes"].schema.empty_table(),
            "containers": TABLES["containers"].schema.empty_table(),
            "standing_lines": TABLES["standing_lines"].schema.empty_table(),
            "views": TABLES["views"].schema.empty_table(),
            "modules": TABLES["modules"].schema.empty_table(),
            "native": TABLES["native"].schema.empty_table(),
        }

    def build(self, *, use_cache: bool = False) -> HeapGraph:
        """The graph, not cached on disk unless asked for."""
        return HeapGraph(TableSnapshot(self.tables(), self.manifest), use_cache=use_cache)


def _table(rows: list[dict[str, Any]], columns: dict[str, pa.DataType]) -> pa.Table:
    return pa.table(
        {name: pa.array([row[name] for row in rows], kind) for name, kind in columns.items()}
    )


OBJECTS = {
    "address": pa.uint64(),
    "type": pa.uint32(),
    "shallow_size": pa.uint64(),
    "getsizeof": pa.uint64(),
    "refcount": pa.int64(),
    "flags": pa.uint16(),
    "age": pa.uint8(),
    "age_part": pa.uint8(),
    "out_degree": pa.uint32(),
    "preview": pa.string(),
}
REFERENCES = {
    "target": pa.uint32(),
    "label": pa.uint32(),
    "kind": pa.uint8(),
    "flags": pa.uint8(),
}
TYPES = {
    "name": pa.string(),
    "object": pa.uint32(),
    "basicsize": pa.uint64(),
    "itemsize": pa.uint64(),
    "flags": pa.uint64(),
    "handler": pa.string(),
}
ROOTS = {
    "target": pa.uint32(),
    "kind": pa.uint8(),
    "name": pa.string(),
    "frame": pa.uint32(),
    "count": pa.uint32(),
}
THREADS = {
    "thread_id": pa.uint64(),
    "native_id": pa.uint64(),
    "name": pa.string(),
    "interpreter": pa.uint64(),
    "holds_gil": pa.bool_(),
}
FRAMES = {
    "thread": pa.uint32(),
    "depth": pa.uint32(),
    "function": pa.string(),
    "file": pa.string(),
    "line": pa.uint32(),
    "code": pa.uint32(),
    "origin": pa.uint8(),
}
