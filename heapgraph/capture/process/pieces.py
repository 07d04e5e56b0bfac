"""Reads the memory of a process from its core file, and from binaries what the core lacks."""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from typing import TYPE_CHECKING

from heapgraph.capture.process.memory import PagedMemory, UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.native.file_pieces import FilePiece


class CoreMemory(PagedMemory):
    """Memory that pieces of files have.

    Args:
        pieces: sorted by address and disjoint; their files are closed by whoever opened them.

    Cost: one system call per page of 4 KiB that is not remembered.
    """

    def __init__(self, pieces: Iterable[FilePiece]) -> None:
        """Nothing is read yet."""
        super().__init__()
        self._pieces = list(pieces)
        self._starts = [piece.start for piece in self._pieces]

    def close(self) -> None:
        """Forget what was read; every address is unreadable from now on."""
        self._pieces, self._starts = [], []
        self.forget()

    def _pread(self, address: int, size: int) -> bytes:
        parts: list[bytes] = []
        at, end = address, address + size
        while at < end:
            number = bisect_right(self._starts, at) - 1
            if number < 0 or at >= self._pieces[number].end:
                raise UnreadableMemory(f"{at:#x} is not in the core file")
            part = _read_piece(self._pieces[number], at, end)
            parts.append(part)
            at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_piece(piece: FilePiece, start: int, end: int) -> bytes:
    """The bytes from `start` on that the piece has of a range; at least one."""
    first, last = start - piece.start, min(end, piece.end) - piece.start
    stored = max(min(last, piece.in_file) - first, 0)
    try:
        content = os.pread(piece.descriptor, stored, piece.offset + first) if stored else b""
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise UnreadableMemory(f"{start:#x} is not mapped") from error
    if len(content) < stored:
        if not content:
            raise UnreadableMemory(f"the file with {start:#x} became shorter")
        return content
    return content.ljust(last - first, b"\0")
