"""Memory of this process in which a test lays out what allocators leave: read as a target's is."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.capture.process.maps import Mapping
from heapgraph.capture.process.pagemap import PAGE
from heapgraph.capture.process.residency import Residency
from heapgraph.native.heap_walker import HeapWalker
from heapgraph.native.memory_reads import MemoryReads

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

_POOL_HEADER = 48
_BLOCK_STEP = 16


class BuiltPages:
    """Pages of zeros at a known address, into which words are written.

    Args:
        size: bytes, whole pages.
        alignment: of the address.
        absent: places of pages, counted from the start, that are said not to be in memory.

    Attributes:
        start, end: addresses.
    """

    def __init__(self, size: int, *, alignment: int = 1 << 20, absent: Iterable[int] = ()) -> None:
        """Map them; pages take memory when they are written."""
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._memory = mmap.mmap(-1, size + alignment, flags=flags)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self.start = -(-address // alignment) * alignment
        self.end = self.start + size
        self._present = np.ones(size // PAGE, np.uint8)
        self._present[list(absent)] = 0
        self._walker = HeapWalker(os.getpid(), [(self.start, self.end)], {})

    @property
    def reads(self) -> MemoryReads:
        """Reads of the pages as they are now."""
        return MemoryReads(self._walker)

    @property
    def residency(self) -> Residency:
        """What is said to be in memory of them."""
        return Residency([self.start], [self.end], self._present, is_measured=True)

    @property
    def pages(self) -> npt.NDArray[np.uint64]:
        """Addresses of those in memory."""
        return self.residency.resident_pages(self.start, self.end)

    def mapping(self, start: int = 0, end: int | None = None, path: str = "") -> Mapping:
        """A mapping over a part of them, by places from the start."""
        first, last = self.start + start, self.end if end is None else self.start + end
        rss = self.residency.total(first, last)
        return Mapping(first, last, "rw-p", 0, path, rss, rss, rss)

    def put(self, place: int, *words: int) -> None:
        """Write words of 8 bytes."""
        ctypes.memmove(self.start + place, np.array(words, np.uint64).tobytes(), 8 * len(words))

    def pool(
        self, place: int, block_size: int, used: int, *, arena: int = 0, size: int = 1 << 14
    ) -> None:
        """Write the header of a pool with all blocks handed out once (struct pool_header)."""
        index = block_size // _BLOCK_STEP - 1
        behind = _POOL_HEADER + (size - _POOL_HEADER) // block_size * block_size
        self.put(place, used, self.start + place + _POOL_HEADER, 0, 0)
        self.put(place + 32, arena | index << 32, behind | (size - block_size) << 32)

    def chunk(self, place: int, size: int, *, free: bool = False, before_free: int = 0) -> None:
        """Write the header of a chunk of malloc, and its size at its end when it is free.

        Args:
            place: of the chunk.
            size: bytes with header.
            free: nobody uses it.
            before_free: size of the chunk before, when nobody uses that.
        """
        self.put(place + 8, size | (0 if before_free else 1))
        if before_free:
            self.put(place, before_free)
        if free:
            self.put(place + size, size)
