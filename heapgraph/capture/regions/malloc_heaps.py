"""What glibc's malloc has: its heaps, and large blocks with a mapping of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.processor import PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.process.residency import Residency
    from heapgraph.native.memory_reads import MemoryReads

Array: TypeAlias = npt.NDArray[Any]

HEAP_ALIGNMENT = 64 << 20
"""Where heaps of further arenas begin (HEAP_MAX_SIZE of malloc/arena.c on 64-bit machines)."""

SMALLEST_MAPPED = 128 << 10
"""Smaller blocks never get a mapping (DEFAULT_MMAP_THRESHOLD_MIN of malloc/malloc.c)."""

_PAGE = PROCESSOR.page
_FLAGS = 7
_MAPPED = 2
_HEADER = 16
_LARGEST_HEAP_INFO = 0x100  # heap_info has 32 bytes, 48 since glibc 2.35
_STATE_BYTES = range(0x800, 0xB00, 16)  # where the first chunk may be behind malloc_state


@dataclass(frozen=True)
class MallocHeap:
    """One heap; sizes are bytes in memory.

    Attributes:
        start, end: addresses.
        first_chunk: address of the header of its first chunk.
        blocks: how many chunks are in use, those in the caches of threads included.
        in_use: their bytes.
        free: bytes of free chunks, without the last one.
    """

    start: int
    end: int
    first_chunk: int
    blocks: int
    in_use: int
    free: int


def read_heap(
    reads: MemoryReads, residency: Residency, start: int, end: int, first_chunk: int
) -> MallocHeap | None:
    """Add up the chunks of a heap; None when they do not lead to its end.

    Args:
        reads: of the frozen moment.
        residency: of the same.
        start: the heap with its own head.
        end: of the heap.
        first_chunk: address of its first chunk.
    """
    chunks = reads.heap_chunks(first_chunk, end)
    if chunks.end != end:
        return None
    starts, sizes = chunks.free_starts.astype(np.int64), chunks.free_sizes.astype(np.int64)
    free = residency.resident(starts + _HEADER, np.maximum(starts + sizes, starts + _HEADER))
    top = int(free[-1]) if len(starts) and int(starts[-1] + sizes[-1]) == end else 0
    resident = residency.total(start, end)
    total_free = int(free.sum())
    return MallocHeap(
        start,
        end,
        first_chunk,
        chunks.used_count,
        max(0, resident - total_free),
        total_free - top,
    )


def find_heaps(
    reads: MemoryReads, residency: Residency, start: int, end: int
) -> Iterator[MallocHeap]:
    """Heaps of further arenas in one mapping.

    Args:
        reads: of the frozen moment.
        residency: of the same.
        start: of a mapping of private anonymous memory.
        end: of the mapping.
    """
    first = -(-start // HEAP_ALIGNMENT) * HEAP_ALIGNMENT
    places = np.arange(first, end, HEAP_ALIGNMENT)
    # To read a page that is not there gives the target one, and a page of tables for it.
    filled = residency.resident(places, np.minimum(places + HEAP_ALIGNMENT, end)) > 0
    for at in places[filled].tolist():
        arena, previous, size, mapped = reads.words([at], 4)[0].tolist()
        home = arena - arena % HEAP_ALIGNMENT
        is_first = home == at
        if not (
            at + _HEADER < at + size <= end
            and size <= mapped <= HEAP_ALIGNMENT
            and 0 < arena - home < _LARGEST_HEAP_INFO
            and (previous == 0 if is_first else previous % HEAP_ALIGNMENT == 0 != previous)
        ):
            continue
        heads = (arena + gap for gap in _STATE_BYTES) if is_first else (at + arena - home,)
        heaps = (_read_from(reads, residency, at, at + size, head) for head in heads)
        heap = next((heap for heap in heaps if heap), None)
        if heap is not None:
            yield heap


def guess_heap(reads: MemoryReads, residency: Residency, start: int, end: int) -> MallocHeap | None:
    """The main heap, where mappings have no names: chunks from start to end, some in use.

    Args:
        reads: of the frozen moment.
        residency: of the same.
        start: of a mapping of private anonymous memory.
        end: of the mapping.
    """
    heap = _read_from(reads, residency, start, end, start)
    return heap if heap is not None and heap.blocks else None


def _read_from(
    reads: MemoryReads, residency: Residency, start: int, end: int, first_chunk: int
) -> MallocHeap | None:
    size = int(reads.words([first_chunk], 2)[0, 1])
    if not size & 1 or size & _MAPPED or size < _HEADER:  # the chunk before a first one is "in use"
        return None
    return read_heap(reads, residency, start, end, first_chunk)


def mapped_sizes(places: Array, heads: Array, end: int) -> Array:
    """Bytes of the large block that begins at each page, 0 where none does: uint64.

    Args:
        places: uint64 addresses of pages.
        heads: uint64[places, 2 or more], the words there.
        end: of the memory they lie in.
    """
    sizes = heads[:, 1] & ~np.uint64(_FLAGS)
    # Since glibc 2.43 without the first two words.
    sizes += np.where(sizes % np.uint64(_PAGE) == _PAGE - _HEADER, np.uint64(_HEADER), np.uint64(0))
    is_block = (heads[:, 1] & np.uint64(_FLAGS) == _MAPPED) & (heads[:, 0] == 0)
    is_block &= (sizes % np.uint64(_PAGE) == 0) & (sizes > SMALLEST_MAPPED)
    is_block &= sizes <= np.uint64(end) - places
    result: Array = np.where(is_block, sizes, np.uint64(0))
    return result
