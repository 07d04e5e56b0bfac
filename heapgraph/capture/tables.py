"""From walked columns and roots to the tables of a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from heapgraph.capture.heap.columns import preview_bytes
from heapgraph.capture.heap.type_names import TypeNames
from heapgraph.model import NO_ROW, ObjectFlags
from heapgraph.snapshot.schema import table_from_columns, table_from_rows
from heapgraph.source_files import origin_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.cpython.roots import RootSet
    from heapgraph.capture.heap.audit import Verdict
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.regions.native_owners import NativeOwners
    from heapgraph.capture.regions.regions import MemoryRegions

_CHUNK_ROWS = 1 << 20  # of some hundred bytes at most: the string type has 32-bit offsets


def preview_array(columns: HeapColumns) -> pa.ChunkedArray:
    """The previews as Arrow strings over the walker's own bytes, null where there is none."""
    arrays = columns.arrays
    sizes, text = arrays["preview_size"], arrays["previews"]
    chunks = []
    begin = 0
    for first in range(0, len(sizes), _CHUNK_ROWS):
        here = sizes[first : first + _CHUNK_ROWS]
        offsets = np.zeros(len(here) + 1, dtype=np.int32)
        np.cumsum(preview_bytes(here), out=offsets[1:])
        end = begin + int(offsets[-1])
        chunks.append(
            pa.Array.from_buffers(
                pa.string(),
                len(here),
                [
                    pa.py_buffer(np.packbits(here > 0, bitorder="little")),
                    pa.py_buffer(offsets),
                    pa.py_buffer(text[begin:end]),
                ],
            )
        )
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
) -> dict[str, pa.Table]:
    """Make every table of the snapshot file.

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
    flags = arrays["flags"].copy()
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
        "objects": table_from_columns(
            "objects",
            {**objects, "flags": flags, "preview": preview_array(columns)},
            narrow=True,
        ),
        "references": table_from_columns(
            "references",
            {
                "target": arrays["target"],
                "label": arrays["label"],
                "kind": arrays["kind"],
                "flags": arrays["edge_flags"],
            },
        ),
        "types": _types_table(columns),
        "names": table_from_columns("names", {"name": columns.names}),
        "roots": table_from_columns("roots", vars(verdict.roots)),
        "threads": table_from_rows("threads", named.threads),
        "frames": table_from_rows("frames", _frame_rows(columns, named)),
        "codes": columns.code_table,
        "containers": columns.container_table,
        "standing_lines": columns.line_table,
        "views": columns.view_table,
        "modules": table_from_rows("modules", _module_rows(columns, named)),
        "maps": table_from_rows("maps", [_map_row(mapping) for mapping in maps]),
        "regions": table_from_rows("regions", [vars(region) for region in memory.regions]),
        "pools": table_from_columns(
            "pools",
            {
                "start": memory.pools.starts,
                "region": memory.pool_rows.astype(np.uint32),
                "block_size": memory.pools.block_sizes.astype(np.uint16),
                "used": memory.pools.used.astype(np.uint16),
                "resident": memory.pool_resident.astype(np.uint32),
            },
        ),
        "native": table_from_columns("native", native.columns),
    }


def _types_table(columns: HeapColumns) -> pa.Table:
    ids = columns.ids_of([walked.address for walked in columns.types]).tolist()
    types = columns.types
    return table_from_columns(
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
