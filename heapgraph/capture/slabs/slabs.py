"""Runs of blocks of one size, with a bit for each that is in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.page_ranges import common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.process.residency import Residency

Array: TypeAlias = npt.NDArray[Any]

BITS = 64
"""Blocks whose use one word tells."""


@dataclass(frozen=True)
class Slabs:
    """What one or several allocators gave out; parallel arrays but the last three.

    Attributes:
        starts: uint64, address of the first block of each slab, rising.
        sizes: uint64, bytes of each of its blocks.
        counts: uint32, how many blocks it has room for.
        sources: uint32, which of `names` it is of.
        words: uint64, bits of the blocks in use, lowest first: each slab begins with a new word.
        ranges: int64[n, 2], (start, end) of the memory they lie in, free parts included; sorted.
        names: of the libraries whose allocators they are of.
    """

    starts: Array
    sizes: Array
    counts: Array
    sources: Array
    words: Array
    ranges: Array
    names: tuple[str, ...] = ()

    @staticmethod
    def none() -> Slabs:
        """No blocks at all."""
        nothing = np.empty(0, np.uint64)
        few = np.empty(0, np.uint32)
        return Slabs(nothing, nothing, few, few, nothing, np.empty((0, 2), np.int64))

    @property
    def first_words(self) -> Array:
        """int64: where the bits of each slab begin."""
        lengths = words_of(self.counts)
        begins: Array = np.cumsum(lengths) - lengths
        return begins

    @property
    def used(self) -> Array:
        """int64: blocks in use of each slab."""
        sums = np.concatenate(([0], np.cumsum(np.bitwise_count(self.words), dtype=np.int64)))
        begins = self.first_words
        return np.asarray(sums[begins + words_of(self.counts)] - sums[begins])


def words_of(counts: Array) -> Array:
    """Words that bits of so many blocks take: int64."""
    return -(-counts.astype(np.int64) // BITS)


def joined(found: Sequence[Slabs]) -> Slabs:
    """Those of several allocators as one; what overlaps with an earlier one is left out whole."""
    kept: list[Slabs] = []
    for each in found:
        if len(each.ranges) and not any(len(common(each.ranges, other.ranges)) for other in kept):
            kept.append(each)
    if not kept:
        return Slabs.none()
    names = tuple(name for each in kept for name in each.names)
    begins = np.cumsum([0, *(len(each.names) for each in kept[:-1])])
    starts, sizes, counts = (
        np.concatenate([getattr(each, name) for each in kept])
        for name in ("starts", "sizes", "counts")
    )
    sources = np.concatenate(
        [each.sources + np.uint32(first) for each, first in zip(kept, begins, strict=True)]
    )
    words = np.concatenate([each.words for each in kept])
    ranges = np.concatenate([each.ranges for each in kept])
    ranges = ranges[np.argsort(ranges[:, 0])]
    order = np.argsort(starts)
    lengths = words_of(counts)
    firsts = (np.cumsum(lengths) - lengths)[order]
    lengths = lengths[order]
    behind = np.cumsum(lengths)
    places = np.arange(int(lengths.sum())) + np.repeat(firsts - (behind - lengths), lengths)
    return Slabs(
        starts[order], sizes[order], counts[order], sources[order], words[places], ranges, names
    )


def blocks_in_use(slabs: Slabs, residency: Residency) -> list[tuple[int, int]]:
    """Of each range of some slabs: bytes in memory of blocks in use, and how many there are.

    Args:
        slabs: of allocators.
        residency: of the frozen moment. What is in use of a slab is taken to be in memory first.
    """
    starts = slabs.starts.astype(np.int64)
    whole = slabs.sizes.astype(np.int64) * slabs.counts
    resident = residency.resident(starts, starts + whole)
    used = slabs.used
    full = np.minimum(used * slabs.sizes.astype(np.int64), resident)
    rows = np.searchsorted(slabs.ranges[:, 0], starts, side="right") - 1
    count = len(slabs.ranges)
    sizes = np.bincount(rows, full, count).astype(np.int64).tolist()
    blocks = np.bincount(rows, used, count).astype(np.int64).tolist()
    return list(zip(sizes, blocks, strict=True))
