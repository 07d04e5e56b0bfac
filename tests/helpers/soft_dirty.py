"""Written pages for tests: marks for those that need the kernel's, and a stand-in that compares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from heapgraph.capture.live.page_changes import own_ranges
from heapgraph.capture.live.precopy import precopy_refusal
from heapgraph.capture.live.written_pages import WrittenPages
from heapgraph.capture.process.maps import read_maps
from heapgraph.capture.process.page_ranges import common, united
from heapgraph.capture.process.pagemap import PAGE, pages_where

if TYPE_CHECKING:
    from collections.abc import Iterator

Array: TypeAlias = npt.NDArray[Any]

needs_soft_dirty = pytest.mark.skipif(
    bool(precopy_refusal()), reason=f"kernel without soft-dirty pages: {precopy_refusal()}"
)
"""Not even in CI: most kernels made for virtual machines lack them; see scripts/guest/run.py."""


class ComparedPages(WrittenPages):
    """Finds written pages without the kernel's marks: by comparing them with what they held.

    Like the kernel it does not tell of pages that were discarded, and takes none for written to
    only because page tables were moved there.
    """

    def __init__(self, pid: int) -> None:
        """Nothing is remembered yet."""
        super().__init__(pid)
        self._memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        self._remembered: dict[int, Array] = {}
        self._written = np.empty((0, 2), np.int64)

    def close(self) -> None:
        """Close all."""
        os.close(self._memory)
        super().close()

    def clear(self) -> float:
        """Remember what all pages hold."""
        own, _ = super().look(own_ranges(read_maps(self._pid, sizes=False)), of_files=False)
        self._remembered = dict(self._contents(own))
        self._written = self._written[:0]
        return 0.0

    def look(self, ranges: Array, *, of_files: bool) -> tuple[Array, Array]:
        """What is filled, by the kernel, and what is not as it was remembered."""
        own, _ = super().look(ranges, of_files=of_files)
        parts = [np.empty((0, 2), np.int64)]
        for start, content in self._contents(own):
            before = self._remembered.get(start)
            if before is None:
                parts.append(np.array([(start, start + PAGE)], np.int64))
            elif before.tobytes() != content.tobytes():
                parts.append(pages_where(np.ones(1, np.bool_), start))
        self._written = united(self._written, *parts)  # a mark stays, whatever is written next
        return own, common(self._written, own)

    def _contents(self, own: Array) -> Iterator[tuple[int, Array]]:
        for start, end in own.tolist():
            data = np.frombuffer(os.pread(self._memory, end - start, start), np.uint8)
            for number in range(len(data) // PAGE):
                yield start + number * PAGE, data[number * PAGE : (number + 1) * PAGE]
