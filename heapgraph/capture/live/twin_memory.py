"""What of a target's memory a twin maps, and from which files: ranges of whole pages.

The pieces and the mappings may be those of a hostile core file: whatever they say, ranges come out
in order, disjoint, and not too many; native/freeze/twin/twin_table.c checks them once more.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.live.freeze_helper import HelperFailure
from heapgraph.machine_memory import group_memory, machine_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from heapgraph.capture.process.maps import Mapping
    from heapgraph.native.file_pieces import FilePiece

_PAGE = mmap.PAGESIZE
_LONGEST_COPY = 64 << 20
"""Of one call: between two of them Ctrl-C is heard."""

_COPY_SHARE = 0.5
"""Of the free memory that copies may take; the walk needs the rest."""

_BITS = {"r": mmap.PROT_READ, "w": mmap.PROT_WRITE, "x": mmap.PROT_EXEC}


@dataclass(frozen=True)
class TwinRange:
    """A range of addresses of the twin; all but descriptor and protection in whole pages.

    Attributes:
        start, size: of it in memory.
        descriptor, offset: of the file that has its first `in_file` bytes; zeros are behind them.
        protection: bits as mmap takes them.
    """

    start: int
    size: int
    descriptor: int
    offset: int
    in_file: int
    protection: int

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.start + self.size

    def row(self) -> tuple[int, ...]:
        """As native/freeze/twin/twin_table.h has it."""
        return (
            self.start,
            self.size,
            self.descriptor,
            self.offset,
            self.in_file,
            self.protection,
        )


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, and of its own control groups."""
    free = machine_memory().get("MemAvailable", 0)
    for group in group_memory(Path("/proc/self/cgroup")):
        free = min(free, group.left)
    return free


class PageCopies:
    """A file of memory (memfd) for what cannot be mapped from its own file."""

    def __init__(self) -> None:
        """Make it; it takes no memory yet."""
        self.descriptor = os.memfd_create("heapgraph-twin", os.MFD_CLOEXEC)
        self._size = 0
        self._left = int(free_memory() * _COPY_SHARE)

    def add(self, descriptor: int, offset: int, size: int) -> int:
        """Copy a part of a file to a page of its own.

        Returns:
            Its offset here; behind it are zeros, up to the next page.

        Raises:
            HelperFailure: it would take more memory than there is.
            OSError: it cannot be read, or memory is short.

        Cost: 0.3-0.5 s per GiB; holes in the file stay holes.
        """
        place = self._size
        self._size += -(-size // _PAGE) * _PAGE
        os.ftruncate(self.descriptor, self._size)
        for start, end in _filled(descriptor, offset, offset + size):
            self._left -= end - start
            if self._left < 0:
                raise HelperFailure("twin", 12, "it needs a copy larger than the free memory")
            self._copy(descriptor, start, end, place + start - offset)
        return place

    def _copy(self, descriptor: int, start: int, end: int, place: int) -> None:
        os.lseek(self.descriptor, place, os.SEEK_SET)
        while start < end:
            done = os.sendfile(self.descriptor, descriptor, start, min(end - start, _LONGEST_COPY))
            if not done:  # the file became shorter: zeros
                return
            start += done

    def close(self) -> None:
        """Give the memory back when nothing maps it any more; again has no effect."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def twin_ranges(
    pieces: Iterable[FilePiece], maps: Sequence[Mapping], copies: PageCopies
) -> list[TwinRange]:
    """What a twin maps.

    Args:
        pieces: what files have of the memory, sorted by address and disjoint.
        maps: the mappings of the target, likewise: their permissions become those of the twin's
            memory; what is in none of them, and what nobody may touch, is left out.
        copies: takes what cannot be mapped: parts that do not begin at a page of their file, or
            end in the middle of one, and code in files of a file system that forbids to run it.

    Raises:
        HelperFailure, OSError: see `PageCopies.add`.

    Cost: a few microseconds per mapping, and the copies.
    """
    whole = _Whole(copies)
    ranges: list[TwinRange] = []
    for piece, mapping in _overlaps(pieces, maps):
        start, end = max(piece.start, mapping.start), min(piece.end, mapping.end)
        protection = sum(_BITS.get(letter, 0) for letter in mapping.permissions[:3])
        if start % _PAGE or (ranges and start < ranges[-1].end) or not protection:
            continue
        skipped = start - piece.start
        in_file = min(max(piece.in_file - skipped, 0), end - start)
        part = TwinRange(
            start, end - start, piece.descriptor, piece.offset + skipped, in_file, protection
        )
        for item in whole.pages(part):
            if ranges and (joined := _joined(ranges[-1], item)) is not None:
                ranges[-1] = joined
            else:
                ranges.append(item)
    return ranges


class _Whole:
    """Makes ranges consist of whole pages, and of files that may be mapped so."""

    def __init__(self, copies: PageCopies) -> None:
        self._copies = copies
        self._files: dict[int, tuple[int, bool]] = {}

    def pages(self, part: TwinRange) -> Iterator[TwinRange]:
        size = -(-part.size // _PAGE) * _PAGE
        if not part.in_file:
            yield replace(part, size=size, descriptor=0, offset=0)
            return
        file_size, may_run = self._about(part.descriptor)
        if part.offset % _PAGE or (part.protection & mmap.PROT_EXEC and not may_run):
            yield self._copied(part, size)
            return
        tail = part.in_file % _PAGE
        if not tail or part.offset + part.in_file == file_size:  # the kernel adds the zeros
            yield replace(part, size=size, in_file=part.in_file + -tail % _PAGE)
            return
        head = part.in_file - tail
        if head:
            yield replace(part, size=head, in_file=head)
        rest = replace(
            part, start=part.start + head, offset=part.offset + head, in_file=tail, size=0
        )
        yield self._copied(rest, size - head)

    def _copied(self, part: TwinRange, size: int) -> TwinRange:
        place = self._copies.add(part.descriptor, part.offset, part.in_file)
        in_file = -(-part.in_file // _PAGE) * _PAGE
        return replace(
            part, size=size, descriptor=self._copies.descriptor, offset=place, in_file=in_file
        )

    def _about(self, descriptor: int) -> tuple[int, bool]:
        """The size of a file, and whether it may be mapped to run."""
        if descriptor not in self._files:
            flags = os.fstatvfs(descriptor).f_flag
            self._files[descriptor] = (os.fstat(descriptor).st_size, not flags & os.ST_NOEXEC)
        return self._files[descriptor]


def _overlaps(
    pieces: Iterable[FilePiece], maps: Sequence[Mapping]
) -> Iterator[tuple[FilePiece, Mapping]]:
    """Every piece with every mapping that it shares addresses with, in order."""
    first = 0
    for piece in pieces:
        while first < len(maps) and maps[first].end <= piece.start:
            first += 1
        number = first
        while number < len(maps) and maps[number].start < piece.end:
            yield piece, maps[number]
            number += 1


def _joined(left: TwinRange, right: TwinRange) -> TwinRange | None:
    """Both as one range where that is the same."""
    if left.end != right.start or left.protection != right.protection:
        return None
    if right.in_file:
        follows = right.descriptor == left.descriptor and right.offset == left.offset + left.in_file
        if not follows or left.in_file != left.size:
            return None
    return replace(left, size=left.size + right.size, in_file=left.in_file + right.in_file)


def _filled(descriptor: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are no holes."""
    while start < end:
        try:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError:  # nothing but a hole is left (ENXIO)
            return
        if start >= end:
            return
        behind = min(os.lseek(descriptor, start, os.SEEK_HOLE), end)
        yield start, behind
        start = behind
