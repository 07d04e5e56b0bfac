"""Memory of a process, copied into a file without a name: what is walked when there is no clone."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.process.page_ranges import common, without
from heapgraph.native.file_pieces import ADDRESS_SPACE, FilePiece

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

Array: TypeAlias = npt.NDArray[Any]

_PAGE = mmap.PAGESIZE
_LONGEST_READ = 64 << 20
"""Of one call: between two of them Ctrl-C is heard."""

_NOT_HERE = (errno.EIO, errno.EFAULT)
"""How the kernel says that a page of another process is not mapped."""


_MAX_VECTORS = 1024  # IOV_MAX of Linux
_PUNCH_HOLE = 3  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, in linux/falloc.h

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.process_vm_readv.restype = ctypes.c_ssize_t
_LIBC.process_vm_readv.argtypes = (
    *(ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong),
    *(ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong),
)
_LIBC.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


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

    def take_scattered(self, pid: int, memory: int, ranges: Array) -> int:
        """Copy many small ranges of a process, a thousand with each system call.

        Args:
            pid: the process.
            memory: descriptor of its `/proc/PID/mem`, for what may not be read in this way: memory
                that is mapped without the right to read it.
            ranges: page addresses, int64[n, 2]; what has no place is left out.

        Returns:
            Bytes that were read; pages that are not mapped are not among them.

        Raises:
            UnreadableMemory: the process has ended.

        Cost: 1-4 us a page, a tenth of what `take` needs for as many ranges.
        """
        places = np.array([(p.start, p.end, p.offset) for p in self._places], np.int64)
        places = places.reshape(-1, 3)
        parts = common(ranges, places[:, :2])
        if not len(parts):
            return 0
        place = places[np.searchsorted(places[:, 0], parts[:, 0], side="right") - 1]
        here = np.frombuffer(self._writable(), np.uint8).ctypes.data
        sizes = parts[:, 1] - parts[:, 0]
        local = np.column_stack((here + place[:, 2] + parts[:, 0] - place[:, 0], sizes))
        remote = np.column_stack((parts[:, 0], sizes))
        done = total = 0
        while done < len(parts):
            batch = slice(done, done + _MAX_VECTORS)
            whole, read = _read_vectors(pid, local[batch], remote[batch])
            done, total = done + whole, total + read
            if whole < len(parts[batch]):  # one could not be read to its end
                total += self.take(memory, [tuple(parts[done].tolist())])
                done += 1
        return total

    def drop(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Make these page ranges zeros again, and give their memory back."""
        for start, end in ranges:
            for place in self._places_in(start, end):
                first, last = max(start, place.start), min(end, place.end)
                _punch_hole(self._file, place.offset + first - place.start, last - first)

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
        size = max(self._size, 1)
        if self._window is None:
            os.posix_fallocate(self._file, 0, size)
            self._window = mmap.mmap(self._file, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        elif len(self._window) < size:  # while the target may stand: what is mapped stays so
            before = len(self._window)
            os.posix_fallocate(self._file, before, size - before)
            self._window.resize(size)
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

    def stop_copying(self) -> None:
        """Map it no more: whoever reads it maps the file, and each page would be counted twice."""
        self._close_window()

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
        check_alive(memory, done)
        done += _PAGE - done % _PAGE
    return total


def _read_vectors(pid: int, local: Array, remote: Array) -> tuple[int, int]:
    """One process_vm_readv: how many ranges could be read to their end, and the bytes of those."""
    local, remote = np.ascontiguousarray(local), np.ascontiguousarray(remote)
    sizes = (len(local), remote.ctypes.data, len(remote), 0)
    count = _LIBC.process_vm_readv(pid, local.ctypes.data, *sizes)
    if count < 0:
        number = ctypes.get_errno()
        if number == errno.ESRCH:
            raise UnreadableMemory("the process has ended")
        if number != errno.EFAULT:
            raise OSError(number, f"the memory of process {pid} cannot be read")
        return 0, 0
    ends = np.cumsum(remote[:, 1])
    whole = int(np.searchsorted(ends, count, side="right"))
    return whole, int(ends[whole - 1]) if whole else 0


def _punch_hole(file: int, offset: int, size: int) -> None:
    if _LIBC.fallocate(file, _PUNCH_HOLE, offset, size) != 0:
        raise OSError(ctypes.get_errno(), "a hole cannot be made in the copy")


def check_alive(memory: int, address: int) -> None:
    """Raise UnreadableMemory when the process has ended or runs another program.

    Args:
        memory: descriptor of its `/proc/PID/mem`.
        address: any; that nothing is mapped there is no reason to stop.
    """
    try:
        ended = os.pread(memory, 1, address) == b""
    except OSError as error:
        if error.errno in _NOT_HERE:
            return
        raise
    if ended:
        raise UnreadableMemory("the process has ended")
