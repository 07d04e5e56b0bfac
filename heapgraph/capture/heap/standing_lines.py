"""At which line a function stands that is not running: generators, frames of objects, tracebacks.

Of a traceback it is the line at which the exception went through the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.cpython.layouts.kinds import StackReference
from heapgraph.capture.cpython.line_tables import line_decoder
from heapgraph.capture.heap.texts import column_of, words_at
from heapgraph.snapshot.plain_tables import plain_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.heap.texts import Array
    from heapgraph.native.memory_reads import MemoryReads
    from heapgraph.snapshot.plain_tables import PlainTable

READERS = {"generator": 0, "frame": 0, "code": 0}
"""Readers of the walk whose objects are asked, each with the fewest references that they have."""

TYPES = ("traceback",)
"""The same, of types that no reader is made for."""

_TAGS = np.uint64(3)  # of a stack reference
_UNIT = 2  # bytes of an instruction
_BEFORE_THE_FIRST = -1

_MAX_PLACES = 1 << 16
"""Different places in code that are looked up; a program has some thousand. The rest has no line,
so that a target with places without end cannot ask for any amount of time."""

_MAX_TABLE_BYTES = 1 << 18
_MAX_STEPS = 1 << 28
"""Bytes of line tables that are gone through in all: each place goes through its own."""


def read_standing_lines(
    reads: MemoryReads, layout: Layout, columns: HeapColumns, chosen: Mapping[str, Array]
) -> PlainTable:
    """Make the table `standing_lines`.

    Args:
        reads: of the frozen moment.
        layout: of its CPython.
        columns: the objects.
        chosen: ids by reader or type, of READERS and TYPES at least.

    Returns:
        A row for each generator, coroutine and async generator that has not ended, each frame that
        is an object, and each traceback, by rising object id. Those without a line are left out.

    Cost: 1 us per object, 20 us for each place in the code at which one of them stands.
    """
    places = _Places(reads, layout, columns, chosen["code"])
    found = [
        *places.generators(chosen["generator"]),
        *places.frames(chosen["frame"]),
        *places.tracebacks(chosen["traceback"]),
    ]
    ids, codes, offsets, lines = (
        np.concatenate([np.empty(0, np.int64), *parts]) for parts in zip(*found, strict=True)
    )
    unknown = np.flatnonzero(lines < 0)
    lines[unknown] = places.lines(codes[unknown], offsets[unknown])
    rows = np.argsort(ids, kind="stable")
    rows = rows[lines[rows] > 0]
    return plain_table(
        "standing_lines",
        {"object": ids[rows].astype(np.uint32), "line": lines[rows].astype(np.uint32)},
    )


class _Places:
    """Finds code, offset and line of many objects: int64[n] each, a line of -1 is to be found."""

    def __init__(
        self, reads: MemoryReads, layout: Layout, columns: HeapColumns, codes: Array
    ) -> None:
        self._reads = reads
        self._codes = codes
        self._fields = layout.fields
        self._columns = columns
        self._find_line = line_decoder(layout.kinds.line_table)
        self._is_tagged = layout.kinds.stack_reference is not StackReference.POINTER
        self._is_struct = "gen.iframe" in layout.fields

    def generators(self, ids: Array) -> Iterator[tuple[Array, ...]]:
        """Where those stand that have not ended."""
        fields = self._fields
        for part, addresses in self._columns.in_steps(ids):
            if self._is_struct:
                at = fields["gen.frame_state"]
                states = column_of(self._reads.gather(addresses, at + 1), at, np.int8)
                alive = states < fields["gen.state_cleared"]
                frames = addresses[alive] + np.uint64(fields["gen.iframe"])
            else:
                frames = words_at(self._reads, addresses, [fields["gen.frame"]])[:, 0]
                alive = frames != 0
                frames = frames[alive]
            yield part[alive], *self._of_frames(frames), np.full(len(frames), -1)

    def frames(self, ids: Array) -> Iterator[tuple[Array, ...]]:
        """Where frames stand that are objects."""
        for part, addresses in self._columns.in_steps(ids):
            yield part, *self._of_frames(self._structs(addresses)), np.full(len(part), -1)

    def tracebacks(self, ids: Array) -> Iterator[tuple[Array, ...]]:
        """Where an exception went through; since 3.12 the line may be still to be found."""
        fields = self._fields
        for part, addresses in self._columns.in_steps(ids):
            heads = self._reads.gather(addresses, fields["tb.lineno"] + 4)
            lines = column_of(heads, fields["tb.lineno"], np.int32).astype(np.int64)
            offsets = column_of(heads, fields["tb.lasti"], np.int32).astype(np.int64)
            frames = column_of(heads, fields["tb.frame"], np.uint64)
            codes, _ = self._of_frames(self._structs(frames))
            yield part, codes, self._in_bytes(offsets), lines

    def lines(self, codes: Array, offsets: Array) -> Array:
        """int64[n], 0 where there is none. Each place is looked up once."""
        pairs, place = np.unique(np.stack([codes, offsets], axis=1), axis=0, return_inverse=True)
        found = np.zeros(len(pairs), np.int64)
        pairs = pairs[:_MAX_PLACES]
        known = self._columns.addresses_of(self._codes)
        steps = 0
        tables: dict[int, tuple[int, bytes]] = {}
        for row in np.flatnonzero(np.isin(pairs[:, 0].astype(np.uint64), known)).tolist():
            code, offset = int(pairs[row, 0]), int(pairs[row, 1])
            first, table = tables[code] = tables.get(code) or self._line_table(code)
            steps += len(table)
            if steps > _MAX_STEPS:
                break
            line = self._find_line(table, first, offset) or 0
            found[row] = line if 0 <= line < 1 << 32 else 0
        return found[place.reshape(-1)]

    def _structs(self, frames: Array) -> Array:
        """What says where a frame object stands: itself, since 3.11 what it leads to."""
        if not self._is_struct:
            return frames
        return words_at(self._reads, frames, [self._fields["frame.iframe"]])[:, 0]

    def _of_frames(self, frames: Array) -> tuple[Array, Array]:
        """Addresses of code, and offsets in bytes; -1 before the first instruction."""
        fields = self._fields
        if not self._is_struct:
            at = fields["frame.lasti"]
            codes = words_at(self._reads, frames, [fields["frame.code"]])[:, 0]
            offsets = column_of(self._reads.gather(frames, at + 4), at, np.int32)
            return codes.view(np.int64), self._in_bytes(offsets.astype(np.int64))
        next_one = fields.get("if.instr_ptr", fields.get("if.prev_instr", 0))
        codes, instructions = words_at(self._reads, frames, [fields["if.code"], next_one]).T
        if self._is_tagged:
            codes = codes & ~_TAGS
        start = codes + np.uint64(fields["code.code_adaptive"])
        offsets = (instructions - start).view(np.int64)
        return codes.astype(np.int64), np.maximum(offsets, _BEFORE_THE_FIRST)

    def _in_bytes(self, offsets: Array) -> Array:
        """3.10 counts instructions."""
        if "frame.state" not in self._fields:
            return offsets
        return np.where(offsets < 0, offsets, _UNIT * offsets)

    def _line_table(self, code: int) -> tuple[int, bytes]:
        """First line and table of a code object; an empty one where it cannot be read."""
        fields = self._fields
        name = "code.linetable" if "code.linetable" in fields else "code.lnotab"
        wanted = [fields["code.firstlineno"], fields[name]]
        head, table = words_at(self._reads, np.array([code], np.uint64), wanted)[0].tolist()
        first = int(np.uint32(head & 0xFFFFFFFF).astype(np.int32))
        size = int(self._reads.words([table + fields["var.size"]], 1)[0, 0])
        if size > _MAX_TABLE_BYTES:
            return first, b""
        return first, self._reads.gather([table + fields["bytes.sval"]], size).tobytes()
