"""The tables of a snapshot file: names, columns, types, and how Parquet stores them.

docs/file-format.md explains every column; a test keeps the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heapgraph.snapshot.arrow_arrays import arrow_array, cast, text_array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT_NAME = "heapgraph"
FORMAT_VERSION = 4

MANIFEST_MEMBER = "manifest.json"

ROW_GROUP_ROWS = 262_144
"""Rows that are encoded together: small enough to look up one object without reading a whole
column, large enough that the page headers do not matter."""

MAX_OBJECTS = 2**32 - 2
"""Object ids are uint32, and the two highest values are reserved (`model.VIRTUAL_ROOT`,
`model.UNREACHABLE`)."""


@dataclass(frozen=True)
class TableLayout:
    """One table of the file.

    Attributes:
        name: the table's name; its member in the file is `member`.
        schema: columns with type and nullability, in file order.
        encodings: Parquet encoding by column, where it makes the file smaller or faster to write
            than the dictionary that every other column gets (measured on a heap of 1.2 million
            objects: splitting 4-byte numbers into byte streams halves `target` before zstd).
        statistics: columns with minimum and maximum per row group, so that query engines can skip
            row groups.
        later: columns that older files of this format version do not have: zeros.
        is_later: older files of this format version do not have the table: it is empty.
    """

    name: str
    schema: pa.Schema
    encodings: Mapping[str, str] = field(default_factory=dict)
    statistics: tuple[str, ...] = ()
    later: frozenset[str] = frozenset()
    is_later: bool = False

    @property
    def member(self) -> str:
        """The name of the table's member in the snapshot file."""
        return f"{self.name}.parquet"

    def writer_options(self) -> dict[str, Any]:
        """Keyword arguments of `pyarrow.parquet.ParquetWriter` for this table."""
        plain = set(self.encodings)
        return {
            "compression": "zstd",
            "compression_level": 1,
            "use_dictionary": [name for name in self.schema.names if name not in plain],
            "column_encoding": dict(self.encodings) or None,
            "write_statistics": list(self.statistics),
            "store_schema": False,
        }


def _layout(
    name: str,
    columns: Sequence[tuple[str, pa.DataType]],
    *,
    nullable: Sequence[str] = (),
    encodings: Mapping[str, str] | None = None,
    statistics: tuple[str, ...] = (),
    later: frozenset[str] = frozenset(),
    is_later: bool = False,
) -> TableLayout:
    fields = [
        pa.field(column, data_type, nullable=column in nullable) for column, data_type in columns
    ]
    schema = pa.schema(fields)
    return TableLayout(name, schema, dict(encodings or {}), statistics, later, is_later)


_LAYOUTS = (
    _layout(
        "objects",
        (
            ("address", pa.uint64()),
            ("type", pa.uint32()),
            ("shallow_size", pa.uint64()),
            ("getsizeof", pa.uint64()),
            ("refcount", pa.int64()),
            ("flags", pa.uint16()),
            ("age", pa.uint8()),
            ("age_part", pa.uint8()),
            ("out_degree", pa.uint32()),
            ("preview", pa.string()),
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
            ("target", pa.uint32()),
            ("label", pa.uint32()),
            ("kind", pa.uint8()),
            ("flags", pa.uint8()),
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
            ("name", pa.string()),
            ("object", pa.uint32()),
            ("basicsize", pa.uint64()),
            ("itemsize", pa.uint64()),
            ("flags", pa.uint64()),
            ("handler", pa.string()),
        ),
    ),
    _layout("names", (("name", pa.string()),)),
    _layout(
        "roots",
        (
            ("target", pa.uint32()),
            ("kind", pa.uint8()),
            ("name", pa.string()),
            ("frame", pa.uint32()),
            ("count", pa.uint32()),
        ),
    ),
    _layout(
        "threads",
        (
            ("thread_id", pa.uint64()),
            ("native_id", pa.uint64()),
            ("name", pa.string()),
            ("interpreter", pa.uint64()),
            ("holds_gil", pa.bool_()),
        ),
        nullable=("name",),
    ),
    _layout(
        "frames",
        (
            ("thread", pa.uint32()),
            ("depth", pa.uint32()),
            ("function", pa.string()),
            ("file", pa.string()),
            ("line", pa.uint32()),
            ("code", pa.uint32()),
            ("origin", pa.uint8()),
        ),
    ),
    _layout(
        "codes",
        (
            ("object", pa.uint32()),
            ("function", pa.string()),
            ("file", pa.string()),
            ("line", pa.uint32()),
            ("origin", pa.uint8()),
        ),
        encodings={"object": "BYTE_STREAM_SPLIT", "line": "BYTE_STREAM_SPLIT"},
    ),
    _layout(
        "containers",
        (
            ("object", pa.uint32()),
            ("limit", pa.int64()),
            ("removed", pa.uint64()),
            ("slots", pa.uint64()),
        ),
        encodings={"object": "BYTE_STREAM_SPLIT"},
    ),
    _layout(
        "standing_lines",
        (
            ("object", pa.uint32()),
            ("line", pa.uint32()),
        ),
        encodings={"object": "BYTE_STREAM_SPLIT"},
    ),
    _layout(
        "views",
        (
            ("object", pa.uint32()),
            ("shown", pa.uint64()),
        ),
        encodings={"object": "BYTE_STREAM_SPLIT"},
    ),
    _layout(
        "modules",
        (
            ("object", pa.uint32()),
            ("name", pa.string()),
            ("file", pa.string()),
            ("origin", pa.uint8()),
            ("distribution", pa.string()),
        ),
    ),
    _layout(
        "maps",
        (
            ("start", pa.uint64()),
            ("end", pa.uint64()),
            ("permissions", pa.string()),
            ("offset", pa.uint64()),
            ("path", pa.string()),
            ("rss", pa.uint64()),
            ("pss", pa.uint64()),
            ("private_dirty", pa.uint64()),
        ),
    ),
    _layout(
        "regions",
        (
            ("start", pa.uint64()),
            ("end", pa.uint64()),
            ("kind", pa.uint8()),
            ("resident", pa.uint64()),
            ("in_use", pa.uint64()),
            ("free", pa.uint64()),
            ("blocks", pa.uint64()),
            ("object", pa.uint32()),
        ),
    ),
    _layout(
        "pools",
        (
            ("start", pa.uint64()),
            ("region", pa.uint32()),
            ("block_size", pa.uint16()),
            ("used", pa.uint16()),
            ("resident", pa.uint32()),
        ),
        encodings={"start": "DELTA_BINARY_PACKED"},
    ),
    _layout(
        "native",
        (
            ("group", pa.uint32()),
            ("object", pa.uint32()),
            ("bytes", pa.uint64()),
            ("blocks", pa.uint64()),
            ("kind", pa.uint8()),
            ("grade", pa.uint8()),
            ("name", pa.string()),
        ),
        is_later=True,
    ),
)

TABLES: Mapping[str, TableLayout] = {layout.name: layout for layout in _LAYOUTS}
"""Every table of the file, in the order in which they are written."""


def table_from_columns(
    name: str,
    columns: Mapping[str, np.ndarray[Any, Any] | Sequence[Any] | pa.Array],
    *,
    narrow: bool = False,
) -> pa.Table:
    """Make a table of the file from its columns.

    Args:
        name: a table of `TABLES`.
        columns: one array or list of equal length per column of the schema; numpy arrays of the
            schema's dtype are not copied.
        narrow: leave columns of narrower unsigned numbers as they are, for the writer only: it
            widens them piece by piece.

    Raises:
        KeyError: a column of the schema is missing.
        ValueError: a column is unknown, of another length, or holds a value its type cannot.
    """
    schema = TABLES[name].schema
    unknown = set(columns) - set(schema.names)
    if unknown:
        raise ValueError(f"table {name} has no column {', '.join(sorted(unknown))}")
    if narrow:
        found = [
            arrow_array(values)
            if isinstance(values := columns[column.name], np.ndarray) and values.dtype.kind == "u"
            else _array(values, column.type)
            for column in schema
        ]
        return pa.Table.from_arrays(found, names=schema.names)
    arrays = [_array(columns[column.name], column.type) for column in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def table_from_rows(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Make a table of the file from row dicts, each with every column of the schema.

    Raises:
        KeyError: a row lacks a column.
    """
    names = TABLES[name].schema.names
    return table_from_columns(name, {column: [row[column] for row in rows] for column in names})


def _array(
    values: np.ndarray[Any, Any] | Sequence[Any] | pa.Array | pa.ChunkedArray,
    data_type: pa.DataType,
) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        found = values
    elif pa.types.is_string(data_type):
        # File names and strings of a target may hold lone surrogates, which no UTF-8 file can.
        texts: Sequence[str | None] = list(values)
        found = text_array(texts)
    else:
        found = arrow_array(_numbers(values, data_type))
    return cast(found, data_type)


def _numbers(
    values: np.ndarray[Any, Any] | Sequence[Any], data_type: pa.DataType
) -> np.ndarray[Any, Any]:
    if isinstance(values, np.ndarray):
        return values
    try:
        return np.array(values, str(data_type))
    except (OverflowError, TypeError) as error:
        raise ValueError(f"{data_type} cannot hold them: {error}") from error
