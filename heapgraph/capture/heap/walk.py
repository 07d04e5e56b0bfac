"""The walk as the capture sees it: regions in, columns out."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.heap.columns import HeapColumns
from heapgraph.capture.heap.texts import words_at
from heapgraph.capture.heap.traverse import BATCH_OBJECTS
from heapgraph.capture.process.maps import MEMORY_DEVICES, NO_MEMORY
from heapgraph.capture.types.resolving import resolve
from heapgraph.capture.types.rules import TYPE_RULES
from heapgraph.native.heap_walker import LOST_AT_ONCE, HeapWalker
from heapgraph.native.memory_reads import MemoryReads
from heapgraph.native.native_memory import find_owners
from heapgraph.native.walker_structs import ABSENT, BlockRule, BufferRule, FieldRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from heapgraph.capture.cpython.collector import ListHeads
    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.heap.traverse import CloneTraversal
    from heapgraph.capture.process.libraries import LibraryData
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.types.resolving import ResolvedRule
    from heapgraph.native.file_pieces import FilePiece
    from heapgraph.native.native_memory import NativeRows, Places
    from heapgraph.native.walk_budget import WalkBudget

Array: TypeAlias = npt.NDArray[Any]
Progress: TypeAlias = "Callable[[str, int, int], None]"

MIN_LOST = 1000
"""Objects of one type that nothing refers to from which on they are a leak, not an extension's."""

_PROGRESS_INTERVAL_S = 0.2


class ReadableRegions(NamedTuple):
    """Ranges of the target that the walker may read, as (start, end): sorted, disjoint.

    Attributes:
        all: neighbours are joined where they are of one kind.
        constant: those of them that are code and constants of files. An object is counted, and the
            program could not do so there.
    """

    all: list[tuple[int, int]]
    constant: list[tuple[int, int]]


def readable_regions(maps: Iterable[Mapping]) -> ReadableRegions:
    """What the walker may read; devices are never touched."""
    kinds: tuple[list[tuple[int, int]], ...] = ([], [])
    for mapping in maps:
        device = mapping.path.startswith("/dev/") and not mapping.path.startswith(MEMORY_DEVICES)
        if "r" not in mapping.permissions or device or mapping.path in NO_MEMORY:
            continue
        regions = kinds[mapping.is_file and "w" not in mapping.permissions]
        if regions and regions[-1][1] == mapping.start:
            regions[-1] = (regions[-1][0], mapping.end)
        else:
            regions.append((mapping.start, mapping.end))
    writable, constant = kinds
    return ReadableRegions(sorted(writable + constant), constant)


def writable_regions(maps: Iterable[Mapping]) -> list[Mapping]:
    """Private writable mappings: what must be copied while a paused target stands."""
    return [
        mapping
        for mapping in maps
        if mapping.permissions.startswith("rw") and mapping.permissions.endswith("p")
    ]


def static_ranges(
    maps: Sequence[Mapping], runtime_address: int, runtime_end: int
) -> list[tuple[int, int]]:
    """Ranges of the program's own data: file-backed, and the bss behind the runtime's file.

    Args:
        maps: of the target, in address order.
        runtime_address: see `Target`.
        runtime_end: see `Target`.
    """
    ranges: list[tuple[int, int]] = []
    for mapping in maps:
        if mapping.is_file:
            ranges.append((mapping.start, mapping.end))
        elif mapping.start < runtime_end and runtime_address < mapping.end:
            # The kernel joins an arena of the heap that lies next to the bss to the same mapping.
            ranges.append((mapping.start, min(mapping.end, runtime_end)))
    return ranges


class HeapWalk:
    """One walk over one frozen process or core file; the steps come in the order they are written.

    Args:
        source: the process whose memory stands still, or the pieces of files that have it.
        layout: of its CPython version.
        version: (major, minor, micro) of its CPython.
        maps: of the process, in address order.
        progress: told the phase and the number of objects, about five times a second.
        budget: what it may cost; None for no limit.
    """

    def __init__(
        self,
        source: int | Sequence[FilePiece],
        layout: Layout,
        version: tuple[int, int, int],
        maps: Iterable[Mapping],
        progress: Progress | None = None,
        *,
        budget: WalkBudget | None = None,
    ) -> None:
        """Teach a walker the layout and the type rules."""
        fields = layout.numbers(version)
        self._type_offset = fields["obj.type"]
        regions = readable_regions(maps)
        self._walker = HeapWalker(source, regions.all, fields)
        self._walker.set_constant(regions.constant)
        self.most_visits = sum(end - start for start, end in regions.all) // 8
        if budget is not None:
            self._walker.set_budget(budget)
            self.most_visits = min(self.most_visits, budget.references)
        self._progress = progress
        self._scanned: list[tuple[int, str, int]] = []
        self._library_words: list[tuple[LibraryData, Array]] = []
        self._lost: list[Array] = []
        for tp_name, rule in TYPE_RULES.items():
            self._add_rule(tp_name, resolve(rule, fields, version))

    def _add_rule(self, tp_name: str, rule: ResolvedRule) -> None:
        walker, blocks = self._walker, rule.blocks
        fields = [
            FieldRule(
                offset=part.offset,
                name=walker.name_row(part.name),
                kind=part.kind,
                flags=part.flags,
            )
            for part in rule.fields
        ]
        buffers = [
            BufferRule(
                pointer=part.pointer,
                count=part.count,
                item_size=part.item_size,
                flag=ABSENT if part.flag is None else part.flag,
                how=part.how,
                in_getsizeof=part.in_getsizeof,
            )
            for part in rule.buffers
        ]
        owned = None
        if blocks is not None:
            owned = BlockRule(
                depth=blocks.depth,
                raw_depth=blocks.raw_depth,
                contents=blocks.contents,
                reference_depth=blocks.reference_depth,
            )
        walker.add_rule(
            tp_name,
            rule.reader,
            rule.scan_from,
            fields=fields,
            buffers=buffers,
            blocks=owned,
            borrowed=rule.borrowed,
        )

    def load(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Copy ranges now, e.g. while the target itself is stopped."""
        total = 0
        for start, end in ranges:
            self._walker.load(start, end)
            total += end - start
            if self._progress:
                self._progress("copy", total, 0)

    def discover(
        self,
        gc_heads: ListHeads,
        seeds: Sequence[int],
        structs: Iterable[tuple[int, int, str]],
        running_frames: Sequence[int],
    ) -> None:
        """Find every object.

        Args:
            gc_heads: of the collector's lists.
            seeds: addresses of objects that the roots name.
            structs: (address, bytes, name) of interpreter structs whose words are scanned as well.
            running_frames: addresses of the frames that threads run; see `LiveFrame.address`.
        """
        self._walker.set_running_frames(running_frames)
        self._run("gc lists", lambda: self._read_gc_lists(gc_heads))
        self._run("discover", lambda: self._walker.discover(seeds))
        for address, size, name in structs:
            found, offsets = self._walker.scan_range(address, size)
            self._walker.discover(found)
            self._scanned += zip(found.tolist(), [name] * len(found), offsets.tolist(), strict=True)

    def _read_gc_lists(self, heads: ListHeads) -> None:
        self._walker.read_gc_lists(
            [*heads.permanent, *heads.generations], len(heads.permanent), in_order=heads.in_order
        )

    def discover_from(self, libraries: Iterable[LibraryData]) -> None:
        """Find what variables of libraries refer to.

        Args:
            libraries: their data.

        Cost: 5 to 10 ms per MiB of it.
        """
        for library in libraries:
            found, offsets = self._walker.scan_range(library.address, library.size)
            if len(found):
                self._walker.discover(found)
                words = np.stack([found, offsets + np.uint64(library.address)], axis=1)
                self._library_words.append((library, words))

    def discover_lost(self, pools: Array, block_sizes: Array, pool_size: int) -> None:
        """Find objects that nothing refers to although they are counted; when all else is found.

        Only many of one type are taken: an extension has tables of its own, which cannot be
        followed, with a few hundred objects in them.

        Args:
            pools: uint64 addresses, of pymalloc.
            block_sizes: bytes of the blocks of each.
            pool_size: bytes of a pool.

        Cost: about 15 ns for each block of them.
        """
        while True:
            found = self._walker.lost_objects(pools, block_sizes, pool_size)
            types = words_at(self.reads, found, [self._type_offset])[:, 0]
            _, type_rows, counts = np.unique(types, return_inverse=True, return_counts=True)
            lost = found[counts[type_rows] >= MIN_LOST]
            self._lost.append(lost)
            self._walker.discover(lost)
            if len(lost) == 0 or len(found) < LOST_AT_ONCE:
                return

    def traverse(self, traversal: CloneTraversal) -> None:
        """Learn exactly what objects of types without a table refer to, and find what that reaches.

        Args:
            traversal: runs their traverse functions in the clone.
        """
        found = 0
        while len(jobs := self._walker.to_traverse(BATCH_OBJECTS)):
            for visits in traversal.visits(jobs):
                self._walker.add_traversed(visits.objects, visits.ends, visits.targets)
            found += len(jobs)
            if self._progress:
                self._progress("traverse", found, 0)

    def verify(self, traversal: CloneTraversal) -> None:
        """Compare all objects with what their traverse functions visit; see `WalkedType`."""
        compared, total = 0, self._walker.counts()["objects"]
        while len(jobs := self._walker.to_traverse(BATCH_OBJECTS, everything=True)):
            for visits in traversal.visits(jobs):
                self._walker.compare_traversed(visits.objects, visits.ends, visits.targets)
            compared += len(jobs)
            if self._progress:
                self._progress("verify", compared, total)

    def emit(self, statics: Sequence[tuple[int, int]]) -> HeapColumns:
        """Make the columns; the copy of the memory stays until `forget_memory`."""
        self._run("read objects", lambda: self._walker.emit(statics))
        return HeapColumns(
            self._walker.columns(late=False),
            self._walker.types(),
            self._walker.names(),
            self._walker.counts(),
            self._scanned,
            self._library_words,
            lost=np.concatenate([np.empty(0, np.uint64), *self._lost]),
            walker=self._walker,
        )

    @property
    def reads(self) -> MemoryReads:
        """Small reads of the frozen memory, until it is forgotten."""
        return MemoryReads(self._walker)

    def native_owners(self, places: Places, most_bytes: int) -> NativeRows:
        """Who owns memory of C code; between `emit` and `forget_memory`, see `find_owners`."""
        return find_owners(self._walker, places, most_bytes)

    def forget_memory(self, columns: HeapColumns) -> None:
        """Give the copy of the memory back, then complete the columns in its place."""
        self._walker.forget_memory()
        self._walker.complete()
        columns.arrays |= self._walker.columns(late=True)

    def _run(self, phase: str, step: Callable[[], None]) -> None:
        """Run one native call; report its progress from this thread while it works in another."""
        if self._progress is None:
            step()
            return
        failure: list[BaseException] = []

        def work() -> None:
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
                failure.append(error)

        worker = threading.Thread(target=work, name="heapgraph-walk", daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(_PROGRESS_INTERVAL_S)
            self._progress(phase, self._walker.progress, 0)
        if failure:
            raise failure[0]
