"""The typed face of the compiled walker: it reads another process's heap into columns.

The walker copies memory of the process, or of its core file, when it first needs it; nothing runs
there. A call may take seconds; the GIL is released meanwhile, and `progress` can be read from
another thread.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.errors import CaptureInterrupted
from heapgraph.model import NO_LABEL
from heapgraph.native.file_pieces import ProcessFile, piece_rows
from heapgraph.native.threads import usable_threads
from heapgraph.native.walked_columns import FORGOTTEN, WalkedColumns
from heapgraph.native.walked_type import WalkedType, read_type
from heapgraph.native.walker_library import check, walker_library
from heapgraph.native.walker_structs import (
    ABSENT,
    AddressRange,
    BlockRule,
    BudgetNumbers,
    BufferRule,
    FieldRule,
    TraverseVisits,
    TypeRule,
    WalkCounts,
    WalkerStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heapgraph.native.file_pieces import FilePiece
    from heapgraph.native.walk_budget import WalkBudget

Array: TypeAlias = npt.NDArray[Any]

_WORDS = ctypes.POINTER(ctypes.c_uint64)
_WORD_BYTES = 8
_WORDS_A_SCAN = 1 << 18

LOST_AT_ONCE = 1 << 20
"""The most objects that one look through the pools gives."""


def layout_field_names() -> list[str]:
    """Names of the layout fields the walker asks for, in its order."""
    library = walker_library()
    return [
        library.hg_layout_field_name(index).decode()
        for index in range(library.hg_layout_field_count())
    ]


def _as_u64(values: Sequence[int] | Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.uint64)


def _as_ranges(pairs: Sequence[tuple[int, int]] | Array) -> Array:
    """`AddressRange` each."""
    return np.ascontiguousarray(pairs, dtype=np.uint64).reshape(len(pairs), 2)


class HeapWalker:
    """Reads the heap of one frozen process, or of a core file.

    Args:
        source: the process whose memory is read, or the pieces of files that have it, sorted and
            disjoint; the files stay open until `forget_memory`.
        regions: (start, end) of readable mappings, sorted and disjoint.
        layout: byte offsets by field name; a missing one is ABSENT.

    Raises:
        CaptureInterrupted: address space for the copy cannot be reserved, or the process has ended.

    Cost: the copied part of the target's memory, about 30 bytes per object and 10 per reference.
        Pieces of a sealed file of memory are mapped, not copied.
    Threads: one call at a time, except `progress`.
    """

    def __init__(
        self,
        source: int | Sequence[FilePiece],
        regions: Sequence[tuple[int, int]],
        layout: Mapping[str, int],
    ) -> None:
        """Reserve the image; nothing is read yet."""
        self._handle = None
        self._library = walker_library()
        values = np.array(
            [layout.get(name, ABSENT) for name in layout_field_names()], dtype=np.int64
        )
        ranges = _as_ranges(regions)
        self._process: ProcessFile | None = None
        if isinstance(source, int):
            self._process = ProcessFile(source)
            source = [self._process.piece]
        rows = piece_rows(source)
        self._handle = self._library.hg_walker_new(
            rows.ctypes.data,
            len(rows),
            ranges.ctypes.data,
            len(ranges),
            values.ctypes.data,
            usable_threads(),
        )
        if not self._handle:
            raise CaptureInterrupted(
                "no address space for a copy of the target's memory",
                "a limit on virtual memory (ulimit -v), or vm.overcommit_memory = 2",
                "run: ulimit -v unlimited",
            )

    def __del__(self) -> None:
        """Give the image and the columns back."""
        if self._handle:
            self._library.hg_walker_free(self._handle)
            self._handle = None
            if self._process is not None:
                self._process.close()

    @property
    def handle(self) -> int | None:
        """The compiled walker, for further functions of its library."""
        return self._handle

    def name_row(self, name: str) -> int:
        """Row of a name in the table of names, added when new."""
        row = int(self._library.hg_walker_name(self._handle, name.encode()))
        check(WalkerStatus.OUT_OF_MEMORY if row == NO_LABEL else WalkerStatus.OK, "adding a name")
        return row

    def add_rule(
        self,
        tp_name: str,
        reader: str,
        scan_from: int | None,
        *,
        fields: Sequence[FieldRule] = (),
        buffers: Sequence[BufferRule] = (),
        blocks: BlockRule | None = None,
        borrowed: Sequence[int] = (),
    ) -> None:
        """Teach the walker a type.

        Args:
            tp_name: as CPython has it in tp_name.
            reader: the name of the code that reads its objects.
            scan_from: byte offset from which on words are scanned; None: nowhere.
            fields: words that hold references.
            buffers: memory that an instance alone owns.
            blocks: blocks of memory that it leads to; None for none.
            borrowed: byte offsets of words that lead to what is not the object's.
        """
        offsets = np.array(borrowed, dtype=np.int64)
        rule = TypeRule(
            type_name=tp_name.encode(),
            reader=reader.encode(),
            scan_from=ABSENT if scan_from is None else scan_from,
            fields=(FieldRule * len(fields))(*fields),
            field_count=len(fields),
            buffers=(BufferRule * len(buffers))(*buffers),
            buffer_count=len(buffers),
            blocks=BlockRule() if blocks is None else blocks,
            borrowed=offsets.ctypes.data,
            borrowed_count=len(offsets),
        )
        status = self._library.hg_walker_add_rule(self._handle, ctypes.byref(rule))
        check(status, f"teaching the walker {tp_name}, whose reader is {reader!r}")

    def set_budget(self, budget: WalkBudget) -> None:
        """Limit what the walk may cost; before anything is read. What is beyond it is counted."""
        numbers = BudgetNumbers(
            objects=budget.objects,
            references=budget.references,
            table_bytes=budget.table_bytes,
            image_bytes=budget.image_bytes,
        )
        filled = None if budget.filled is None else _as_ranges(budget.filled)
        status = self._library.hg_walker_set_budget(
            self._handle,
            ctypes.byref(numbers),
            None if filled is None else filled.ctypes.data,
            0 if filled is None else len(filled),
        )
        check(status, "preparing the walk")

    def set_constant(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Say which regions the process cannot write to: (start, end), sorted, disjoint."""
        rows = _as_ranges(ranges)
        status = self._library.hg_walker_set_constant(self._handle, rows.ctypes.data, len(rows))
        check(status, "preparing the walk")

    def set_running_frames(self, frames: Sequence[int]) -> None:
        """Say which frames threads run (up to 3.10 objects): they are on no suspended stack."""
        values = _as_u64(frames)
        status = self._library.hg_walker_set_running_frames(
            self._handle, values.ctypes.data, len(values)
        )
        check(status, "reading frames")

    def load(self, start: int, end: int) -> bool:
        """Copy a range now; False when part of it could not be read."""
        whole = ctypes.c_int()
        status = self._library.hg_walker_load(
            self._handle, AddressRange(start, end), ctypes.byref(whole)
        )
        check(status, "copying memory")
        return bool(whole.value)

    def read_gc_lists(self, heads: Sequence[int], frozen: int = 0, *, in_order: bool) -> None:
        """Pass 0: walk the collector's lists.

        Args:
            heads: of the lists, that of the oldest objects first.
            frozen: how many are permanent; those come first.
            in_order: objects lie in them in the order of their creation.
        """
        values = _as_u64(heads)
        status = self._library.hg_walker_read_gc_lists(
            self._handle, values.ctypes.data, len(values), frozen, in_order
        )
        check(status, "reading the collector's lists")

    def discover(self, seeds: Sequence[int] | Array) -> None:
        """Pass 1: find everything the tracked objects and these addresses reach. Repeatable."""
        values = _as_u64(seeds)
        status = self._library.hg_walker_discover(self._handle, values.ctypes.data, len(values))
        check(status, "discovering objects")

    def scan_range(self, start: int, size: int) -> tuple[Array, Array]:
        """Words of a struct that are objects: their values and their byte offsets, uint64 each."""
        capacity = min(size // 8, _WORDS_A_SCAN)
        pairs: list[tuple[Array, Array]] = []
        at = 0
        while True:
            addresses, offsets = np.empty(capacity, np.uint64), np.empty(capacity, np.uint64)
            count = ctypes.c_uint64()
            status = self._library.hg_walker_scan_range(
                self._handle,
                AddressRange(start + at, start + size),
                addresses.ctypes.data,
                offsets.ctypes.data,
                capacity,
                ctypes.byref(count),
            )
            check(status, "looking for objects in memory")
            found = count.value
            pairs.append((addresses[:found], offsets[:found] + np.uint64(at)))
            if found < capacity or not found:
                break
            at = int(pairs[-1][1][-1]) + _WORD_BYTES
        return tuple(np.concatenate(column) for column in zip(*pairs, strict=True))  # type: ignore[return-value]

    def lost_objects(self, pools: Array, block_sizes: Array, pool_size: int) -> Array:
        """Objects in blocks in use that nothing found so far refers to: uint64 addresses.

        Args:
            pools: uint64, of pymalloc.
            block_sizes: bytes of the blocks of each.
            pool_size: bytes of a pool.

        Returns:
            At most `LOST_AT_ONCE`: when they are discovered, there may be more.
        """
        starts = _as_u64(pools)
        sizes = np.ascontiguousarray(block_sizes, np.uint32)
        addresses = np.empty(LOST_AT_ONCE, np.uint64)
        found = ctypes.c_uint64()
        status = self._library.hg_walker_lost_objects(
            self._handle,
            starts.ctypes.data,
            sizes.ctypes.data,
            len(starts),
            pool_size,
            addresses.ctypes.data,
            len(addresses),
            ctypes.byref(found),
        )
        check(status, "looking for lost objects")
        return addresses[: found.value]

    def to_traverse(self, capacity: int, *, everything: bool = False) -> Array:
        """Take objects whose traverse function should run, each once.

        Args:
            capacity: how many at most; 64 or more.
            everything: list all that have such a function, for `compare_traversed`.

        Returns:
            uint64[found, 2]: object and address of its function; none when all were taken.
        """
        library = self._library
        take = library.hg_walker_all_to_traverse if everything else library.hg_walker_to_traverse
        jobs = np.empty((capacity, 2), dtype=np.uint64)  # `TraverseJob` each
        found = ctypes.c_uint64()
        status = take(self._handle, jobs.ctypes.data, capacity, ctypes.byref(found))
        check(status, "listing what to traverse")
        return jobs[: found.value]

    def add_traversed(self, objects: Array, ends: Array, targets: Array) -> None:
        """Learn what objects refer to from what their traverse functions visited.

        Args:
            objects: uint64, as `to_traverse` named them.
            ends: uint64, where each one's visits end in `targets`.
            targets: uint64, addresses of the visited objects.
        """
        self._pass_visits(self._library.hg_walker_add_traversed, objects, ends, targets)

    def compare_traversed(self, objects: Array, ends: Array, targets: Array) -> None:
        """Count the disagreements by type (`WalkedType.disagreements`); arguments as above."""
        self._pass_visits(self._library.hg_walker_compare_traversed, objects, ends, targets)

    def _pass_visits(self, to: Any, *arrays: Array) -> None:  # noqa: ANN401  # of the library
        objects, ends, targets = [_as_u64(array) for array in arrays]  # alive during the call
        visits = TraverseVisits(
            objects=objects.ctypes.data_as(_WORDS),
            ends=ends.ctypes.data_as(_WORDS),
            object_count=len(objects),
            targets=targets.ctypes.data_as(_WORDS),
        )
        check(to(self._handle, ctypes.byref(visits)), "merging what traverse functions visited")

    def emit(self, static_ranges: Sequence[tuple[int, int]]) -> None:
        """Pass 2: number the objects in address order and make the columns.

        Args:
            static_ranges: sorted (start, end) of the program's own data.
        """
        statics = _as_ranges(static_ranges)
        status = self._library.hg_walker_emit(self._handle, statics.ctypes.data, len(statics))
        check(status, "writing the columns")

    def forget_memory(self) -> None:
        """Give the copy of the target's memory back; columns, types and names stay."""
        self._library.hg_walker_forget_memory(self._handle)
        if self._process is not None:
            self._process.close()

    @property
    def progress(self) -> int:
        """Objects done in the running pass."""
        return int(self._library.hg_walker_progress(self._handle))

    def counts(self) -> dict[str, int]:
        """Totals: objects, references, list breaks, invalid references, bytes read, ..."""
        counts = WalkCounts()
        self._library.hg_walker_counts(self._handle, ctypes.byref(counts))
        return {field[0]: getattr(counts, field[0]) for field in WalkCounts._fields_}

    def complete(self) -> None:
        """Make the columns `address` and `counted_in`; best when the memory was given back."""
        check(self._library.hg_walker_complete(self._handle), "completing the columns")

    def columns(self, *, late: bool) -> dict[str, Array]:
        """The columns of pass 2; see `WalkedColumns`."""
        return WalkedColumns(self).read(late=late)

    def objects_of_size(self, least: int) -> tuple[Array, Array]:
        """Objects whose shallow size is at least so much, see `WalkedColumns.large`."""
        return WalkedColumns(self).large("shallow_size", least)

    def out_degrees(self) -> Array:
        """uint16[objects], references of each; 65,535 stands for more."""
        return WalkedColumns(self).narrow("out_degree")

    def forget_columns(self, *names: str) -> None:
        """Give columns of `walked_columns.FORGOTTEN` back: no view of one is used any more."""
        which = sum(FORGOTTEN[name] for name in names)
        self._library.hg_walker_forget_columns(self._handle, which)

    def addresses(self, ids: Array) -> Array:
        """Addresses of objects by their ids: uint64, as long as the argument."""
        rows = np.ascontiguousarray(ids, dtype=np.uint32)
        result = np.empty(len(rows), np.uint64)
        self._library.hg_walker_addresses(
            self._handle, rows.ctypes.data, len(rows), result.ctypes.data
        )
        return result

    def names(self) -> list[str]:
        """Names of fields and slots by row."""
        return [
            self._library.hg_walker_name_text(self._handle, row).decode(errors="replace")
            for row in range(self.counts()["names"])
        ]

    def types(self) -> list[WalkedType]:
        """Every type met, by row."""
        return [read_type(self._library, self.handle, row) for row in range(self.counts()["types"])]
