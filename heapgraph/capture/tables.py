"""From walked columns and roots to the tables of a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.capture.heap.columns import preview_bytes
from heapgraph.capture.heap.type_names import TypeNames
from heapgraph.model import NO_ROW, ObjectFlags
from heapgraph.snapshot.plain_tables import PlainTable, plain_rows, plain_table
from heapgraph.source_files import origin_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from heapgraph.capture.cpython.roots import RootSet
    from heapgraph.capture.heap.audit import Verdict
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.regions.native_owners import NativeOwners
    from heapgraph.capture.regions.regions import MemoryRegions

_CHUNK_ROWS = 1 << 20  # of some hundred bytes at most: the string type has 32-bit offsets


OF_PREVIEWS = ("preview_size", "previews")
"""Columns of a walk that its previews are read from."""


class Previews:
    """The previews of a walk, in the walker's own bytes; None where there is none.

    Args:
        columns: the walk's result.
    """

    def __init__(self, columns: HeapColumns) -> None:
        """Copy nothing."""
        self._columns = columns

    def __len__(self) -> int:
        """How many objects there are."""
        return self._columns.object_count

    def __getitem__(self, row: int) -> str | None:
        """One of them."""
        return self._columns.preview(row)

    def to_pylist(self) -> list[str | None]:
        """All of them. Cost: 2 us each."""
        return [self[row] for row in range(len(self))]

    def as_arrow(self) -> pa.ChunkedArray:
        """As Arrow strings over the walker's own bytes."""
        import pyarrow as pa  # noqa: PLC0415 - for files only

        arrays = self._columns.arrays
        sizes, text = arrays["preview_size"], arrays["previews"]
        chunks, begin = [], 0
        for first in range(0, len(sizes), _CHUNK_ROWS):
            here = sizes[first : first + _CHUNK_ROWS]
            offsets = np.zeros(len(here) + 1, dtype=np.int32)
            np.cumsum(preview_bytes(here), out=offsets[1:])
            end = begin + int(offsets[-1])
            validity = pa.py_buffer(np.packbits(here > 0, bitorder="little"))
            buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(text[begin:end])]
            chunks.append(pa.Array.from_buffers(pa.string(), len(here), buffers))
            begin = end
        return pa.chunked_array(chunks, type=pa.string())


def snapshot_tables(
    columns: HeapColumns,
    named: RootSet,
    verdict: Verdict,
    maps: Sequence[Mapping],
    memory: MemoryRegions,
    *,
    native: NativeOwners,
) -> dict[str, PlainTable]:
    """Make every table of the snapshot file, in memory.

    Args:
        columns: the walk's result.
        named: threads, frames and modules.
        verdict: roots and garbage.
        maps: the target's mappings.
        memory: what its private anonymous memory is used for.
        native: who owns memory of C code.

    Cost: no copy of the columns; a few Python steps per type, root and frame.
    """
    arrays = columns.arrays
    flags = arrays["flags"]
    flags[verdict.is_garbage] |= np.uint16(ObjectFlags.GARBAGE)
    objects = {
        name: arrays[name]
        for name in (
            "address",
            "type",
            "shallow_size",
            "getsizeof",
            "refcount",
            "age",
            "age_part",
            "out_degree",
        )
    }
    return {
        "objects": plain_table(
            "objects",
            {**objects, "flags": flags, "preview": Previews(columns)},
            narrow=True,
        ),
        "references": plain_table(
            "references",
            {
                "target": arrays["target"],
                "label": arrays["label"],
                "kind": arrays["kind"],
                "flags": arrays["edge_flags"],
            },
        ),
        "types": _types_table(columns),
        "names": plain_table("names", {"name": columns.names}),
        "roots": plain_table("roots", vars(verdict.roots)),
        "threads": plain_rows("threads", named.threads),
        "frames": plain_rows("frames", _frame_rows(columns, named)),
        **columns.fact_tables,
        "modules": plain_rows("modules", _module_rows(columns, named)),
        "maps": plain_rows("maps", [_map_row(mapping) for mapping in maps]),
        "regions": plain_rows("regions", [vars(region) for region in memory.regions]),
        "pools": plain_table(
            "pools",
            {
                "start": memory.pools.starts,
                "region": memory.pool_rows.astype(np.uint32),
                "block_size": memory.pools.block_sizes.astype(np.uint16),
                "used": memory.pools.used.astype(np.uint16),
                "resident": memory.pool_resident.astype(np.uint32),
            },
        ),
        "native": plain_table("native", native.columns),
    }


def _types_table(columns: HeapColumns) -> PlainTable:
    ids = columns.ids_of([walked.address for walked in columns.types]).tolist()
    types = columns.types
    return plain_table(
        "types",
        {
            "name": TypeNames(columns, ids).qualified(),
            "object": [NO_ROW if object_id < 0 else object_id for object_id in ids],
            "basicsize": [walked.basicsize for walked in types],
            "itemsize": [walked.itemsize for walked in types],
            "flags": [walked.flags for walked in types],
            "handler": [walked.reader if walked.knows_fields else "scan" for walked in types],
        },
    )


def _frame_rows(columns: HeapColumns, named: RootSet) -> list[dict[str, Any]]:
    """The rows with object ids in place of addresses of code objects."""
    ids = columns.ids_of([row["code"] for row in named.frames]).tolist()
    return [
        {
            **row,
            "code": NO_ROW if object_id < 0 else object_id,
            "origin": origin_of_file(row["file"]),
        }
        for row, object_id in zip(named.frames, ids, strict=True)
    ]


def _module_rows(columns: HeapColumns, named: RootSet) -> list[dict[str, Any]]:
    """The rows with object ids in place of addresses; one that was not walked has none."""
    ids = columns.ids_of([row["object"] for row in named.modules]).tolist()
    return [
        {**row, "object": object_id}
        for row, object_id in zip(named.modules, ids, strict=True)
        if object_id >= 0
    ]


def _map_row(mapping: Mapping) -> dict[str, Any]:
    return {
        "start": mapping.start,
        "end": mapping.end,
        "permissions": mapping.permissions,
        "offset": mapping.offset,
        "path": mapping.path,
        "rss": mapping.rss,
        "pss": mapping.pss,
        "private_dirty": mapping.private_dirty,
    }
