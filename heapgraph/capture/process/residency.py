"""Which pages of private memory are in memory, as `/proc/PID/pagemap` tells of a frozen process."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.maps import is_anonymous
from heapgraph.capture.process.pagemap import PAGE, PageMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from heapgraph.capture.process.maps import Mapping

Array: TypeAlias = npt.NDArray[Any]

_HOLE = 2 << 20
"""Bytes from which a gap between pages in memory is left out, not counted page by page."""


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

    def ranges(self, pairs: Iterable[tuple[int, int]]) -> Array:
        """What of some ranges is in memory: int64[n, 2], (start, end), rising where they rise.

        Args:
            pairs: (start, end) each.
        """
        parts = [np.empty((0, 2), np.int64)]
        for start, end in pairs:
            first = start - start % PAGE
            pages = self.resident_pages(first, -(-end // PAGE) * PAGE).astype(np.int64)
            if len(pages):
                gaps = np.flatnonzero(np.diff(pages) != PAGE) + 1
                begins = pages[np.concatenate(([0], gaps))]
                ends = pages[np.concatenate((gaps - 1, [-1]))] + PAGE
                parts.append(np.clip(np.stack((begins, ends), axis=1), start, end))
        return np.concatenate(parts)

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

    Cost: that of `PageMap`, and 9 bytes of memory per page, large holes left out.
    """
    wanted = list(maps)
    try:
        page_map = PageMap(pid)
    except OSError:
        starts = [mapping.start for mapping in wanted]
        ends = [mapping.end for mapping in wanted]
        pages = sum(ends) // PAGE - sum(starts) // PAGE
        return Residency(starts, ends, np.ones(pages, np.uint8), is_measured=False)
    with closing(page_map):
        ranges = np.concatenate(
            [
                np.empty((0, 2), np.int64),
                *(page_map.ranges(each.start, each.end, swapped=False) for each in wanted),
            ]
        )
    return _without_holes(ranges)


def _without_holes(ranges: Array) -> Residency:
    """The residency of ranges that are in memory: those near one another in one piece."""
    if not len(ranges):
        return Residency([], [], np.empty(0, np.uint8), is_measured=True)
    begins = np.concatenate(([True], ranges[1:, 0] - ranges[:-1, 1] >= _HOLE))
    starts = ranges[begins, 0]
    ends = ranges[np.concatenate((begins[1:], [True])), 1]
    pages = (ends - starts) // PAGE
    before = np.concatenate(([0], np.cumsum(pages)))
    piece = np.cumsum(begins) - 1
    places = (ranges - starts[piece][:, None]) // PAGE + before[piece][:, None]
    # Up by one where a range begins, down where it ends, which may be where the next piece begins.
    steps = np.zeros(int(before[-1]) + 1, np.int8)
    np.add.at(steps, places[:, 0], 1)
    np.add.at(steps, places[:, 1], -1)
    present = np.cumsum(steps[:-1], dtype=np.int8).astype(np.uint8)
    return Residency(starts.tolist(), ends.tolist(), present, is_measured=True)


def filled_ranges(
    pid: int, maps: Iterable[Mapping], is_whole: Callable[[Mapping], bool] | None = None
) -> list[tuple[int, int]]:
    """Ranges that hold something: in memory, swapped out, or in a file.

    Of a reservation of a terabyte that nobody wrote to nothing is left: to read its pages would
    take long and give them memory.

    Args:
        pid: a process that stands still.
        maps: its mappings, in address order.
        is_whole: tells which are taken as they are, files unless told otherwise: a clone, which has
            touched nothing yet, does not know the pages that it shares.

    Returns:
        (start, end) of page addresses; without permission to read pagemap, the whole mappings.

    Cost: that of `PageMap`.
    """
    try:
        page_map = PageMap(pid)
    except OSError:
        return [(mapping.start, mapping.end) for mapping in maps]
    ranges: list[tuple[int, int]] = []
    with closing(page_map):
        for mapping in maps:
            whole = mapping.is_file if is_whole is None else is_whole(mapping)
            if whole or not page_map.can_search(mapping.start, mapping.end):
                ranges.append((mapping.start, mapping.end))
                continue
            filled = page_map.ranges(mapping.start, mapping.end, swapped=True)
            ranges += map(tuple, filled.tolist())
    return ranges


def anonymous_residency(pid: int, maps: Iterable[Mapping]) -> Residency:
    """Read which pages of private anonymous memory are in memory.

    To be called before that memory is read, which maps the kernel's page of zeros where there was
    none.

    Args:
        pid: the frozen process, or one that stands still.
        maps: its mappings with sizes.
    """
    return read_residency(pid, [m for m in maps if is_anonymous(m) and m.rss])


def stored_residency(maps: Iterable[Mapping]) -> Residency:
    """Take what a core file has for what was in memory; of parts that were not, it has zeros.

    Args:
        maps: of the core, whose sizes are what it has of them.
    """
    stored = [m for m in maps if is_anonymous(m) and m.rss]
    starts, ends = [m.start for m in stored], [m.start + m.rss for m in stored]
    pages = np.ones(sum(m.rss // PAGE for m in stored), np.uint8)
    return Residency(starts, ends, pages, is_measured=False)
