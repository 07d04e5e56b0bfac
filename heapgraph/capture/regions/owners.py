"""Which objects large blocks of memory belong to: array data, long strings, mapped memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.regions.malloc_heaps import SMALLEST_MAPPED
from heapgraph.model import MAPPING_TYPE, ObjectFlags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.native.memory_reads import MemoryReads

_WORDS = 16
"""An object's pointer to its buffer is among its first fields."""


def find_owners(
    ranges: Sequence[tuple[int, int]], reads: MemoryReads, columns: HeapColumns
) -> dict[tuple[int, int], int]:
    """Find the object that lies in a range or has a pointer into it; of several, the largest.

    Args:
        ranges: (start, end) each; none overlaps another.
        reads: of the frozen moment.
        columns: the objects.

    Returns:
        Object ids by range; ranges without an owner are left out.

    Cost: some 1 us per object of 128 KiB and more, and per memory mapping object.
    """
    arrays = columns.arrays
    large, sizes = columns.objects_of_size(SMALLEST_MAPPED)
    small = np.setdiff1d(columns.objects_named(MAPPING_TYPE), large)
    ids = np.concatenate([small, large[np.argsort(sizes, kind="stable")]])
    ids = ids[arrays["flags"][ids] & np.uint16(ObjectFlags.STATIC) == 0]
    if not len(ids) or not ranges:
        return {}
    addresses = columns.addresses_of(ids)
    words = np.concatenate((addresses[:, None], reads.words(addresses, _WORDS)), axis=1)
    ordered = sorted(ranges)
    starts = np.array([start for start, _ in ordered], np.uint64)
    ends = np.array([end for _, end in ordered], np.uint64)
    places = np.searchsorted(starts, words, side="right") - 1
    inside = (places >= 0) & (words < ends[np.maximum(places, 0)])
    found, fields = np.nonzero(inside)
    pairs = zip(places[found, fields].tolist(), ids[found].tolist(), strict=True)
    return {ordered[place]: owner for place, owner in pairs}  # the last, largest one stays
