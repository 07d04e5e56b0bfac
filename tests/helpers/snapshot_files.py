"""Snapshot files to damage: a heap with a row in every table, and a way to rewrite members."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from heapgraph.model import EdgeKind, NativeGrade, NativeKind
from helpers.heaps import HeapBuilder, draw_heap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

NOBODY = 65534


def sample_heap() -> HeapBuilder:
    """Make a small heap with a row in every table and a reference of every meaning of a label."""
    heap = draw_heap(
        """
        * -> app:module(72) -> cache:dict(232) -> session:app.Session(48), token:str(81)
        session -> history:list(120) ~> session
        """
    )
    ids = heap.ids
    heap.edge(ids["app"], ids["cache"], EdgeKind.VALUE, "CACHE")
    heap.edge(ids["cache"], ids["session"], EdgeKind.VALUE, "user:42")
    heap.edge(ids["session"], ids["history"], EdgeKind.ATTRIBUTE, "history")
    heap.edge(ids["session"], ids["token"], EdgeKind.SLOT, "token")
    heap.edge(ids["history"], ids["token"], EdgeKind.INDEX, 0)
    heap.type_object("app.Session")
    thread = heap.thread(holds_gil=True)
    heap.root("frame", "session", ids["session"], frame=heap.frame(thread, "serve", line=12))
    heap.code("serve (/srv/app/serve.py:12)")
    heap.code("stop (/srv/app/serve.py:40)")
    heap.module_row(ids["app"], "app", "/srv/app/__init__.py")
    heap.container(ids["cache"], removed=3, slots=8)
    heap.container(ids["history"], limit=5)
    heap.standing_line(ids["session"], 12)
    heap.view(ids["session"], 100)
    heap.mapping(0x7F00_0000_0000, 0x7F00_0010_0000, "[heap]")
    arena = heap.region("arena", 0x7F00_0000_0000, 0x7F00_0010_0000, in_use=4096, blocks=64)
    heap.pool(0x7F00_0000_0000, arena, block_size=64, used=64, resident=16384)
    heap.native([ids["session"]], 4096)
    heap.native([ids["cache"], ids["history"]], 512, NativeKind.SHARED, grade=NativeGrade.CHAIN)
    heap.native([], 64, NativeKind.LIBRARY, name="variable of libapp.so +0x40")
    return heap


def repack(
    path: Path,
    members: Mapping[str, bytes | None] | None = None,
    change: Callable[[dict[str, Any]], object] | None = None,
    *,
    compression: int = zipfile.ZIP_STORED,
) -> None:
    """Rewrite a snapshot so that it is whole again, with other members or another manifest.

    Args:
        path: the file, replaced.
        members: new bytes by name, None to leave one out; sizes and checksums are made to fit.
        change: called with the manifest, which it changes in place.
        compression: of every member.
    """
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(content.pop("manifest.json"))
    for name, data in (members or {}).items():
        content.pop(name, None)
        if data is not None:
            content[name] = data
            entry = manifest["members"].setdefault(name, {"rows": 0})
            entry.update(size=len(data), crc32=zlib.crc32(data))
    if change is not None:
        change(manifest)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps(manifest))


def parquet_bytes(table: pa.Table) -> bytes:
    """Encode a table, whatever its columns are."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be an ordinary user inside the block, also when the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
