"""The typed face of the compiled walker: it reads another process's heap into columns.

The walker copies memory of the process, or of its core file, when it first needs it; nothing runs
there. A call may take seconds; the GIL is released meanwhile, and `progress` can be read from
another thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.errors import CaptureInterrupted
from heapgraph.native.file_pieces import ProcessFile, piece_rows
from heapgraph.native.walked_columns import WalkedColumns
from heapgraph.native.walked_type import WalkedType, read_type
from heapgraph.native.walker_library import COUNT_NAMES, walker_library

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heapgraph.native.file_pieces import FilePiece
    from heapgraph.native.walk_budget import WalkBudget

Array: TypeAlias = npt.NDArray[Any]

ABSENT = -1
"""What the walker takes for a layout field that a version does not have."""

_WORD_BYTES = 8
_WORDS_A_SCAN = 1 << 18


def layout_field_names() -> list[str]:
    """Names of the layout fields the walker asks for, in its order."""
    library = walker_library()
    return [
        library.hg_layout_field_name(index).decode()
        for index in range(library.hg_layout_field_count())
    ]


def _as_u64(values: Sequence[int] | Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.uint64)


class HeapWalker:
    """Reads the heap of one frozen process, or of a core file.

    Args:
        source: the process whose memory is read, or the pieces of files that have it, sorted and
            disjoint; the files stay open until `forget_memory`.
        starts, ends: readable mappings, sorted and disjoint, uint64.
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
        starts: Sequence[int],
        ends: Sequence[int],
        layout: Mapping[str, int],
    ) -> None:
        """Reserve the image; nothing is read yet."""
        self._handle = None
        self._library = walker_library()
        values = np.array(
            [layout.get(name, ABSENT) for name in layout_field_names()], dtype=np.int64
        )
        first, last = _as_u64(starts), _as_u64(ends)
        self._process: ProcessFile | None = None
        if isinstance(source, int):
            self._process = ProcessFile(source)
            source = [self._process.piece]
        rows = piece_rows(source)
        self._handle = self._library.hg_walker_new(
            rows.ctypes.data,
            len(rows),
            first.ctypes.data,
            last.ctypes.data,
            len(first),
            values.ctypes.data,
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

    def _check(self, status: int, doing: str) -> None:
        if status:
            raise CaptureInterrupted(
                f"not enough memory while {doing}",
                "the snapshot of this target needs more than this machine can give",
                "dump on a machine, or in a container, with more memory",
            )

    def name_row(self, name: str) -> int:
        """Row of a name in the table of names, added when new."""
        return int(self._library.hg_walker_name(self._handle, name.encode()))

    def add_rule(
        self,
        tp_name: str,
        reader: str,
        scan_from: int | None,
        fields: Sequence[tuple[int, int, int, int]],
    ) -> None:
        """Teach the walker a type.

        Args:
            tp_name: as CPython has it in tp_name.
            reader: the name of the code that reads its objects.
            scan_from: byte offset from which on words are scanned; None: nowhere.
            fields: (byte offset, row of names, edge kind, edge flags) each.
        """
        offsets = np.array([field[0] for field in fields], dtype=np.int64)
        names = np.array([field[1] for field in fields], dtype=np.uint32)
        kinds = np.array([field[2] for field in fields], dtype=np.uint8)
        flags = np.array([field[3] for field in fields], dtype=np.uint8)
        status = self._library.hg_walker_add_rule(
            self._handle,
            tp_name.encode(),
            reader.encode(),
            ABSENT if scan_from is None else scan_from,
            offsets.ctypes.data,
            names.ctypes.data,
            kinds.ctypes.data,
            flags.ctypes.data,
            len(fields),
        )
        if status:
            raise ValueError(f"the walker has no reader {reader!r} (rule for {tp_name})")

    def add_buffer(
        self,
        tp_name: str,
        pointer: int,
        count: int,
        how: int,
        item_size: int,
        *,
        flag: int | None,
        in_getsizeof: bool,
    ) -> None:
        """Add a buffer that instances own to the rule of their type.

        Args:
            tp_name: a type with a rule.
            pointer: byte offset of the buffer's address.
            count: byte offset of what tells the number of items.
            how: 0 the number itself, 1 a tuple of that length, 2 there is one.
            item_size: bytes of one item.
            flag: byte offset of what is zero when the buffer is somebody else's; None for none.
            in_getsizeof: sys.getsizeof counts it.
        """
        status = self._library.hg_walker_add_buffer(
            self._handle,
            tp_name.encode(),
            pointer,
            count,
            how,
            item_size,
            ABSENT if flag is None else flag,
            int(in_getsizeof),
        )
        if status:
            raise ValueError(f"the walker has no rule for {tp_name} to add a buffer to")

    def set_blocks(
        self, tp_name: str, depth: int, raw_depth: int, contents: int, reference_depth: int
    ) -> None:
        """Say that instances of a type with a rule own blocks of memory.

        Args:
            tp_name: a type with a rule.
            depth: how many pointers away they may be.
            raw_depth: the same of plain pointers, that are no vector or shared pointer of C++.
            contents: bits: 1 references, 2 bytes that count, 4 buffers of Arrow, 8 a stack.
            reference_depth: how many pointers away they may hold references.
        """
        status = self._library.hg_walker_set_blocks(
            self._handle, tp_name.encode(), depth, raw_depth, contents, reference_depth
        )
        if status:
            raise ValueError(f"the walker has no rule for {tp_name} to give blocks to")

    def set_budget(self, budget: WalkBudget) -> None:
        """Limit what the walk may cost; before anything is read. What is beyond it is counted."""
        numbers = _as_u64(
            (
                budget.objects,
                budget.references,
                budget.table_bytes,
                budget.image_bytes,
            )
        )
        starts = ends = None
        if budget.filled is not None:
            starts, ends = (_as_u64(budget.filled[:, side]) for side in (0, 1))
        status = self._library.hg_walker_set_budget(
            self._handle,
            numbers.ctypes.data,
            None if starts is None else starts.ctypes.data,
            None if ends is None else ends.ctypes.data,
            0 if starts is None else len(starts),
        )
        self._check(status, "preparing the walk")

    def set_running_frames(self, frames: Sequence[int]) -> None:
        """Say which frames threads run (up to 3.10 objects): they are on no suspended stack."""
        values = _as_u64(frames)
        status = self._library.hg_walker_set_running_frames(
            self._handle, values.ctypes.data, len(values)
        )
        self._check(status, "reading frames")

    def load(self, start: int, end: int) -> bool:
        """Copy a range now; False when part of it could not be read."""
        return bool(self._library.hg_walker_load(self._handle, start, end))

    def read_gc_lists(self, heads: Sequence[int]) -> None:
        """Pass 0: walk the collector's lists from these heads."""
        values = _as_u64(heads)
        status = self._library.hg_walker_read_gc_lists(
            self._handle, values.ctypes.data, len(values)
        )
        self._check(status, "reading the collector's lists")

    def discover(self, seeds: Sequence[int] | Array) -> None:
        """Pass 1: find everything the tracked objects and these addresses reach. Repeatable."""
        values = _as_u64(seeds)
        status = self._library.hg_walker_discover(self._handle, values.ctypes.data, len(values))
        self._check(status, "discovering objects")

    def scan_range(self, start: int, size: int) -> tuple[Array, Array]:
        """Words of a struct that are objects: their values and their byte offsets, uint64 each."""
        capacity = min(size // 8, _WORDS_A_SCAN)
        pairs: list[tuple[Array, Array]] = []
        at = 0
        while True:
            addresses, offsets = np.empty(capacity, np.uint64), np.empty(capacity, np.uint64)
            found = self._library.hg_walker_scan_range(
                self._handle,
                start + at,
                size - at,
                addresses.ctypes.data,
                offsets.ctypes.data,
                capacity,
            )
            pairs.append((addresses[:found], offsets[:found] + np.uint64(at)))
            if found < capacity or not found:
                break
            at = int(pairs[-1][1][-1]) + _WORD_BYTES
        return tuple(np.concatenate(column) for column in zip(*pairs, strict=True))  # type: ignore[return-value]

    def to_traverse(self, capacity: int, *, everything: bool = False) -> Array:
        """Take objects whose traverse function should run, each once.

        Args:
            capacity: how many at most; 64 or more.
            everything: list all that have such a function, for `compare_traversed`.

        Returns:
            uint64[found, 2]: object and address of its function; none when all were taken.
        """
        pairs = np.empty((capacity, 2), dtype=np.uint64)
        found = self._library.hg_walker_to_traverse(
            self._handle, everything, pairs.ctypes.data, capacity
        )
        return pairs[:found]

    def add_traversed(self, objects: Array, ends: Array, targets: Array) -> None:
        """Learn what objects refer to from what their traverse functions visited.

        Args:
            objects: uint64, as `to_traverse` named them.
            ends: uint64, where each one's visits end in `targets`.
            targets: uint64, addresses of the visited objects.
        """
        self._pass_traversed(objects, ends, targets, compare=False)

    def compare_traversed(self, objects: Array, ends: Array, targets: Array) -> None:
        """Count the disagreements by type (`WalkedType.disagreements`); arguments as above."""
        self._pass_traversed(objects, ends, targets, compare=True)

    def _pass_traversed(
        self, objects: Array, ends: Array, targets: Array, *, compare: bool
    ) -> None:
        columns = [_as_u64(values) for values in (objects, ends, targets)]
        status = self._library.hg_walker_traversed(
            self._handle,
            compare,
            columns[0].ctypes.data,
            columns[1].ctypes.data,
            len(columns[0]),
            columns[2].ctypes.data,
        )
        self._check(status, "merging what traverse functions visited")

    def emit(self, static_ranges: Sequence[tuple[int, int]]) -> None:
        """Pass 2: number the objects in address order and make the columns.

        Args:
            static_ranges: sorted (start, end) of the program's own data.
        """
        starts = _as_u64([start for start, _ in static_ranges])
        ends = _as_u64([end for _, end in static_ranges])
        status = self._library.hg_walker_emit(
            self._handle, starts.ctypes.data, ends.ctypes.data, len(starts)
        )
        self._check(status, "writing the columns")

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
        values = np.zeros(len(COUNT_NAMES), dtype=np.uint64)
        self._library.hg_walker_counts(self._handle, values.ctypes.data)
        return dict(zip(COUNT_NAMES, values.tolist(), strict=True))

    def complete(self) -> None:
        """Make the columns `address` and `counted_in`; best when the memory was given back."""
        self._check(self._library.hg_walker_complete(self._handle), "completing the columns")

    def columns(self, *, late: bool) -> dict[str, Array]:
        """The columns of pass 2; see `WalkedColumns`."""
        return WalkedColumns(self).read(self.counts(), late=late)

    def objects_of_size(self, least: int) -> tuple[Array, Array]:
        """Objects whose shallow size is at least so much, see `WalkedColumns.large`."""
        return WalkedColumns(self).large("shallow_size", least)

    def forget_counted_in(self) -> None:
        """Give the column `counted_in` back: no view of it may be used any more."""
        self._library.hg_walker_forget_counted_in(self._handle)

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
