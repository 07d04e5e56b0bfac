"""Where each code object comes from, as columns: function, file, first line, whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.heap.texts import read_texts, text_column, words_at
from heapgraph.snapshot.plain_tables import plain_table
from heapgraph.source_files import origin_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.heap.texts import Array
    from heapgraph.native.memory_reads import MemoryReads
    from heapgraph.snapshot.plain_tables import PackedTexts, PlainTable

_READER = "code"
READERS = {_READER: 0}
"""Readers of the walk whose objects are asked, each with the fewest references that they have."""


def read_code_table(
    reads: MemoryReads,
    fields: Mapping[str, int],
    columns: HeapColumns,
    chosen: Mapping[str, Array],
) -> PlainTable:
    """Make the table `codes`.

    Args:
        reads: of the frozen moment.
        fields: the layout of its CPython.
        columns: the objects.
        chosen: ids by reader, of READERS at least.

    Returns:
        A row for each code object, by rising object id. What is no text is empty.

    Cost: 1 us per code object; each text is read once, however many share it.
    """
    ids = chosen[_READER]
    name = "code.qualname" if "code.qualname" in fields else "code.name"
    wanted = [fields[name], fields["code.filename"], fields["code.firstlineno"]]
    heads = [words_at(reads, addresses, wanted) for _, addresses in columns.in_steps(ids)]
    words = np.concatenate(heads)
    addresses, places = np.unique(words[:, :2], return_inverse=True)
    places = places.reshape(-1, 2)
    texts = read_texts(reads, fields, addresses)
    lines = words[:, 2].astype(np.uint32).view(np.int32)
    return plain_table(
        "codes",
        {
            "object": ids.astype(np.uint32),
            "function": text_column(texts, places[:, 0]),
            "file": text_column(texts, places[:, 1]),
            "line": np.maximum(lines, 0).astype(np.uint32),
            "origin": _origins(texts, places[:, 1]),
        },
    )


def _origins(texts: PackedTexts, rows: Array) -> Array:
    """uint8[n], decided once for each file."""
    used, places = np.unique(rows, return_inverse=True)
    origins = [origin_of_file(texts[file]) for file in used.tolist()]
    return np.array(origins, np.uint8)[places]
