"""Which pages a running process has written to, by the kernel's soft-dirty bits.

Needs a kernel with CONFIG_MEM_SOFT_DIRTY, which Debian's have (Documentation/admin-guide/mm/
soft-dirty.rst), and the right to see page frame numbers (CAP_SYS_ADMIN): when memory is moved to
another address by whole page tables (mremap), the kernel forgets to mark it, and only the frames
tell. There is one set of bits in a process: who takes incremental checkpoints with them (CRIU)
would miss what was written before this cleared them.
"""

from __future__ import annotations

import mmap
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.page_ranges import missing, united
from heapgraph.capture.process.pagemap import (
    IS_FILE,
    IS_PRESENT,
    IS_SOFT_DIRTY,
    IS_SWAPPED,
    IS_ZERO,
    PAGE,
    PageMap,
    pages_where,
)

Array: TypeAlias = npt.NDArray[Any]

PAGE_TABLE_BYTES = 2 << 20
"""What one page table maps: memory is moved without a mark in pieces of this size only."""

_PRESENT, _SWAPPED, _OF_FILE, _WRITTEN = (np.uint64(1 << bit) for bit in (63, 62, 61, 55))
_FRAME = np.uint64((1 << 55) - 1)
_KEPT = _FRAME | _PRESENT | _SWAPPED
"""Of an entry: where the content is, in memory or in swap."""

_READ_AT_ONCE = 64 << 20  # bytes of memory whose entries one thread reads
_MAX_READERS = 4
_HUGE = 2 << 20
_TRIES = 3


@cache
def has_soft_dirty() -> bool:
    """True when this kernel marks written pages, as a page of our own shows."""
    return any(_own_page_is_marked() for _ in range(_TRIES))


def _own_page_is_marked() -> bool:
    """One try: another thread of ours that maps memory beside the page marks it as well."""
    with closing(PageMap(os.getpid())) as own, mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE) as page:
        page[0] = 1
        clear_soft_dirty("self")
        before = _entry_of(own, page) & _WRITTEN
        page[0] = 2
        return not before and bool(_entry_of(own, page) & _WRITTEN)


def frames_are_hidden() -> bool:
    """True when the kernel does not tell us page frame numbers: CAP_SYS_ADMIN is missing."""
    with closing(PageMap(os.getpid())) as own, mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE) as page:
        page[0] = 1
        return not _entry_of(own, page) & _FRAME


def _entry_of(own: PageMap, memory: mmap.mmap, offset: int = 0) -> np.uint64:
    address = np.frombuffer(memory, np.uint8).ctypes.data + offset
    entry: np.uint64 = own.entries(address, address + PAGE)[0]
    return entry


def clear_soft_dirty(process: int | str) -> float:
    """Forget which pages a process has written to; returns the seconds it took.

    Raises:
        OSError: it belongs to another user, has ended, or the kernel has no such order.

    Cost:
        About a third of what a clone's page tables take. Threads that meanwhile map memory or write
        to a page for the first time wait for the end; then each page costs its next writer a fault.
    """
    begin = time.perf_counter()
    with Path(f"/proc/{process}/clear_refs").open("w") as order:
        order.write("4")
    return time.perf_counter() - begin


class WrittenPages:
    """Looks at the pages of one process, by the kernel's search or, before Linux 6.7, one by one.

    Args:
        pid: the process; it may run.

    Raises:
        OSError: its pagemap may not be read.
    """

    def __init__(self, pid: int) -> None:
        """Open its pagemap."""
        self._pid = pid
        self._pages = PageMap(pid)
        self._zeros = ZeroPages()
        self._readers = ThreadPoolExecutor(min(_MAX_READERS, os.cpu_count() or 1))
        self.can_search = self._tries_search()

    def close(self) -> None:
        """Close it."""
        self._readers.shutdown()
        self._pages.close()
        self._zeros.close()

    def clear(self) -> float:
        """See `clear_soft_dirty`."""
        return clear_soft_dirty(self._pid)

    def look(self, ranges: Array, *, of_files: bool) -> tuple[Array, Array]:
        """What the process itself has put into memory, and where it wrote.

        Args:
            ranges: of private mappings, all of files or all of none.
            of_files: pages that are still the file's do not count.

        Returns:
            Ranges of pages that are its own, in memory or swapped out, and those among them that
            were written to since the bits were cleared. Pages of zeros are not its own.

        Cost:
            With the kernel's search 1 ms a GiB in memory, and 30 ns a page that was written to;
            what is only reserved is free. Else 17 ms a GiB of addresses, by several threads.
        """
        if self.can_search:
            return self._search(ranges, of_files)
        pieces = _cut(ranges, _READ_AT_ONCE)
        found = list(self._readers.map(lambda row: self._read(row[0], row[1], of_files), pieces))
        return united(*(own for own, _ in found)), united(*(written for _, written in found))

    def frames(self, pages: Array) -> Array:
        """Where the contents of pages are: uint64 for each, the same while it has not moved.

        Cost: 2 us a page.
        """
        entries = np.frombuffer(self._pages.entries_of(pages.tolist()), np.uint64)
        return entries & _KEPT

    def _tries_search(self) -> bool:
        try:
            list(self._pages.regions(0, PAGE, IS_SOFT_DIRTY, told=IS_SOFT_DIRTY))
        except OSError:
            return False
        return True

    def _search(self, ranges: Array, of_files: bool) -> tuple[Array, Array]:
        """Ask for the exceptions: most pages are in memory, its own and not written to."""
        not_own = IS_ZERO | (IS_FILE if of_files else 0)
        filled = IS_PRESENT | IS_SWAPPED
        wanted, told = not_own | IS_SOFT_DIRTY, filled | not_own | IS_SOFT_DIRTY
        parts = [np.empty((0, 3), np.int64)]
        for start, end in ranges.tolist():
            parts += self._pages.regions(start, end, wanted, absent=IS_PRESENT, told=told)
        rows = np.concatenate(parts)
        is_own = (rows[:, 2] & filled != 0) & (rows[:, 2] & not_own == 0)
        is_written = is_own & (rows[:, 2] & IS_SOFT_DIRTY != 0)
        return missing(ranges, united(rows[~is_own, :2])), united(rows[is_written, :2])

    def _read(self, start: int, end: int, of_files: bool) -> tuple[Array, Array]:
        entries = self._pages.entries(start, end)
        is_own = self._zeros.are_own(entries, of_files=of_files)
        is_written = is_own & (entries & _WRITTEN != 0)
        return pages_where(is_own, start), pages_where(is_written, start)


class ZeroPages:
    """The kernel's pages of zeros, small and huge: what it maps where nothing was written."""

    def __init__(self) -> None:
        """Find them by reading memory of our own that nobody wrote to."""
        self._memory = mmap.mmap(-1, 2 * _HUGE, mmap.MAP_PRIVATE)
        self._memory.madvise(mmap.MADV_HUGEPAGE)
        aligned = -np.frombuffer(self._memory, np.uint8).ctypes.data % _HUGE
        with closing(PageMap(os.getpid())) as own, mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE) as page:
            page[0], self._memory[aligned]  # what was read is mapped
            self.small, self.huge = (
                _entry_of(own, page) & _FRAME,
                _entry_of(own, self._memory, aligned) & _FRAME,
            )
        pages = 1 if self.huge == self.small else _HUGE // PAGE
        self.huge_end = self.huge + np.uint64(pages)

    def close(self) -> None:
        """Let them go."""
        self._memory.close()

    def are_own(self, entries: Array, *, of_files: bool) -> Array:
        """Whether the pages of pagemap entries are a process's own: bool, one for each."""
        frames = entries & _FRAME
        is_zero = (frames == self.small) | ((frames >= self.huge) & (frames < self.huge_end))
        is_present = (entries & _PRESENT != 0) & ~is_zero
        if of_files:
            is_present &= entries & _OF_FILE == 0
        own: Array = is_present | (entries & _SWAPPED != 0)
        return own


def first_pages(own: Array) -> Array:
    """The first page of the process's own in each piece that a page table maps: int64, rising."""
    first, last = own[:, 0] // PAGE_TABLE_BYTES, (own[:, 1] - 1) // PAGE_TABLE_BYTES
    counts = last - first + 1
    row = np.repeat(np.arange(len(own)), counts)
    behind = np.cumsum(counts)
    table = first[row] + np.arange(len(row)) - np.repeat(behind - counts, counts)
    pages: Array = np.maximum(own[row, 0], table * PAGE_TABLE_BYTES)
    return pages[np.unique(table, return_index=True)[1]]


def _cut(ranges: Array, size: int) -> list[tuple[int, int]]:
    return [
        (at, min(at + size, end))
        for start, end in ranges.tolist()
        for at in range(start, end, size)
    ]
