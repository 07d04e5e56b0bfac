"""What the private anonymous memory of a frozen process is used for, region by region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.maps import HEAP_NAME, STACK_NAME, is_anonymous
from heapgraph.capture.regions.claims import Claims, Region
from heapgraph.capture.regions.malloc_heaps import (
    SMALLEST_MAPPED,
    find_heaps,
    guess_heap,
    read_heap,
)
from heapgraph.capture.regions.owners import find_owners
from heapgraph.capture.regions.page_scan import PageScan
from heapgraph.capture.regions.thread_stacks import find_stacks
from heapgraph.capture.slabs.jemalloc import find_jemalloc
from heapgraph.capture.slabs.private_memory import PrivateMemory
from heapgraph.capture.slabs.slabs import Slabs, blocks_in_use, joined
from heapgraph.model import NO_ROW, RegionKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.process.libraries import LibraryData
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.process.residency import Residency
    from heapgraph.capture.regions.malloc_heaps import MallocHeap
    from heapgraph.capture.regions.pools import Pools
    from heapgraph.native.memory_reads import MemoryReads

Array: TypeAlias = npt.NDArray[Any]


_ZEROED = (RegionKind.CHUNK, RegionKind.OWNED)
"""Kinds whose memory comes zeroed from the kernel and may be used as it is."""


@dataclass(frozen=True)
class MemoryRegions:
    """All regions by address, and the pools of those that are arenas.

    Attributes:
        regions: none overlaps another.
        pools: by address.
        pool_rows: int64, row in `regions` of each pool's arena.
        pool_resident: int64, bytes of each pool in memory.
    """

    regions: list[Region]
    pools: Pools
    pool_rows: Array
    pool_resident: Array


def survey_memory(
    reads: MemoryReads,
    residency: Residency,
    maps: Sequence[Mapping],
    *,
    layout: Layout,
    thread_ids: Iterable[int],
    libraries: Sequence[LibraryData] = (),
) -> MemorySurvey:
    """Find heaps, stacks, pools and large blocks in the private anonymous memory.

    Args:
        reads: of the frozen moment.
        residency: see `anonymous_residency`.
        maps: the mappings of that moment, with sizes.
        layout: of the target's CPython.
        thread_ids: of the Python threads; glibc's are addresses at the ends of their stacks.
        libraries: data of libraries, which may bring allocators.

    Cost: about 0.2 us per page in memory, 10 ns per chunk of malloc.
    """
    survey = MemorySurvey(reads, residency, maps)
    survey.claim_heaps()
    survey.claim_stacks(list(thread_ids))
    survey.claim_slabs(libraries)
    survey.claim_arenas_and_chunks(layout)
    return survey


def find_regions(survey: MemorySurvey, columns: HeapColumns) -> MemoryRegions:
    """Find out what the rest of the private anonymous memory is used for.

    Args:
        survey: what is known of it without the objects; once.
        columns: the objects, which may own large blocks.
    """
    pools, resident = survey.pools, survey.pool_resident
    survey.claim_other_stacks()
    survey.claim_data()
    survey.claim_owned(columns)
    regions = survey.bounded()
    kinds = np.array([region.kind for region in regions], np.int64)
    arenas = np.flatnonzero(kinds == RegionKind.ARENA)
    return MemoryRegions(regions, pools, arenas[pools.arenas], resident)


@dataclass(frozen=True)
class _Run:
    """Mappings one after the other: advice for a part of a block splits its mapping."""

    start: int
    end: int


def _runs(mappings: Iterable[Mapping]) -> list[_Run]:
    runs: list[_Run] = []
    for mapping in mappings:
        start = mapping.start
        if runs and runs[-1].end == start:
            start = runs.pop().start
        runs.append(_Run(start, mapping.end))
    return runs


class MemorySurvey:
    """The claims of one frozen moment; the order of the calls says who has a byte.

    Attributes:
        pools: of pymalloc, when arenas were claimed.
        pool_resident: int64, bytes of each in memory.
        heaps: (first chunk, end) of glibc's heaps, when they were claimed.
        slabs: of other allocators, when they were claimed.
    """

    pools: Pools
    pool_resident: Array

    def __init__(self, reads: MemoryReads, residency: Residency, maps: Sequence[Mapping]) -> None:
        """Nothing is claimed yet."""
        self.reads = reads
        self.residency = residency
        # Also what has nothing in memory: a block begins in one mapping and ends in such a one.
        self.anonymous = [m for m in maps if is_anonymous(m) and m.permissions.startswith("rw")]
        self.unnamed = [m for m in self.anonymous if not m.path.startswith(HEAP_NAME)]
        self.before = {
            second.start: first for first, second in pairwise(maps) if first.end == second.start
        }
        self.claims = Claims(residency)
        self.runs = _runs(self.unnamed)
        self.heaps: list[tuple[int, int]] = []
        self.slabs = Slabs.none()

    def claim_slabs(self, libraries: Sequence[LibraryData]) -> None:
        """Claim the memory of other allocators whose blocks can be told apart."""
        gaps = self.unclaimed()
        if not gaps:
            return
        memory = PrivateMemory(self.reads, self.residency, gaps)
        slabs = self.slabs = joined(find_jemalloc(memory, libraries))
        in_use = blocks_in_use(slabs, self.residency)
        for (start, end), (size, blocks) in zip(slabs.ranges.tolist(), in_use, strict=True):
            resident = self.residency.total(start, end)
            used = min(size, resident)
            free = resident - used
            self.claims.add([Region(start, end, RegionKind.SLABS, resident, used, free, blocks)])

    def claim_arenas_and_chunks(self, layout: Layout) -> None:
        """Claim arenas of pymalloc, and large blocks of malloc that have mappings of their own."""
        scan = PageScan(self.reads, layout)
        for run in self.runs:
            for start, end in self.claims.gaps(run.start, run.end):
                scan.look_at(self.residency.resident_pages(start, end), end)
        self.pools, self.pool_resident = self._claim_arenas(scan.pools())
        for start, end, kind in scan.blocks:
            self.claims.claim(start, end, kind)

    def _claim_arenas(self, pools: Pools) -> tuple[Pools, Array]:
        starts = pools.starts.astype(np.int64)
        resident = self.residency.resident(starts, starts + pools.sizes.pool)
        count = len(pools.arena_starts)
        used = np.bincount(pools.arenas, np.minimum(pools.in_use, resident), count).astype(np.int64)
        blocks = np.bincount(pools.arenas, pools.used, count).astype(np.int64)
        ranges = [
            next(self.claims.gaps(start, end))  # up to what is somebody else's already
            for start, end in zip(
                pools.arena_starts.tolist(), pools.arena_ends.tolist(), strict=True
            )
        ]
        totals = self.residency.resident(*np.array(ranges, np.int64).reshape(-1, 2).T)
        rows = zip(totals.tolist(), used.tolist(), blocks.tolist(), strict=True)
        for (start, end), (total, in_use, block_count) in zip(ranges, rows, strict=True):
            free = max(0, total - in_use)
            self.claims.add(
                [Region(start, end, RegionKind.ARENA, total, in_use, free, block_count)]
            )
        return pools, resident

    def claim_heaps(self) -> None:
        """Claim glibc's heaps; what another allocator has there stays unclaimed."""
        named = [each for each in self.anonymous if each.path.startswith(HEAP_NAME)]
        for run in _runs(named):  # the main heap, in pieces where huge pages were asked for
            self._add_heap(read_heap(self.reads, self.residency, run.start, run.end, run.start))
        for run in self.runs:
            for mapping in () if named else self.unnamed:  # core files have no names
                if run.start <= mapping.start < run.end:
                    guess = guess_heap(self.reads, self.residency, mapping.start, run.end)
                    self._add_heap(guess)
            for heap in find_heaps(self.reads, self.residency, run.start, run.end):
                self._add_heap(heap)

    def _add_heap(self, heap: MallocHeap | None) -> None:
        if heap is None or list(self.claims.gaps(heap.start, heap.end)) != [(heap.start, heap.end)]:
            return
        self.heaps.append((heap.first_chunk, heap.end))
        resident = self.residency.total(heap.start, heap.end)
        self.claims.add(
            [
                Region(
                    heap.start,
                    heap.end,
                    RegionKind.HEAP,
                    resident,
                    heap.in_use,
                    heap.free,
                    heap.blocks,
                )
            ]
        )

    def claim_stacks(self, thread_ids: Sequence[int]) -> None:
        """Claim stacks: the main one is named, those of Python threads are known."""
        for mapping in self.unnamed:
            if mapping.path.startswith(STACK_NAME):
                self.claims.claim(mapping.start, mapping.end, RegionKind.STACK)
        for start, end in find_stacks(self.reads, thread_ids):
            self.claims.claim(start, end, RegionKind.STACK)

    def claim_other_stacks(self) -> None:
        """Claim what follows a guard page: the stack of a thread that Python knows nothing of."""
        for mapping in self.unnamed:
            first = next(self.claims.gaps(mapping.start, mapping.end), None)
            if first and first[0] == mapping.start and self._is_guarded(mapping):
                self.claims.claim(*first, RegionKind.STACK)

    def _is_guarded(self, mapping: Mapping) -> bool:
        """Whether memory that nobody may touch is in front."""
        before = self.before.get(mapping.start)
        return before is not None and not before.path and before.permissions.startswith("---")

    def claim_data(self) -> None:
        """Claim zero-initialised data: it follows its file, up to what is somebody else's."""
        for mapping in self.unnamed:
            before = self.before.get(mapping.start)
            first = next(self.claims.gaps(mapping.start, mapping.end), None)
            if before and before.is_file and first and first[0] == mapping.start:
                self.claims.claim(*first, RegionKind.DATA)

    def claim_owned(self, columns: HeapColumns) -> None:
        """Name the objects behind large blocks, and claim other memory that objects point to."""
        chunks = [row for row, r in enumerate(self.claims.regions) if r.kind is RegionKind.CHUNK]
        of_chunks = [(r.start, r.end) for r in (self.claims.regions[row] for row in chunks)]
        unclaimed = self._large_gaps()
        owners = find_owners([*of_chunks, *unclaimed], self.reads, columns)
        for row, place in zip(chunks, of_chunks, strict=True):
            owner = owners.get(place, NO_ROW)
            self.claims.regions[row] = replace(self.claims.regions[row], object=owner)
        for start, end in unclaimed:
            if (start, end) in owners:
                self.claims.claim(start, end, RegionKind.OWNED, owners[start, end])

    def unclaimed(self) -> list[tuple[int, int]]:
        """Ranges of the private anonymous memory that nobody has claimed yet, rising."""
        return [gap for run in self.runs for gap in self.claims.gaps(run.start, run.end)]

    def _large_gaps(self) -> list[tuple[int, int]]:
        return [gap for gap in self.unclaimed() if gap[1] - gap[0] >= SMALLEST_MAPPED]

    def bounded(self) -> list[Region]:
        """The regions, together no larger than what the kernel counts of their mappings.

        A page that was read and never written is the kernel's one page of zeros: it is there and
        not counted. Such pages are in large blocks that were asked for zeroed, or are free.
        """
        regions = self.claims.regions
        for mapping in self.anonymous:
            rows = self.claims.within(mapping.start, mapping.end)
            here = {row: self._resident_part(regions[row], mapping) for row in rows}
            excess = sum(here.values()) - mapping.rss
            for row in sorted(here, key=lambda row: (regions[row].kind not in _ZEROED, -here[row])):
                if excess <= 0:
                    break
                region = regions[row]
                kept = 0 if region.kind in _ZEROED else region.in_use
                cut = max(0, min(excess, here[row], region.resident - kept))
                excess -= cut
                left = region.resident - cut
                regions[row] = replace(region, resident=left, in_use=min(region.in_use, left))
        return regions

    def _resident_part(self, region: Region, mapping: Mapping) -> int:
        """Bytes in memory of the part of a region that lies in a mapping."""
        if mapping.start <= region.start and region.end <= mapping.end:
            return region.resident
        first, last = max(region.start, mapping.start), min(region.end, mapping.end)
        return self.residency.total(first, last)
