"""The first bytes of pages: does a pool, a large block or a stack of frames begin there?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.regions.malloc_heaps import mapped_sizes
from heapgraph.capture.regions.pools import (
    POOL_OVERHEAD,
    Pools,
    PoolSizes,
    frame_stack_sizes,
    pools_of,
    valid_headers,
)
from heapgraph.model import RegionKind

if TYPE_CHECKING:
    from heapgraph.capture.cpython.layouts import Layout
    from heapgraph.native.memory_reads import MemoryReads

Array: TypeAlias = npt.NDArray[Any]

_MAX_PAGES = 1 << 15


class PageScan:
    """Finds pools and large blocks; the inside of a block is never looked at.

    Args:
        reads: of the frozen moment.
        layout: of the target's CPython.

    Attributes:
        blocks: (start, end, kind) of each large block and stack of frames.
    """

    def __init__(self, reads: MemoryReads, layout: Layout) -> None:
        """Nothing is found yet."""
        self.blocks: list[tuple[int, int, RegionKind]] = []
        self._reads = reads
        self._sizes = PoolSizes.of(layout.kinds.pools)
        self._has_frame_stacks = "chunk.data" in layout.fields
        self._starts = [np.empty(0, np.uint64)]
        self._headers = [np.empty((0, POOL_OVERHEAD), np.uint8)]

    def look_at(self, pages: Array, end: int) -> None:
        """Look at the pages of one run of mappings.

        More and more pages are read at once, until a block is found: its neighbour is likely
        another one, behind which to go on.

        Args:
            pages: uint64, rising addresses of those in memory.
            end: of the run.

        Cost: 0.1 us per page where the walker has a copy, else 1-5 us.
        """
        at, count = 0, 1
        while at < len(pages):
            some = pages[at : at + count]
            found = len(self.blocks)
            self._look_at(some, end)
            if len(self.blocks) > found:
                behind = np.uint64(self.blocks[-1][1])
                at, count = max(at + 1, int(np.searchsorted(pages, behind))), 1
            else:
                at, count = at + len(some), min(2 * count, _MAX_PAGES)

    def pools(self) -> Pools:
        """All pools that were found."""
        return pools_of(np.concatenate(self._starts), np.concatenate(self._headers), self._sizes)

    def _look_at(self, pages: Array, end: int) -> None:
        """Take pools up to the first block, and that."""
        headers = self._reads.gather(pages, POOL_OVERHEAD)
        is_pool = valid_headers(pages, headers, self._sizes.pool)
        is_pool &= pages % np.uint64(self._sizes.pool) == 0
        words = headers.view(np.uint64)
        blocks = mapped_sizes(pages, words, end)
        stacks = np.zeros_like(blocks)
        if self._has_frame_stacks:
            stacks = frame_stack_sizes(pages, words, end)
        is_stack = stacks > blocks
        blocks = np.maximum(blocks, stacks)
        known = np.concatenate((self._starts[-1][-1:], pages[is_pool]))
        blocks[_in_pools(pages, known, self._sizes.pool)] = 0
        first = int(np.argmax(blocks > 0)) if blocks.any() else len(pages)
        is_pool[first:] = False
        if is_pool.any():
            self._starts.append(pages[is_pool])
            self._headers.append(headers[is_pool])
        if first < len(pages):
            start = int(pages[first])
            kind = RegionKind.FRAMES if is_stack[first] else RegionKind.CHUNK
            self.blocks.append((start, start + int(blocks[first]), kind))


def _in_pools(pages: Array, pools: Array, size: int) -> Array:
    """Whether each page lies in one of the pools; both rise."""
    if not len(pools):
        return np.zeros(len(pages), np.bool_)
    places = np.searchsorted(pools, pages, side="right").astype(np.int64) - 1
    inside: Array = (places >= 0) & (pages - pools[np.maximum(places, 0)] < np.uint64(size))
    return inside
