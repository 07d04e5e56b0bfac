"""Where each code object comes from, as columns: function, file, first line, whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.heap.texts import column_of, read_texts, text_column
from heapgraph.snapshot.arrow_arrays import arrow_array
from heapgraph.snapshot.schema import table_from_columns
from heapgraph.source_files import origin_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from heapgraph.capture.heap.texts import Array
    from heapgraph.capture.heap.walk import HeapColumns
    from heapgraph.native.memory_reads import MemoryReads

_READER = "code"
"""By which the walker reads code objects; nothing can be derived from their type."""

_STEP = 1 << 18
"""Objects that are looked at, or read, at a time."""

_WORD = 8


def read_code_table(
    reads: MemoryReads, fields: Mapping[str, int], columns: HeapColumns
) -> pa.Table:
    """Make the table `codes`.

    Args:
        reads: of the frozen moment.
        fields: the layout of its CPython.
        columns: the objects.

    Returns:
        A row for each code object, by rising object id. What is no text is empty.

    Cost: 1 us per code object; each text is read once, however many share it.
    """
    ids = _code_objects(columns)
    name = "code.qualname" if "code.qualname" in fields else "code.name"
    wanted = [fields[name], fields["code.filename"], fields["code.firstlineno"]]
    heads = [
        _heads(reads, columns.addresses_of(ids[start : start + _STEP]), wanted)
        for start in range(0, len(ids), _STEP)
    ]
    words = np.concatenate([np.empty((0, len(wanted)), np.uint64), *heads])
    addresses, places = np.unique(words[:, :2], return_inverse=True)
    places = places.reshape(-1, 2)
    texts = read_texts(reads, fields, addresses)
    lines = words[:, 2].astype(np.uint32).view(np.int32)
    return table_from_columns(
        "codes",
        {
            "object": ids.astype(np.uint32),
            "function": text_column(texts, places[:, 0]),
            "file": text_column(texts, places[:, 1]),
            "line": np.maximum(lines, 0).astype(np.uint32),
            "origin": _origins(texts, places[:, 1]),
        },
    )


def _code_objects(columns: HeapColumns) -> Array:
    """int64, ids of all code objects, rising. Nothing as long as the heap is made for it."""
    is_code = np.array([walked.reader == _READER for walked in columns.types], np.bool_)
    types = columns.arrays["type"]
    found = [
        np.flatnonzero(is_code[types[start : start + _STEP]]) + start
        for start in range(0, len(types), _STEP)
    ]
    return np.concatenate([np.empty(0, np.int64), *found])


def _heads(reads: MemoryReads, addresses: Array, offsets: list[int]) -> Array:
    """uint64[n, offsets], the words at some offsets of each object."""
    heads = reads.gather(addresses, max(offsets) + _WORD)
    return np.stack([column_of(heads, at, np.uint64) for at in offsets], axis=1)


def _origins(texts: pa.StringArray, rows: Array) -> Array:
    """uint8[n], decided once for each file."""
    used, places = np.unique(rows, return_inverse=True)
    files = texts.take(arrow_array(used)).to_pylist()
    return np.array([origin_of_file(file) for file in files], np.uint8)[places]
