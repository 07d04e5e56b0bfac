"""Memory that a process cannot write to, code above all, as pieces of files that a twin can map.

The process's own memory cannot be mapped (`/proc/PID/mem`). What is unchanged since it was mapped
is taken from the mapped file itself, if it is certain that it is that file; the rest is copied.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

from heapgraph.capture.live.freeze_helper import HelperFailure
from heapgraph.capture.live.memory_copy import MemoryCopy
from heapgraph.capture.live.twin_memory import free_memory
from heapgraph.capture.process.maps import MEMORY_DEVICES, NO_MEMORY
from heapgraph.capture.process.page_ranges import without
from heapgraph.capture.process.target_files import open_inside, open_map_entry
from heapgraph.native.file_pieces import FilePiece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from heapgraph.capture.process.maps import Mapping

_COPY_SHARE = 0.25
"""Of the free memory that the copy may take, beside that of the writable memory."""

_LINE = re.compile(
    r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)"
)
_OWN_PAGES = ("Anonymous", "Swap")
"""Lines of smaps: pages that are not, or not any more, those of the file."""


@dataclass
class _MappedRange:
    """A mapping as smaps has it; `device` as stat has it."""

    start: int
    end: int
    permissions: str
    offset: int
    device: int
    inode: int
    path: str
    is_changed: bool = False

    @property
    def is_wanted(self) -> bool:
        """Constants of its own, and all code: no data, and nothing of devices."""
        device = self.path.startswith("/dev/") and not self.path.startswith(MEMORY_DEVICES)
        if self.permissions[0] != "r" or device or self.path in NO_MEMORY:
            return False
        is_constant = self.permissions[1] == "-" and self.permissions[3] == "p"
        return is_constant or self.permissions[2] == "x"

    @property
    def is_the_files(self) -> bool:
        """Tell whether the file has what is mapped, and nobody writes to it by this mapping."""
        return bool(self.inode) and self.permissions[3] == "p" and not self.is_changed


class CleanPages:
    """The pieces; a context manager that closes their files.

    Args:
        pid: the process; it may run on, for it cannot write to this memory.
        maps: its mappings at the moment that counts; one that is another by now is left out.
        taken: ranges that other pieces have, sorted and disjoint.

    Attributes:
        pieces: sorted by address and disjoint.

    Raises:
        OSError: its mappings or its memory cannot be read.
        HelperFailure: a copy would take more memory than there is.
        UnreadableMemory: the process has ended.

    Cost: 50 us per mapping, and the copy of what is not mapped from files: relocated data mostly,
        but everything where files of a container cannot be told to be those that are mapped.
    """

    def __init__(
        self, pid: int, maps: Sequence[Mapping], taken: Sequence[tuple[int, int]] = ()
    ) -> None:
        """Open the files and copy the rest."""
        self._pid = pid
        self._copy = MemoryCopy()
        self._files: dict[tuple[int, int], int] = {}
        same = {(item.start, item.end, item.permissions) for item in maps}
        pieces: list[FilePiece] = []
        rest: list[tuple[int, int]] = []
        try:
            for item in _mapped_ranges(pid):
                if not item.is_wanted or (item.start, item.end, item.permissions) not in same:
                    continue
                descriptor = self._open(item) if item.is_the_files else -1
                first = max(bisect_right(taken, (item.start, item.start)) - 1, 0)
                for start, end in without(item.start, item.end, islice(taken, first, None)):
                    if descriptor < 0:
                        rest.append((start, end))
                    elif piece := _piece(item, descriptor, start, end):
                        pieces.append(piece)
            pieces += self._copied(rest)
        except BaseException:
            self.close()
            raise
        self.pieces = sorted(pieces, key=lambda piece: piece.start)

    def _copied(self, ranges: Sequence[tuple[int, int]]) -> list[FilePiece]:
        self._copy.add(ranges)
        if self._copy.size > free_memory() * _COPY_SHARE:
            raise HelperFailure("twin", 0, "its code needs a copy larger than the free memory")
        memory = os.open(f"/proc/{self._pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._copy.take(memory, ranges)
        finally:
            os.close(memory)
        self._copy.stop_copying()
        return self._copy.pieces()

    def _open(self, item: _MappedRange) -> int:
        """Descriptor of the very file that is mapped; -1 when that is not certain."""
        key = (item.device, item.inode)
        if key not in self._files:
            self._files[key] = _open_mapped(self._pid, item)
        return self._files[key]

    def close(self) -> None:
        """Close the files; again has no effect."""
        self._copy.close()
        for descriptor in self._files.values():
            if descriptor >= 0:
                os.close(descriptor)
        self._files = {}

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


def _piece(item: _MappedRange, descriptor: int, start: int, end: int) -> FilePiece | None:
    """The part of a mapping that its file has; the kernel has nothing behind the file's end."""
    offset = item.offset + start - item.start
    in_file = min(max(os.fstat(descriptor).st_size - offset, 0), end - start)
    return FilePiece(start, end - start, descriptor, offset, in_file) if in_file else None


def _open_mapped(pid: int, item: _MappedRange) -> int:
    """Open the file of a mapping, and no other; -1 when it cannot be told to be that one.

    What is mapped is opened itself where this user may do so. Else the target may have put anything
    at its path: it is opened as `target_files` opens, and must have the device and the inode.
    """
    try:
        with open_map_entry(pid, item.start, item.end) as stream:
            return os.dup(stream.fileno())
    except OSError:
        pass  # only root may do that
    try:
        with open_inside(pid, item.path) as stream:
            about = os.fstat(stream.fileno())
            is_it = (about.st_dev, about.st_ino) == (item.device, item.inode)
            return os.dup(stream.fileno()) if is_it else -1
    except (OSError, ValueError):
        return -1


def _mapped_ranges(pid: int) -> Iterator[_MappedRange]:
    item: _MappedRange | None = None
    with Path(f"/proc/{pid}/smaps").open(errors="surrogateescape") as stream:
        for line in stream:
            if found := _LINE.fullmatch(line.rstrip("\n")):
                if item is not None:
                    yield item
                item = _parse(found)
                continue
            name, _, value = line.partition(":")
            if item is not None and name in _OWN_PAGES and value.split()[0] != "0":
                item.is_changed = True
    if item is not None:
        yield item


def _parse(found: re.Match[str]) -> _MappedRange:
    start, end, offset, major, minor = (int(found[part], 16) for part in (1, 2, 4, 5, 6))
    device = os.makedev(major, minor)
    return _MappedRange(start, end, found[3], offset, device, int(found[7]), found[8])
