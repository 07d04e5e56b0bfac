"""Memory of a process, copied into a file without a name: what is walked when there is no clone."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Self

from heapgraph.capture.core_memory import without
from heapgraph.capture.memory import UnreadableMemory
from heapgraph.native.file_pieces import ADDRESS_SPACE, FilePiece

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

_PAGE = mmap.PAGESIZE
_LONGEST_READ = 64 << 20
"""Of one call: between two of them Ctrl-C is heard."""

_NOT_HERE = (errno.EIO, errno.EFAULT)
"""How the kernel says that a page of another process is not mapped."""


@dataclass(frozen=True)
class _Place:
    """Where a range of addresses lies in the file."""

    start: int
    end: int
    offset: int


class MemoryCopy:
    """Ranges of a process's memory in a file of memory (memfd), which is sealed against shrinking.

    A file, so that the walker and the process that runs traverse functions map the same pages:
    they are there once. What was never taken, or could not be read, is zeros.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """Make the file and give the ranges a place in it; nothing is read yet."""
        self._file = os.memfd_create("heapgraph", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        self._places: list[_Place] = []
        self._size = 0
        self._window: mmap.mmap | None = None
        self.add(ranges)

    def add(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Give more memory a place: the parts of these page ranges that have none yet."""
        taken = [(place.start, place.end) for place in self._places]
        for start, end in _joined(ranges):
            first = max(bisect_right(taken, (start, start)) - 1, 0)
            for gap_start, gap_end in without(start, end, islice(taken, first, None)):
                self._places.append(_Place(gap_start, gap_end, self._size))
                self._size += gap_end - gap_start
        self._places.sort(key=lambda place: place.start)

    def take(self, memory: int, ranges: Iterable[tuple[int, int]]) -> int:
        """Copy ranges that have a place; again overwrites what was taken before.

        Args:
            memory: descriptor of the process's `/proc/PID/mem`.
            ranges: page addresses; what has no place is left out.

        Returns:
            Bytes that were read; pages that are not mapped are not among them.

        Raises:
            UnreadableMemory: the process has ended.
            OSError: memory for the copy is short (ENOMEM, ENOSPC).

        Cost: 0.3-0.6 s per GiB the first time, of which most is the kernel's clearing of our pages.
        """
        window = self._writable()
        total = 0
        with memoryview(window) as view:
            for start, end in ranges:
                for place in self._places_in(start, end):
                    first, last = max(start, place.start), min(end, place.end)
                    total += _read(memory, first, last, view, place.offset + first - place.start)
        return total

    def _places_in(self, start: int, end: int) -> list[_Place]:
        first = max(bisect_right(self._places, start, key=lambda place: place.start) - 1, 0)
        last = bisect_right(self._places, end - 1, key=lambda place: place.start)
        return [place for place in self._places[first:last] if place.end > start]

    def prepare(self) -> None:
        """Have the kernel make all pages of the copy ready, so that `take` only moves bytes.

        Raises:
            OSError: memory is short (ENOMEM, ENOSPC).

        Cost: 0.3 s per GiB.
        """
        self._writable()

    def _writable(self) -> mmap.mmap:
        if self._window is None or len(self._window) < self._size:
            self._close_window()
            size = max(self._size, 1)
            os.posix_fallocate(self._file, 0, size)
            self._window = mmap.mmap(self._file, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        return self._window

    def pieces(self, rest: int | None = None) -> list[FilePiece]:
        """What the walker reads, in the order of addresses.

        Args:
            rest: descriptor of `/proc/PID/mem`, for what has no place here: memory that the process
                cannot write to.
        """
        own = [
            FilePiece(p.start, p.end - p.start, self._file, p.offset, p.end - p.start)
            for p in self._places
        ]
        if rest is None:
            return own
        gaps = without(0, ADDRESS_SPACE, [(piece.start, piece.end) for piece in own])
        others = [FilePiece(start, end - start, rest, start, end - start) for start, end in gaps]
        return sorted(own + others, key=lambda piece: piece.start)

    @property
    def size(self) -> int:
        """Bytes that have a place."""
        return self._size

    def close(self) -> None:
        """Give the memory back, when nothing else maps it; again has no effect."""
        self._close_window()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _close_window(self) -> None:
        if self._window is not None:
            self._window.close()
            self._window = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same addresses in order, in ranges that neither overlap nor touch."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _read(memory: int, start: int, end: int, view: memoryview, offset: int) -> int:
    """Read one range to its place; returns the bytes that could be read."""
    done, total = start, 0
    while done < end:
        at = offset + done - start
        wanted = min(end - done, _LONGEST_READ)
        part = 0
        with suppress(OSError), view[at : at + wanted] as target:
            part = os.preadv(memory, [target], done)
        if part > 0:
            done, total = done + part, total + part
            continue
        _check_alive(memory, done)
        done += _PAGE - done % _PAGE
    return total


def _check_alive(memory: int, address: int) -> None:
    """A page that is not there is no reason to stop, the end of the process is."""
    try:
        ended = os.pread(memory, 1, address) == b""
    except OSError as error:
        if error.errno in _NOT_HERE:
            return
        raise
    if ended:
        raise UnreadableMemory("the process has ended")
