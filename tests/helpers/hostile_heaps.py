"""Heaps that are hard to show: texts that would steer a terminal, and a list a million deep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from heapgraph.model import EdgeFlags, EdgeKind
from heapgraph.snapshot.writer import write_snapshot
from helpers.app_heap import items, module, set_global, store
from helpers.arrow_tables import table_from_columns
from helpers.heaps import ADDRESS_STEP, FIRST_ADDRESS, HeapBuilder

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE_TEXTS = (
    "\x1b[2J\x1b[31;7;5mRED\x07",
    "\x1b]0;OWNED\x07\x1b]52;c;T1dORUQ=\x07",
    "\x1bP$q q\x1b\\\x1b_APC\x1b\\\x1bc\x1b[?1049l",
    "\x9b31mC1\x9c\x9d0;OWNED\x9c\x90",
    "\x00\x08\x0e\x0f\r\n\v\f\x7f\x1a",
    "[bold red]MARKUP[/] [@click=app.quit]press[/]",
    "\u202eevil\u202c \u2066iso\u2069 \u200fmark",
    "שלום עולם",
    "مرحبا ١٢٣",
    "z\u0335\u0321\u0322a\u0300\u0301\u0302\u0303l\u0489g\u20dd\u0338o",
    "zero\u200bwidth\u200djoined\ufeff \U000e0041tags \ufe0f",
    "line\u2028separator\u2029paragraph",
    "wide 日本語 👩\u200d👩\u200d👧 \uff26\uff35 ﷽",
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace") + "\ufffe\U0001ffff",
)
"""Sequences of terminals, bytes of control, markup, and writing that turns, piles up or joins."""


def hostile_heap() -> HeapBuilder:
    """A heap where everything that has a name is called by each of the texts once."""
    heap = HeapBuilder()
    module(heap, "app")
    evil = heap.object("dict", size=100_000, name="evil")
    set_global(heap, "app", "EVIL", evil)
    for number, text in enumerate(HOSTILE_TEXTS):
        value = heap.object(f"app.{text}", size=2**20 + number * 1000, preview=text)
        store(heap, evil, text, value)
        body = heap.object("bytearray", size=50_000 + number, preview=text)
        heap.edge(value, body, EdgeKind.ATTRIBUTE, text)
        heap.edge(value, evil, EdgeKind.SLOT, text)
        module(heap, text)
        thread = heap.thread(text)
        frame = heap.frame(thread, text, file=f"/srv/{text}", line=number)
        rows = heap.object("list", size=80_000)
        items(heap, rows, heap.object("str", size=90_000, preview=text))
        heap.root("frame", text, rows, frame=frame)
    return heap


def write_hostile_snapshot(path: Path) -> Path:
    """The heap above, of a process whose own facts are no better."""
    heap = hostile_heap()
    manifest = heap.manifest()
    manifest["target"] |= {"command_line": list(HOSTILE_TEXTS), "hostname": HOSTILE_TEXTS[0]}
    manifest["quality"] |= {"grade": "poor", "reasons": list(HOSTILE_TEXTS)}
    write_snapshot(path, manifest, heap.tables())
    return path


def write_long_list(path: Path, length: int) -> Path:
    """A snapshot of lists inside one another, `app.HEAD[0][0]...`, so many deep."""
    heap = HeapBuilder()
    module(heap, "app")
    head = heap.object("list", size=64)
    set_global(heap, "app", "HEAD", head)
    tables = heap.tables()
    first, added = tables["objects"].num_rows, length - 1
    ids = np.arange(first, first + added, dtype=np.uint32)
    sources = np.concatenate([[head], ids[:-1]])
    objects = table_from_columns(
        "objects",
        {
            "address": FIRST_ADDRESS + ADDRESS_STEP * ids.astype(np.uint64),
            "type": np.full(added, heap.type("list"), np.uint32),
            "shallow_size": np.full(added, 64, np.uint64),
            "getsizeof": np.full(added, 64, np.uint64),
            "refcount": np.ones(added, np.int64),
            "flags": np.zeros(added, np.uint16),
            "age": np.zeros(added, np.uint8),
            "age_part": np.zeros(added, np.uint8),
            "out_degree": (np.arange(added) < added - 1).astype(np.uint32),
            "preview": pa.nulls(added, pa.string()),
        },
    )
    references = table_from_columns(
        "references",
        {
            "target": ids,
            "label": np.zeros(added, np.uint32),
            "kind": np.full(added, EdgeKind.INDEX, np.uint8),
            "flags": np.full(added, EdgeFlags.GC_VISIBLE | EdgeFlags.COUNTED, np.uint8),
        },
    )
    return _write_joined(path, heap, {"objects": objects, "references": references}, sources)


def _write_joined(
    path: Path, heap: HeapBuilder, added: dict[str, pa.Table], sources: np.ndarray
) -> Path:
    """Write a heap with further objects behind its own, and their references in order of source."""
    tables = heap.tables()
    degrees = tables["objects"].column("out_degree").to_numpy().copy()
    own_sources = np.repeat(np.arange(len(degrees)), degrees)
    degrees[int(sources[0])] += 1
    own = tables["objects"].set_column(
        tables["objects"].schema.get_field_index("out_degree"), "out_degree", pa.array(degrees)
    )
    tables["objects"] = pa.concat_tables([own.cast(added["objects"].schema), added["objects"]])
    references = pa.concat_tables([tables["references"], added["references"]])
    order = np.argsort(np.concatenate([own_sources, sources]), kind="stable")
    tables["references"] = references.take(order)
    write_snapshot(path, heap.manifest(), tables)
    return path
