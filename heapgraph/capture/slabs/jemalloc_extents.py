"""What jemalloc knows of an extent: where it lies, and which of its blocks are in use.

A record is one large block, or a slab of small ones with a bit for each that is free, or memory
that waits (include/jemalloc/internal/edata.h; the same from 5.3.0 on).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.page_ranges import within_gap
from heapgraph.capture.process.pagemap import PAGE
from heapgraph.capture.slabs.slabs import BITS, Slabs, words_of

if TYPE_CHECKING:
    from heapgraph.capture.slabs.private_memory import PrivateMemory

Array: TypeAlias = npt.NDArray[Any]

RECORD_WORDS = 16
ALIGNMENT = 128
"""Words of a record, and what its address is a multiple of."""

SLAB, STATE, CLASS = (12, 1), (17, 3), (20, 8)
"""First bit and how many of its first word: the kind, what the memory is used for, its size."""

ACTIVE = 0
"""The state of memory that was asked for."""

_FREE = (28, 10)  # of a slab, how many blocks are
_ADDRESS, _SIZE, _BITMAP = 1, 2, 8  # words
_CLASSES, _SMALL_CLASSES = 232, 36
_LAST_STATE = 6
_MOST_BLOCKS = 512  # of a slab
_MOST_RANGES = 1 << 14  # without a gap: it maps 2 MiB and more at once


def bounds(records: Array) -> tuple[Array, Array]:
    """First address and the one behind the last of each extent: uint64 each."""
    starts = records[:, _ADDRESS] & ~np.uint64(PAGE - 1)
    return starts, starts + (records[:, _SIZE] & ~np.uint64(PAGE - 1))


def field(bits: Array, place: tuple[int, int]) -> Array:
    """The values of one field of some first words."""
    first, width = place
    return np.asarray(bits >> np.uint64(first) & np.uint64((1 << width) - 1))


def _class_sizes() -> Array:
    """Bytes of the blocks of each size class: 8, then four steps to each power of two."""
    sizes = [8, 16, 32, 48, 64]
    for shift in range(6, 63):
        sizes += [(4 + step) << (shift - 2) for step in range(1, 5)]
    return np.array(sizes[:_CLASSES] + [0] * (256 - _CLASSES), np.uint64)


_SIZES = _class_sizes()


def makes_sense(records: Array) -> Array:
    """Whether each record is one of an extent: what must hold together does."""
    bits, sizes = records[:, 0], records[:, _SIZE] & ~np.uint64(PAGE - 1)
    index = field(bits, CLASS)
    block, below = _SIZES[index.astype(np.int64)], _SIZES[index.astype(np.int64) - 1]
    inside = records[:, _ADDRESS] & np.uint64(PAGE - 1)
    sane = (sizes > 0) & (sizes < np.uint64(1 << 47)) & (records[:, _ADDRESS] < np.uint64(1 << 47))
    sane &= field(bits, STATE) <= _LAST_STATE
    is_active, is_slab = field(bits, STATE) == ACTIVE, field(bits, SLAB) == 1
    counts = np.where(is_slab, sizes // np.maximum(block, np.uint64(1)), np.uint64(0))
    free = np.bitwise_count(_bitmap(records, np.minimum(counts, _MOST_BLOCKS))).sum(axis=1)
    slab_fits = (
        (index < _SMALL_CLASSES)
        & (inside == 0)
        & (counts > 0)
        & (counts <= _MOST_BLOCKS)
        & (free == field(bits, _FREE))
    )
    # Large blocks may be rounded up to pages only, and have one more to begin anywhere in it. What
    # a profiler samples is a small block in an extent of its own.
    large_fits = (sizes > below) & (sizes <= block + np.uint64(PAGE))
    large_fits |= inside + block <= sizes
    large_fits &= inside < sizes
    large_fits |= index == _CLASSES  # nothing was asked for
    return np.asarray(sane & (np.where(is_slab, slab_fits, large_fits) | ~is_active))


def _bitmap(records: Array, counts: Array) -> Array:
    """Bits of the free blocks of slabs that have so many: uint64[n, 8]."""
    return np.asarray(records[:, _BITMAP:RECORD_WORDS] & _bits_of_blocks(counts))


def _bits_of_blocks(counts: Array) -> Array:
    """A bit for each block of slabs that have so many: uint64[n, 8]."""
    left = counts.astype(np.int64)[:, None] - np.arange(_MOST_BLOCKS // BITS) * BITS
    shift = np.clip(BITS - left, 0, BITS - 1).astype(np.uint64)
    return np.where(left > 0, np.uint64(2**64 - 1) >> shift, np.uint64(0))


def to_slabs(memory: PrivateMemory, records: Array, library: str) -> Slabs | None:
    """Say which blocks of extents are in use.

    Args:
        memory: of the target; what does not lie in it is left out.
        records: uint64[n, words], by address.
        library: that brings the allocator.

    Returns:
        None where extents overlap, or lie in more pieces than an allocator makes.
    """
    starts, ends = bounds(records)
    if (starts[1:] < ends[:-1]).any():
        return None
    inside = memory.has(starts) & memory.has(ends - np.uint64(1))
    records, starts, ends = records[inside], starts[inside], ends[inside]
    ranges = within_gap(np.column_stack((starts, ends)).astype(np.int64), 0)
    if len(ranges) > _MOST_RANGES:
        return None
    index = field(records[:, 0], CLASS).astype(np.int64)
    given = (field(records[:, 0], STATE) == ACTIVE) & (index < _CLASSES)
    records, index = records[given], index[given]
    is_slab = field(records[:, 0], SLAB) == 1
    whole = records[:, _SIZE] & ~np.uint64(PAGE - 1)
    sizes = np.minimum(_SIZES[index], whole - (records[:, _ADDRESS] & np.uint64(PAGE - 1)))
    counts = np.where(is_slab, whole // sizes, np.uint64(1)).astype(np.uint32)
    used = ~_bitmap(records, counts)
    used[~is_slab] = 1
    used &= _bits_of_blocks(counts)
    is_word = np.arange(used.shape[1]) < words_of(counts)[:, None]
    sources = np.zeros(len(records), np.uint32)
    return Slabs(records[:, _ADDRESS], sizes, counts, sources, used[is_word], ranges, (library,))
