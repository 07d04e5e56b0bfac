"""Which pages of a process hold something, from `/proc/PID/pagemap`.

The kernel's own search (PAGEMAP_SCAN, Linux 6.7) passes over a reservation of a terabyte that is
empty in a moment; before it each page has an entry to be read, some 16 s for a terabyte.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Array: TypeAlias = npt.NDArray[Any]

PAGE = mmap.PAGESIZE

_ENTRY = 8  # bytes of a page's entry
_PRESENT = 63  # its bit "page present" (Documentation/admin-guide/mm/pagemap.rst)
_SWAPPED = 62  # its bit "page swapped"
_PAGES_A_READ = 1 << 18

_MAX_READ = 1 << 38  # bytes of a mapping whose entries are read one by one: some 4 s

_SCAN = 0xC0606610  # _IOWR('f', 16, struct pm_scan_arg), in linux/fs.h
_SCAN_ARGUMENT = struct.Struct("=12Q")
_WALK_END = 4  # its word that says how far the kernel came
IS_FILE, IS_PRESENT, IS_SWAPPED, IS_ZERO, IS_SOFT_DIRTY = (1 << bit for bit in (2, 3, 4, 5, 7))
"""PAGE_IS_FILE, ..., PAGE_IS_PFNZERO, PAGE_IS_SOFT_DIRTY: what the kernel's search tells apart."""

_REGION_WORDS = 3  # struct page_region: start, end, categories
_REGIONS_A_SCAN = 1 << 14


class PageMap:
    """The open pagemap of a process.

    Args:
        pid: a process that stands still.

    Raises:
        OSError: it may not be read.
    """

    def __init__(self, pid: int) -> None:
        """Open it."""
        self._descriptor = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        self._can_scan = True
        self._regions = np.empty((_REGIONS_A_SCAN, _REGION_WORDS), np.int64)
        self._place = self._regions.ctypes.data

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)

    def can_search(self, start: int, end: int) -> bool:
        """Whether the pages of a range can be told in a moment.

        Args:
            start: address of the first page.
            end: address behind the last one.
        """
        if self._can_scan:
            try:
                next(self.regions(start, min(end, start + PAGE), IS_PRESENT, told=IS_PRESENT), None)
            except OSError:
                self._can_scan = False
        return self._can_scan or end - start <= _MAX_READ

    def ranges(self, start: int, end: int, *, swapped: bool) -> Array:
        """The parts of [start, end) that are in memory.

        Args:
            start: address of the first page.
            end: address behind the last one.
            swapped: also those that are swapped out.

        Returns:
            int64, a row (start, end) for each, rising and apart from one another.
        """
        parts = [np.empty((0, 2), np.int64)]
        if self._can_scan:
            try:
                wanted = IS_PRESENT | (IS_SWAPPED if swapped else 0)
                # The page of zeros, which a read of an empty page leaves behind, is nobody's.
                found = self.regions(start, end, wanted, unwanted=IS_ZERO, told=wanted)
                parts += [regions[:, :2] for regions in found]
            except OSError:  # this kernel knows no such order
                self._can_scan = False
                del parts[1:]
        if not self._can_scan:
            parts += self._read(start, end, _SWAPPED if swapped else _PRESENT)
        return _joined(np.concatenate(parts))

    def regions(
        self, start: int, end: int, wanted: int, *, unwanted: int = 0, absent: int = 0, told: int
    ) -> Iterator[Array]:
        """Ask the kernel for pages by what they are.

        Args:
            start: address of the first page.
            end: address behind the last one.
            wanted: categories of which a page has one or more,
            absent: or of these lacks one or more.
            unwanted: categories of which it has none.
            told: the categories that are told apart.

        Yields:
            int64, rows (start, end, categories among `told`), rising.

        Raises:
            OSError: this kernel has no such search.

        Cost: 4 ns for a page that is in memory and not meant, 30 ns for one that is.
        """
        regions = self._regions
        while start < end:
            argument = bytearray(
                _SCAN_ARGUMENT.pack(
                    *(_SCAN_ARGUMENT.size, 0, start, end, 0, self._place, len(regions)),
                    *(0, unwanted | absent, unwanted, wanted | absent, told),
                )
            )
            count = fcntl.ioctl(self._descriptor, _SCAN, argument)
            found = regions[:count].copy()
            yield found
            # Beyond what the kernel says that it has walked may be pages that it has reported:
            # asked from there, it tells of them again.
            reached = max([_SCAN_ARGUMENT.unpack(argument)[_WALK_END], *found[-1:, 1].tolist()])
            if reached <= start:
                return
            start = reached

    def entries(self, start: int, end: int) -> Array:
        """The kernel's entry of every page: uint64, fewer when the addresses end before.

        Cost: 65 ns a page, in memory or not.
        """
        size = (end - start) // PAGE * _ENTRY
        data = os.pread(self._descriptor, size, start // PAGE * _ENTRY)
        return np.frombuffer(data, np.uint64, len(data) // _ENTRY)

    def entries_of(self, pages: Iterable[int]) -> bytes:
        """The entries of single pages, one after the other; zeros where there are no addresses."""
        read, file = os.pread, self._descriptor
        return b"".join(
            read(file, _ENTRY, page // PAGE * _ENTRY) or bytes(_ENTRY) for page in pages
        )

    def _read(self, start: int, end: int, lowest: int) -> Iterator[Array]:
        """Read the entries: a page counts when one of its bits from `lowest` on is set."""
        for at in range(start, end, _PAGES_A_READ * PAGE):
            entries = self.entries(at, min(at + _PAGES_A_READ * PAGE, end))
            yield pages_where(entries >> np.uint64(lowest) != 0, at)


def pages_where(is_meant: Array, start: int) -> Array:
    """The pages from `start` on that are meant, one after the other, as ranges of addresses."""
    edges = np.flatnonzero(np.diff(is_meant, prepend=False, append=False))
    return edges.reshape(-1, 2) * PAGE + start


def _joined(ranges: Array) -> Array:
    """Rising ranges, with those in one that touch."""
    begins = np.concatenate(([True], ranges[1:, 0] != ranges[:-1, 1]))[: len(ranges)]
    ends = np.concatenate((begins[1:], [True]))[: len(ranges)]
    return np.column_stack((ranges[begins, 0], ranges[ends, 1]))
