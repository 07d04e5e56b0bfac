"""How much a table may hold: asked of its footer before anything of it is decoded.

A run of equal values takes the same few bytes of a Parquet file whether it stands for a thousand
rows or for a billion. So a file of some kilobytes, damaged or made for the purpose, could ask for
all the memory of the machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from heapgraph.machine_memory import machine_memory
from heapgraph.snapshot.arrow_arrays import cast, compute
from heapgraph.snapshot.pages import BadPage, unpacked_size
from heapgraph.snapshot.schema import MAX_OBJECTS, MAX_TEXT_BYTES, ROW_GROUP_ROWS
from heapgraph.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow.parquet as pq

    from heapgraph.snapshot.schema import TableLayout

MAX_SMALL_ROWS = 2**21
"""Of tables that grow with the program, not with its data: threads, frames, mappings, types. The
kernel allows 65,530 mappings unless told otherwise; the interpreter, 1000 frames a thread."""

MAX_POOLS = 2**26
"""At 4 KiB or more each: 256 GiB of small blocks."""

MAX_REFERENCES = 2**40

MAX_GROUP_ROWS = 2**22
"""Of one row group, the piece that is decoded at a time; heapgraph writes 2^18."""

_TEXT_BYTES_A_ROW = 512
"""Of a preview: 80 characters, each at most 4 bytes, and the mark of a cut."""

_MAX_PREVIEW_BYTES = 2**24
"""More than that, for a heap of few objects: the preview of code has the beginning of its path."""

_TEXT_ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}
"""Whose texts are as long as they are in the file, or can be measured before they are copied. The
others say how much of the text before is to be repeated."""

_WORTH_A_LOOK = 2**30

_ROWS_A_BYTE = {"objects": 48}
"""Of a table's bytes in the file. Equal objects in a row without a gap between them, which there is
in every pool, are written with 41 objects a byte."""

_MAX_ROWS_A_BYTE = 128
"""Of the other tables: a list that holds the same object again and again, with 100."""

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8}
_SLACK_BYTES = 2**20
"""For dictionaries and levels of a column that has hardly any rows."""


def bytes_problem(table: str, rows: int, size: int) -> str:
    """Why a table of so few bytes cannot have so many rows; "" when it can.

    A run of equal rows costs a file nothing, and its reader 50 bytes a row. What heapgraph writes
    of the most even heap that there can be is the limit.

    Args:
        table: its name.
        rows: of the manifest.
        size: bytes in the file.
    """
    most = _ROWS_A_BYTE.get(table, _MAX_ROWS_A_BYTE) * size + ROW_GROUP_ROWS
    if rows <= most:
        return ""
    return f"it says {format_count(rows)} rows, and no more than {format_count(most)} fit into it"


def unpacked_problem(table: str, metadata: pq.FileMetaData, image: memoryview) -> str:
    """Why the columns of a table must not be decoded: what they would unpack to; "" when they may.

    Args:
        table: its name.
        metadata: its footer, which is not believed.
        image: the Parquet file.

    Cost: some 20 us per page of a megabyte.
    """
    totals: dict[str, int] = {}
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            name = column.path_in_schema
            try:
                size = unpacked_size(image, column)
            except BadPage as failure:
                return f"its column {name} is not readable: {failure}"
            totals[name] = totals.get(name, 0) + size
            width = _WIDTHS.get(column.physical_type)
            if width is None:
                found, most = totals[name], _most_text(table, metadata.num_rows)
            else:  # a dictionary of all values, and their places in it
                found, most = size, group.num_rows * (2 * width + 4)
            if found > most + _SLACK_BYTES:
                return (
                    f"its column {name} unpacks to {format_size(found)} "
                    f"in {format_count(metadata.num_rows)} rows"
                )
    return ""


def _most_text(table: str, rows: int) -> int:
    """Bytes that a column of text may have."""
    if table == "objects":
        return _MAX_PREVIEW_BYTES + _TEXT_BYTES_A_ROW * rows
    return MAX_TEXT_BYTES + (_TEXT_BYTES_A_ROW * rows if table == "roots" else 0)


def most_rows(table: str, objects: int) -> int:
    """The most rows that a table of a snapshot with so many objects can have."""
    if table == "objects":
        return MAX_OBJECTS
    if table == "references":
        return MAX_REFERENCES
    if table in ("codes", "containers", "standing_lines", "views"):  # an object each
        return objects
    if table == "native":  # an object of each grade, and those that share some
        return 3 * objects + 4 * MAX_SMALL_ROWS
    if table == "roots":  # an object can be held by C code, immortal and a static type
        return 3 * objects + MAX_SMALL_ROWS
    return MAX_POOLS if table == "pools" else MAX_SMALL_ROWS


def table_problem(
    layout: TableLayout, parquet: pq.ParquetFile, rows: int, image: memoryview
) -> str:
    """Why a table must not be decoded; "" when it may.

    Args:
        layout: what it should be.
        parquet: the open file.
        rows: of the manifest.
        image: the bytes of the file.
    """
    return (
        _schema_problem(layout, parquet.schema_arrow)
        or footer_problem(parquet.metadata, rows)
        or unpacked_problem(layout.name, parquet.metadata, image)
    )


def _schema_problem(layout: TableLayout, found: pa.Schema) -> str:
    """Return what is missing or of another type; further columns are ignored."""
    for column in layout.schema:
        indices: Sequence[int] = found.get_all_field_indices(column.name)
        if not indices and column.name in layout.later:
            continue
        if len(indices) != 1:
            return f"it has {len(indices)} columns {column.name}"
        present = found.field(indices[0])
        if present.type != column.type:
            return f"its column {column.name} is {present.type}, not {column.type}"
    return ""


def footer_problem(metadata: pq.FileMetaData, rows: int) -> str:
    """Why a table must not be decoded; "" when its footer promises what the manifest does.

    Args:
        metadata: its footer.
        rows: of the manifest.

    Cost: some 10 us per column and row group.
    """
    if metadata.num_rows != rows:
        return f"it has {metadata.num_rows} rows, the manifest says {rows}"
    total = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        total += group.num_rows
        if not 0 <= group.num_rows <= MAX_GROUP_ROWS:
            return f"row group {number} has {group.num_rows} rows"
        for place in range(group.num_columns):
            column = group.column(place)
            if column.num_values != group.num_rows:
                return (
                    f"{column.path_in_schema} has {column.num_values} values in row group "
                    f"{number} of {group.num_rows} rows"
                )
            if column.physical_type == "BYTE_ARRAY" and not _TEXT_ENCODINGS.issuperset(
                column.encodings
            ):
                return f"{column.path_in_schema} is encoded in a way that no heapgraph uses"
    return "" if total == rows else f"its row groups have {total} rows, the manifest says {rows}"


def texts_to_measure(layout: TableLayout, metadata: pq.FileMetaData) -> list[str]:
    """Columns of text in which one text can stand for many: to be read as dictionaries.

    Cost: some 10 us per row group. Previews, which heapgraph writes one by one, are not among them
        unless their footer says so, for to look each of them up takes longer than to read it.
    """
    names = [column.name for column in layout.schema if pa.types.is_string(column.type)]
    if layout.name != "objects":
        return names
    place = layout.schema.get_field_index("preview")
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    columns = (group.column(place) for group in groups if group.num_columns > place)
    return names if any(column.has_dictionary_page for column in columns) else []


def plain_text(values: pa.ChunkedArray, table: str) -> pa.ChunkedArray:
    """Texts that were read as a dictionary, written out one by one.

    Args:
        values: read from a table.
        table: its name.

    Raises:
        pa.ArrowInvalid: they would take more memory than the texts of any process.
    """
    if not pa.types.is_dictionary(values.type):
        return values
    most = _most_text(table, len(values))
    size = 0
    for chunk in values.chunks:
        lengths = cast(compute("binary_length", chunk.dictionary), pa.int64())
        size += compute("sum", compute("take", lengths, chunk.indices)).as_py() or 0
        if size > most:
            raise pa.ArrowInvalid(f"its texts would take more than {format_size(most)}")
    return cast(values, pa.string() if size < 2**31 else pa.large_string())


def check_memory(wanted: int) -> None:
    """Refuse an array that is larger than the memory there is.

    The kernel grants what is not there, and ends the program when it uses it.

    Args:
        wanted: bytes.

    Raises:
        MemoryError: they are not there.
    """
    if wanted > _WORTH_A_LOOK and wanted > available_memory():
        raise MemoryError(f"{format_count(wanted)} bytes")


def available_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that programs can still take, swap included; a large number when nobody knows."""
    sizes = machine_memory(meminfo)
    return sizes.get("MemAvailable", 2**63) + sizes.get("SwapFree", 0)
