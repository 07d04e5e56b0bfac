"""Which pages of private memory are in memory, as `/proc/PID/pagemap` tells of a frozen process."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heapgraph.capture.maps import Mapping

Array: TypeAlias = npt.NDArray[Any]

PAGE = mmap.PAGESIZE
_ENTRY = 8  # bytes of a page's entry in pagemap
_PRESENT = 63  # its bit "page present" (Documentation/admin-guide/mm/pagemap.rst)
_SWAPPED = 62  # its bit "page swapped"
_PAGES_A_READ = 1 << 18


class Residency:
    """Resident bytes of any range of the mappings it was read of.

    Args:
        starts, ends: mappings, sorted and disjoint.
        present: uint8 of each of their pages, one mapping behind the other.
        is_measured: False when the pages are a guess.
    """

    def __init__(
        self, starts: Sequence[int], ends: Sequence[int], present: Array, *, is_measured: bool
    ) -> None:
        """Add the pages up, so that every question is two look-ups."""
        self.is_measured = is_measured
        self._starts = np.array(starts, np.int64)
        self._ends = np.array(ends, np.int64)
        pages = (self._ends - self._starts) // PAGE
        self._first = np.concatenate(([0], np.cumsum(pages))).astype(np.int64)
        self._present = np.concatenate((present, np.zeros(1, np.uint8)))  # asked of at the end
        self._before = np.concatenate(([0], np.cumsum(present, dtype=np.int64)))

    def resident(self, starts: Array, ends: Array) -> Array:
        """Bytes in memory of each range [start, end): int64, as long as the arguments."""
        return self._up_to(ends) - self._up_to(starts)

    def total(self, start: int, end: int) -> int:
        """Bytes in memory of one range."""
        return int(self.resident(np.array([start]), np.array([end]))[0])

    def resident_pages(self, start: int, end: int) -> Array:
        """Addresses of the pages of [start, end) that are in memory: uint64, rising.

        Args:
            start: address of a page.
            end: behind the last page.
        """
        parts = [np.empty(0, np.int64)]
        row = max(0, int(np.searchsorted(self._starts, start, side="right")) - 1)
        while row < len(self._starts) and self._starts[row] < end:
            begin = max(start, int(self._starts[row]))
            behind = min(end, int(self._ends[row]))
            first = int(self._first[row]) + (begin - int(self._starts[row])) // PAGE
            count = max(0, behind - begin) // PAGE
            parts.append(np.flatnonzero(self._present[first : first + count]) * PAGE + begin)
            row += 1
        return np.concatenate(parts).astype(np.uint64)

    def _up_to(self, addresses: Array) -> Array:
        """Bytes in memory below each address."""
        places = np.asarray(addresses).astype(np.int64)
        if not len(self._starts):
            return np.zeros_like(places)
        rows = np.maximum(np.searchsorted(self._starts, places, side="right") - 1, 0)
        inside = np.clip(places, self._starts[rows], self._ends[rows]) - self._starts[rows]
        pages = self._first[rows] + inside // PAGE
        below: Array = self._before[pages] * PAGE + self._present[pages] * (inside % PAGE)
        return below


def read_residency(pid: int, maps: Iterable[Mapping]) -> Residency:
    """Read which pages of private anonymous memory a process has in memory.

    Args:
        pid: the frozen process, or one that stands still.
        maps: its mappings. Those that have `rss` are not asked of when it is 0 (sizes unknown
            have to be left out by the caller).

    Returns:
        The residency; without permission to read pagemap, every page is taken to be in memory.

    Cost: some 5 ms per GiB of address space, and 9 bytes of memory per page.
    """
    wanted = list(maps)
    starts = [mapping.start for mapping in wanted]
    ends = [mapping.end for mapping in wanted]
    try:
        descriptor = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        pages = sum(ends) // PAGE - sum(starts) // PAGE
        return Residency(starts, ends, np.ones(pages, np.uint8), is_measured=False)
    try:
        parts = [
            part
            for start, end in zip(starts, ends, strict=True)
            for part in _entries(descriptor, start // PAGE, end // PAGE)
        ]
    finally:
        os.close(descriptor)
    return Residency(
        starts, ends, np.concatenate([np.empty(0, np.uint8), *parts]), is_measured=True
    )


def filled_ranges(pid: int, maps: Iterable[Mapping]) -> list[tuple[int, int]]:
    """Ranges that hold something: in memory, swapped out, or in a file.

    Of a reservation of a terabyte that nobody wrote to nothing is left: to read its pages would
    take long and give them memory.

    Args:
        pid: a process that stands still.
        maps: its mappings, in address order.

    Returns:
        (start, end) of page addresses; without permission to read pagemap, the whole mappings.

    Cost: some 5 ms per GiB of address space without a file.
    """
    ranges: list[tuple[int, int]] = []
    try:
        descriptor = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return [(mapping.start, mapping.end) for mapping in maps]
    try:
        for mapping in maps:
            if mapping.is_file:
                ranges.append((mapping.start, mapping.end))
                continue
            at = mapping.start
            for filled in _entries(descriptor, at // PAGE, mapping.end // PAGE, _SWAPPED):
                edges = np.flatnonzero(np.diff(filled != 0, prepend=False, append=False))
                bounds = (edges * PAGE + at).tolist()
                ranges += zip(bounds[::2], bounds[1::2], strict=True)
                at += len(filled) * PAGE
    finally:
        os.close(descriptor)
    return ranges


def _entries(descriptor: int, first: int, last: int, lowest: int = _PRESENT) -> Iterable[Array]:
    """Of pages first..last - 1 the bits from `lowest` on; 0 where none of them is set."""
    for at in range(first, last, _PAGES_A_READ):
        count = min(_PAGES_A_READ, last - at)
        data = os.pread(descriptor, count * _ENTRY, at * _ENTRY)
        bits = (np.frombuffer(data, np.uint64, len(data) // _ENTRY) >> np.uint64(lowest)).astype(
            np.uint8
        )
        yield np.concatenate((bits, np.zeros(count - len(bits), np.uint8)))
