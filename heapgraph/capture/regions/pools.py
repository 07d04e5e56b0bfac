"""The pools and arenas of pymalloc, found in memory by what the header of a pool looks like.

No symbol leads to them in a stripped interpreter, and interpreters may have arenas of their own,
but a header repeats itself: the size of its blocks says where the last one has to begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.cpython.layouts.kinds import PoolKind
from heapgraph.processor import PROCESSOR

Array: TypeAlias = npt.NDArray[Any]

POOL_OVERHEAD = 48
"""Bytes of a pool's header (struct pool_header of Objects/obmalloc.c, all versions here)."""

LARGEST_BLOCK = 512
"""Larger requests are passed on to malloc (SMALL_REQUEST_THRESHOLD)."""

ALIGNMENT = 16
"""Step from one size of blocks to the next."""

SMALLEST_FRAME_STACK = 1 << 14
"""Bytes of the pieces of a stack of frames; larger ones are twice, four times... as long
(DATA_STACK_CHUNK_SIZE of Python/pystate.c)."""

_PAGE = PROCESSOR.page
_FREEBLOCK, _ARENA_INDEX, _SIZE_INDEX, _NEXT, _LAST = 1, 8, 9, 10, 11
"""Places in the header: the first as a word of 8 bytes, the rest as one of 4."""


@dataclass(frozen=True)
class PoolSizes:
    """Bytes of a pool and of an arena of one version (POOL_SIZE, ARENA_SIZE)."""

    pool: int
    arena: int

    @classmethod
    def of(cls, kind: PoolKind) -> PoolSizes:
        """Those that a CPython has asked for."""
        if kind is PoolKind.LARGE:
            return cls(1 << 14, 1 << 20)
        return cls(1 << 12, 1 << 18)


@dataclass(frozen=True)
class Pools:
    """Pools by address; parallel arrays.

    Attributes:
        sizes: of a pool and of an arena.
        starts: uint64 addresses.
        block_sizes: uint32, bytes of each of its blocks; of an empty pool, of those it had last.
        used: uint32, blocks in use.
        arenas: int64, number of the pool's arena.
        arena_starts: uint64, address of the first pool of each arena.
        arena_ends: uint64, address behind each.
    """

    sizes: PoolSizes
    starts: Array
    block_sizes: Array
    used: Array
    arenas: Array
    arena_starts: Array
    arena_ends: Array

    @property
    def blocks(self) -> tuple[Array, Array, int]:
        """What leads to their blocks: `starts`, `block_sizes`, and the bytes of a pool."""
        return self.starts, self.block_sizes, self.sizes.pool

    @property
    def in_use(self) -> Array:
        """int64, bytes of the blocks in use of each pool."""
        return self.used.astype(np.int64) * self.block_sizes


def pools_of(starts: Array, headers: Array, sizes: PoolSizes) -> Pools:
    """Sort pools into arenas.

    Args:
        starts: uint64, rising addresses of pools.
        headers: uint8[starts, POOL_OVERHEAD], each of a pool.
        sizes: of the target's version.
    """
    halves = headers.view(np.uint32)
    arenas = _group(starts, halves[:, _ARENA_INDEX], sizes.arena)
    firsts = np.flatnonzero(np.diff(arenas, prepend=-1))
    lasts = np.flatnonzero(np.diff(arenas, append=len(arenas)))
    # An arena that begins between two places for pools has room for one pool less, and its end is
    # somebody else's; in any other, the last pool is either found or has never been touched.
    room = starts[firsts] + np.uint64(sizes.arena - sizes.pool)
    following = np.append(starts[firsts][1:], np.iinfo(np.uint64).max)
    return Pools(
        sizes,
        starts,
        (halves[:, _SIZE_INDEX] + 1) * ALIGNMENT,
        halves[:, 0],
        arenas,
        starts[firsts],
        np.minimum(np.maximum(room, starts[lasts] + np.uint64(sizes.pool)), following),
    )


def valid_headers(starts: Array, headers: Array, pool_size: int) -> Array:
    """Tell which headers are those of a pool: bool, as long as `starts`.

    Args:
        starts: uint64 addresses.
        headers: uint8[starts, POOL_OVERHEAD].
        pool_size: bytes of a pool.
    """
    halves = headers.view(np.uint32).astype(np.int64)
    free = headers.view(np.uint64)[:, _FREEBLOCK]
    used, next_offset = halves[:, 0], halves[:, _NEXT]
    size = (halves[:, _SIZE_INDEX] + 1) * ALIGNMENT
    is_pool: Array = (size <= LARGEST_BLOCK) & (halves[:, _LAST] == pool_size - size)
    is_pool &= (next_offset > POOL_OVERHEAD) & (next_offset <= pool_size)
    is_pool &= (next_offset - POOL_OVERHEAD) % size == 0
    is_pool &= used <= (next_offset - POOL_OVERHEAD) // size
    in_pool = (free >= starts + np.uint64(POOL_OVERHEAD)) & (free < starts + np.uint64(pool_size))
    is_pool &= (free == 0) | in_pool
    return is_pool


def frame_stack_sizes(places: Array, heads: Array, end: int) -> Array:
    """Bytes of the stack of Python frames that begins at each page, 0 where none does: uint64.

    It comes from the allocator of arenas and begins with the piece before it, its length, and the
    place of its top when that piece was left (struct _PyStackChunk of Python/pystate.c, 3.11+).

    Args:
        places: uint64 addresses of pages.
        heads: uint64[places, 3 or more], the words there.
        end: of the memory they lie in.
    """
    before, size, top = heads[:, 0], heads[:, 1], heads[:, 2]
    is_stack = (size >= np.uint64(SMALLEST_FRAME_STACK)) & (size & (size - np.uint64(1)) == 0)
    is_stack &= (before % np.uint64(_PAGE) == 0) & (before < np.uint64(PROCESSOR.end_of_user_space))
    is_stack &= (top <= size // np.uint64(8)) & (size <= np.uint64(end) - places)
    result: Array = np.where(is_stack, size, np.uint64(0))
    return result


def _group(starts: Array, indexes: Array, arena_size: int) -> Array:
    """Number of the arena of each pool, from 0: int64.

    Pools of one arena have its index and follow one another; the first one made is its lowest.
    """
    result = np.empty(len(starts), np.int64)
    current, index, end = -1, -1, 0
    changes = np.flatnonzero(np.diff(indexes.astype(np.int64), prepend=-1))
    for first, last in pairwise([*changes.tolist(), len(starts)]):
        at = first
        while at < last:  # one run of equal indexes; two arenas in it have different interpreters
            if int(indexes[at]) != index or int(starts[at]) >= end:
                current, index = current + 1, int(indexes[at])
                end = int(starts[at]) + arena_size
            stop = int(np.searchsorted(starts[at:last], np.uint64(end))) + at
            result[at:stop] = current
            at = stop
    return result
