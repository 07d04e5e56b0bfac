"""Synthetic snapshots for tests, by calls or by a drawing.

    heap = HeapBuilder()
    module, cache, text = heap.object("module"), heap.object("dict", size=64), heap.object("str")
    heap.root("module", "app", module)
    heap.edge(module, cache, EdgeKind.DICT)
    heap.edge(cache, text, EdgeKind.VALUE, key="greeting")
    heap.write(path)

    heap = draw_heap('''
        * -> a(100) -> b(20), c
        b -> d:dict(64)
        c -> d ~> a
    ''')
    heap.ids["d"]

Object ids are handed out in the order of creation, and addresses rise with them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from heapgraph.model import (
    NO_LABEL,
    NO_ROW,
    CodeOrigin,
    EdgeFlags,
    EdgeKind,
    ObjectFlags,
    RootKind,
)
from heapgraph.snapshot.schema import TABLES
from heapgraph.source_files import distribution_of, origin_of_file
from helpers.arrow_tables import table_from_columns, table_from_rows
from helpers.heap_memory import MemoryRows
from helpers.manifests import good_manifest

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

FIRST_ADDRESS = 0x7F00_0000_0000
ADDRESS_STEP = 16

NO_FLAGS = ObjectFlags(0)

_LABEL_IS_OBJECT = {EdgeKind.ATTRIBUTE, EdgeKind.VALUE, EdgeKind.LOCAL}
_LABEL_IS_NAME = {EdgeKind.SLOT, EdgeKind.FIELD, EdgeKind.WEAK}
_ORDINARY = EdgeFlags.GC_VISIBLE | EdgeFlags.COUNTED


class HeapBuilder(MemoryRows):
    """Collects objects, references and roots, and makes the tables of a snapshot of them.

    Attributes:
        ids: object ids by the name given to `object` or used in a drawing.
    """

    def __init__(self) -> None:
        """Start with an empty heap."""
        self.ids: dict[str, int] = {}
        self._objects: list[dict[str, Any]] = []
        self._edges: list[tuple[int, int, int, int, int]] = []
        self._types: dict[str, dict[str, Any]] = {}
        self._names: dict[str, int] = {}
        self._strings: dict[str, int] = {}
        super().__init__()
        self._rows |= {
            "roots": [],
            "threads": [],
            "frames": [],
            "codes": [],
            "containers": [],
            "standing_lines": [],
            "views": [],
            "modules": [],
        }

    def object(
        self,
        type_name: str = "object",
        *,
        size: int = 16,
        preview: str | None = None,
        flags: ObjectFlags = NO_FLAGS,
        refcount: int | None = None,
        getsizeof: int | None = None,
        age: int = 0,
        name: str = "",
    ) -> int:
        """Add an object and return its id.

        Args:
            type_name: qualified name of its type; a row of types is made for a new one.
            size: shallow_size in bytes.
            preview: text of its value.
            flags: as in the file.
            refcount: default: what its counted referrers and roots add up to.
            getsizeof: default: `size`.
            age: its code, see `graph.ages`.
            name: where to find its id again, in `ids`.
        """
        object_id = len(self._objects)
        self._objects.append(
            {
                "address": FIRST_ADDRESS + ADDRESS_STEP * object_id,
                "type": self.type(type_name),
                "shallow_size": size,
                "getsizeof": size if getsizeof is None else getsizeof,
                "refcount": refcount,
                "flags": int(flags),
                "age": age,
                "age_part": 0,
                "preview": preview,
            }
        )
        if name:
            self.ids[name] = object_id
        return object_id

    def code(self, place: str, *, size: int = 16, name: str = "") -> int:
        """Add a code object with its row of codes, and return its id.

        Args:
            place: as its preview says it: `fetch (/srv/app/client.py:41)`.
            size: shallow_size in bytes.
            name: where to find its id again, in `ids`.
        """
        object_id = self.object("code", size=size, preview=place, name=name)
        function, _, rest = place.removesuffix(")").partition(" (")
        file, _, line = rest.rpartition(":")
        self._rows["codes"].append(
            {
                "object": object_id,
                "function": function,
                "file": file,
                "line": int(line),
                "origin": origin_of_file(file),
            }
        )
        return object_id

    def container(
        self, object_id: int, *, limit: int = -1, removed: int = 0, slots: int = 0
    ) -> None:
        """Add a row of containers; see docs/file-format.md."""
        row = {"object": object_id, "limit": limit, "removed": removed, "slots": slots}
        self._rows["containers"].append(row)

    def standing_line(self, object_id: int, line: int) -> None:
        """Add a row of standing_lines."""
        self._rows["standing_lines"].append({"object": object_id, "line": line})

    def view(self, object_id: int, shown: int) -> None:
        """Add a row of views."""
        self._rows["views"].append({"object": object_id, "shown": shown})

    def module_row(
        self, object_id: int, name: str, file: str = "", origin: CodeOrigin | None = None
    ) -> None:
        """Add a row of modules; its origin is that of its file, where nothing else is said."""
        self._rows["modules"].append(
            {
                "object": object_id,
                "name": name,
                "file": file,
                "origin": origin_of_file(file) if origin is None else origin,
                "distribution": distribution_of(file),
            }
        )

    def type(self, name: str, *, basicsize: int = 16, itemsize: int = 0, flags: int = 0) -> int:
        """Return the row of types for `name`, made at the first call; later arguments are void."""
        if name not in self._types:
            self._types[name] = {
                "row": len(self._types),
                "name": name,
                "object": NO_ROW,
                "basicsize": basicsize,
                "itemsize": itemsize,
                "flags": flags,
                "handler": name,
            }
        return int(self._types[name]["row"])

    def type_object(self, name: str, *, size: int = 1064, metaclass: str = "type") -> int:
        """Add the class `name` itself as an object and return its id."""
        self.type(name)
        flags = ObjectFlags.IS_GC | ObjectFlags.IS_TYPE
        object_id = self.object(metaclass, size=size, flags=flags)
        self._types[name]["object"] = object_id
        return object_id

    def string(self, text: str) -> int:
        """Return the one interned str object with this text; a key, attribute or variable name."""
        if text not in self._strings:
            self._strings[text] = self.object(
                "str", size=49 + len(text), preview=text[:80], flags=ObjectFlags.INTERNED
            )
        return self._strings[text]

    def edge(
        self,
        source: int,
        target: int,
        kind: EdgeKind = EdgeKind.UNNAMED,
        key: str | int | None = None,
        *,
        flags: EdgeFlags | None = None,
    ) -> None:
        """Add a reference from `source` to `target`; several may join the same pair.

        Args:
            source: object id.
            target: object id.
            kind: what the reference is.
            key: its label. For ATTRIBUTE, VALUE and LOCAL: the id of the key object, or text, for
                which a str object is made. For SLOT, FIELD and WEAK: text. Else a number.
            flags: default: GC_VISIBLE and COUNTED, none for WEAK.
        """
        if flags is None:
            flags = EdgeFlags(0) if kind == EdgeKind.WEAK else _ORDINARY
        self._edges.append((source, target, self._label(kind, key), int(kind), int(flags)))

    def _label(self, kind: EdgeKind, key: str | int | None) -> int:
        if key is None:
            return NO_LABEL
        if isinstance(key, int):
            return key
        if kind in _LABEL_IS_OBJECT:
            return self.string(key)
        if kind in _LABEL_IS_NAME:
            return self._names.setdefault(key, len(self._names))
        raise ValueError(f"the label of a {kind.name} reference is a number, not {key!r}")

    def root(
        self,
        kind: RootKind | str,
        name: str,
        target: int,
        *,
        frame: int = NO_ROW,
        count: int = 1,
    ) -> None:
        """Make `target` a root; `kind` may be a name such as "module" or "c-held"."""
        if isinstance(kind, str):
            kind = RootKind[kind.upper().replace("-", "_")]
        self._rows["roots"].append(
            {"target": target, "kind": int(kind), "name": name, "frame": frame, "count": count}
        )

    def thread(self, name: str | None = "MainThread", *, holds_gil: bool = False) -> int:
        """Add a thread and return its row."""
        row = len(self._rows["threads"])
        self._rows["threads"].append(
            {
                "thread_id": 0x7E00_0000_0000 + row,
                "native_id": 1000 + row,
                "name": name,
                "interpreter": 0x5500_0000_0000,
                "holds_gil": holds_gil,
            }
        )
        return row

    def frame(
        self, thread: int, function: str, file: str = "app.py", line: int = 1, code: int = NO_ROW
    ) -> int:
        """Add a frame below the frames the thread already has and return its row."""
        frames = self._rows["frames"]
        depth = sum(frame["thread"] == thread for frame in frames)
        frames.append(
            {
                "thread": thread,
                "depth": depth,
                "function": function,
                "file": file,
                "line": line,
                "code": code,
                "origin": origin_of_file(file),
            }
        )
        return len(frames) - 1

    def tables(self) -> dict[str, pa.Table]:
        """Make every table of the file."""
        edges = sorted(self._edges, key=lambda edge: edge[0])
        types = sorted(self._types.values(), key=lambda row: row["row"])
        tables = {
            "objects": table_from_rows("objects", self._complete_objects()),
            "references": table_from_columns(
                "references",
                {
                    column: [edge[position] for edge in edges]
                    for position, column in enumerate(TABLES["references"].schema.names, start=1)
                },
            ),
            "types": table_from_rows("types", types),
            "names": table_from_columns("names", {"name": list(self._names)}),
        }
        return tables | {name: table_from_rows(name, rows) for name, rows in self._rows.items()}

    def _complete_objects(self) -> list[dict[str, Any]]:
        degrees = [0] * len(self._objects)
        counted = [0] * len(self._objects)
        for source, target, _label, _kind, flags in self._edges:
            degrees[source] += 1
            counted[target] += bool(flags & EdgeFlags.COUNTED)
        for root in self._rows["roots"]:
            counted[root["target"]] += root["count"]
        return [
            row
            | {
                "out_degree": degrees[object_id],
                "refcount": counted[object_id] if row["refcount"] is None else row["refcount"],
            }
            for object_id, row in enumerate(self._objects)
        ]

    def manifest(self, **overrides: Any) -> dict[str, Any]:
        """Make the manifest of a good capture; top-level keys can be replaced."""
        return good_manifest() | overrides

    def write(self, path: Path, *, force: bool = False, **overrides: Any) -> Path:
        """Write the heap as a snapshot file and return its path."""
        from heapgraph.snapshot.writer import write_snapshot  # noqa: PLC0415 - tables need none

        write_snapshot(path, self.manifest(**overrides), self.tables(), force=force)
        return path


_NODE = re.compile(r"(?P<name>\w+)(?::(?P<type>[\w.]+))?(?:\((?P<size>\d+)\))?")


def draw_heap(drawing: str) -> HeapBuilder:
    """Make a heap from a drawing.

    One chain per line: `a -> b, c` are references from a to b and from a to c; a further arrow goes
    on from each of the last group. `~>` is a weak reference, `*` stands for the roots. At its first
    mention an object may have a type and a size: `d:dict(64)`. `#` starts a comment.

    Returns:
        The builder, with every object in `ids` by its name; every root is a module of that name.
    """
    heap = HeapBuilder()
    for line in drawing.splitlines():
        parts = re.split(r"(->|~>)", line.partition("#")[0])
        sources: list[str] = []
        for position, part in enumerate(parts):
            if part in ("->", "~>") or not part.strip():
                continue
            group = [_drawn_object(heap, text.strip()) for text in part.split(",")]
            for source in sources:
                for target in group:
                    _draw_edge(heap, source, target, weak=parts[position - 1] == "~>")
            sources = group
    return heap


def _drawn_object(heap: HeapBuilder, text: str) -> str:
    if text == "*":
        return text
    match = _NODE.fullmatch(text)
    if match is None:
        raise ValueError(f"not an object of a drawing: {text!r}")
    name = match["name"]
    if name not in heap.ids:
        heap.object(match["type"] or "object", size=int(match["size"] or 16), name=name)
    return name


def _draw_edge(heap: HeapBuilder, source: str, target: str, *, weak: bool) -> None:
    if source == "*":
        heap.root(RootKind.MODULE, target, heap.ids[target])
    else:
        kind = EdgeKind.WEAK if weak else EdgeKind.UNNAMED
        heap.edge(heap.ids[source], heap.ids[target], kind)
