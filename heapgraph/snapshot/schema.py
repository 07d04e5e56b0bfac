"""The tables of a snapshot file: names, columns, types, and how Parquet stores them.

docs/file-format.md explains every column; a test keeps the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

FORMAT_NAME = "heapgraph"
FORMAT_VERSION = 4

MANIFEST_MEMBER = "manifest.json"

ROW_GROUP_ROWS = 262_144
"""Rows that are encoded together: small enough to look up one object without reading a whole
column, large enough that the page headers do not matter."""

MAX_OBJECTS = 2**32 - 2
"""Object ids are uint32, and the two highest values are reserved (`model.VIRTUAL_ROOT`,
`model.UNREACHABLE`)."""

MAX_TEXT_BYTES = 2**28
"""Of one column of a small table; 2 million names of types have a tenth of it."""

STRING = "string"
"""The type of a column of texts; every other type is also the name of a numpy dtype."""


@dataclass(frozen=True)
class TableLayout:
    """One table of the file.

    Attributes:
        name: the table's name; its member in the file is `member`.
        types: the type of each column as Arrow names it, in file order.
        nullable: columns that may have no value in a row.
        encodings: Parquet encoding by column, where it makes the file smaller or faster to write
            than the dictionary that every other column gets (measured on a heap of 1.2 million
            objects: splitting 4-byte numbers into byte streams halves `target` before zstd).
        statistics: columns with minimum and maximum per row group, so that query engines can skip
            row groups.
        later: columns that older files of this format version do not have: zeros.
        is_later: older files of this format version do not have the table: it is empty.
    """

    name: str
    types: Mapping[str, str]
    nullable: frozenset[str] = frozenset()
    encodings: Mapping[str, str] = field(default_factory=dict)
    statistics: tuple[str, ...] = ()
    later: frozenset[str] = frozenset()
    is_later: bool = False

    @property
    def member(self) -> str:
        """The name of the table's member in the snapshot file."""
        return f"{self.name}.parquet"

    @cached_property
    def schema(self) -> pa.Schema:
        """The same as Arrow has it. Cost: loads pyarrow."""
        import pyarrow as pa  # noqa: PLC0415 - a census needs names and types only

        return pa.schema(
            [
                pa.field(name, pa.type_for_alias(kind), nullable=name in self.nullable)
                for name, kind in self.types.items()
            ]
        )

    def writer_options(self) -> dict[str, Any]:
        """Keyword arguments of `pyarrow.parquet.ParquetWriter` for this table."""
        plain = set(self.encodings)
        return {
            "compression": "zstd",
            "compression_level": 1,
            "use_dictionary": [name for name in self.types if name not in plain],
            "column_encoding": dict(self.encodings) or None,
            "write_statistics": list(self.statistics),
            "store_schema": False,
        }


def _layout(
    name: str,
    columns: Sequence[tuple[str, str]],
    *,
    nullable: Sequence[str] = (),
    encodings: Mapping[str, str] | None = None,
    statistics: tuple[str, ...] = (),
    later: frozenset[str] = frozenset(),
    is_later: bool = False,
) -> TableLayout:
    return TableLayout(
        name,
        dict(columns),
        frozenset(nullable),
        dict(encodings or {}),
        statistics,
        later,
        is_later,
    )


_LAYOUTS = (
    _layout(
        "objects",
        (
            ("address", "uint64"),
            ("type", "uint32"),
            ("shallow_size", "uint64"),
            ("getsizeof", "uint64"),
            ("refcount", "int64"),
            ("flags", "uint16"),
            ("age", "uint8"),
            ("age_part", "uint8"),
            ("out_degree", "uint32"),
            ("preview", STRING),
        ),
        nullable=("preview",),
        encodings={
            "address": "DELTA_BINARY_PACKED",
            "type": "BYTE_STREAM_SPLIT",
            "shallow_size": "BYTE_STREAM_SPLIT",
            "getsizeof": "BYTE_STREAM_SPLIT",
            "refcount": "BYTE_STREAM_SPLIT",
            "flags": "BYTE_STREAM_SPLIT",
            "age": "BYTE_STREAM_SPLIT",
            "age_part": "BYTE_STREAM_SPLIT",
            "out_degree": "BYTE_STREAM_SPLIT",
            "preview": "PLAIN",
        },
        statistics=("address", "shallow_size"),
        later=frozenset({"age_part"}),
    ),
    _layout(
        "references",
        (
            ("target", "uint32"),
            ("label", "uint32"),
            ("kind", "uint8"),
            ("flags", "uint8"),
        ),
        encodings={
            "target": "BYTE_STREAM_SPLIT",
            "label": "BYTE_STREAM_SPLIT",
            "kind": "BYTE_STREAM_SPLIT",
            "flags": "BYTE_STREAM_SPLIT",
        },
    ),
    _layout(
        "types",
        (
            ("name", STRING),
            ("object", "uint32"),
            ("basicsize", "uint64"),
            ("itemsize", "uint64"),
            ("flags", "uint64"),
            ("handler", STRING),
        ),
    ),
    _layout("names", (("name", STRING),)),
    _layout(
        "roots",
        (
            ("target", "uint32"),
            ("kind", "uint8"),
            ("name", STRING),
            ("frame", "uint32"),
            ("count", "uint32"),
        ),
    ),
    _layout(
        "threads",
        (
            ("thread_id", "uint64"),
            ("native_id", "uint64"),
            ("name", STRING),
            ("interpreter", "uint64"),
            ("holds_gil", "bool"),
        ),
        nullable=("name",),
    ),
    _layout(
        "frames",
        (
            ("thread", "uint32"),
            ("depth", "uint32"),
            ("function", STRING),
            ("file", STRING),
            ("line", "uint32"),
            ("code", "uint32"),
            ("origin", "uint8"),
        ),
    ),
    _layout(
        "codes",
        (
            ("object", "uint32"),
            ("function", STRING),
            ("file", STRING),
            ("line", "uint32"),
            ("origin", "uint8"),
        ),
        encodings={"object": "BYTE_STREAM_SPLIT", "line": "BYTE_STREAM_SPLIT"},
    ),
    _layout(
        "containers",
        (
            ("object", "uint32"),
            ("limit", "int64"),
            ("removed", "uint64"),
            ("slots", "uint64"),
        ),
        encodings={"object": "BYTE_STREAM_SPLIT"},
    ),
    _layout(
        "standing_lines",
        (
            ("object", "uint32"),
            ("line", "uint32"),
        ),
        encodings={"object": "BYTE_STREAM_SPLIT"},
    ),
    _layout(
        "views",
        (
            ("object", "uint32"),
            ("shown", "uint64"),
        ),
        encodings={"object": "BYTE_STREAM_SPLIT"},
    ),
    _layout(
        "modules",
        (
            ("object", "uint32"),
            ("name", STRING),
            ("file", STRING),
            ("origin", "uint8"),
            ("distribution", STRING),
        ),
    ),
    _layout(
        "maps",
        (
            ("start", "uint64"),
            ("end", "uint64"),
            ("permissions", STRING),
            ("offset", "uint64"),
            ("path", STRING),
            ("rss", "uint64"),
            ("pss", "uint64"),
            ("private_dirty", "uint64"),
        ),
    ),
    _layout(
        "regions",
        (
            ("start", "uint64"),
            ("end", "uint64"),
            ("kind", "uint8"),
            ("resident", "uint64"),
            ("in_use", "uint64"),
            ("free", "uint64"),
            ("blocks", "uint64"),
            ("object", "uint32"),
        ),
    ),
    _layout(
        "pools",
        (
            ("start", "uint64"),
            ("region", "uint32"),
            ("block_size", "uint16"),
            ("used", "uint16"),
            ("resident", "uint32"),
        ),
        encodings={"start": "DELTA_BINARY_PACKED"},
    ),
    _layout(
        "native",
        (
            ("group", "uint32"),
            ("object", "uint32"),
            ("bytes", "uint64"),
            ("blocks", "uint64"),
            ("kind", "uint8"),
            ("grade", "uint8"),
            ("name", STRING),
        ),
        is_later=True,
    ),
)

TABLES: Mapping[str, TableLayout] = {layout.name: layout for layout in _LAYOUTS}
"""Every table of the file, in the order in which they are written."""
