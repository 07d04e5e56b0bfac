"""Private anonymous memory that is of no known allocator yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.pagemap import PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.process.residency import Residency
    from heapgraph.native.memory_reads import MemoryReads

Array: TypeAlias = npt.NDArray[Any]


class PrivateMemory:
    """What is private, anonymous and of no known allocator.

    Args:
        reads: of the frozen moment.
        residency: of the same.
        gaps: (start, end) of that memory, sorted; at least one.

    Attributes:
        reads: of the frozen moment.
        pages: uint64, addresses of its pages in memory, rising.
    """

    def __init__(
        self, reads: MemoryReads, residency: Residency, gaps: Sequence[tuple[int, int]]
    ) -> None:
        """Look up which pages are in memory."""
        self.reads = reads
        self.pages = np.concatenate([residency.resident_pages(*gap) for gap in gaps])
        self._bounds = np.array(gaps, np.uint64).reshape(-1)

    def has(self, addresses: Array) -> Array:
        """Whether each address lies in it."""
        return np.asarray(np.searchsorted(self._bounds, addresses, side="right") % 2 == 1)

    def is_present(self, addresses: Array) -> Array:
        """Whether the page of each address is in memory."""
        wanted = addresses & ~np.uint64(PAGE - 1)
        rows = np.minimum(np.searchsorted(self.pages, wanted), len(self.pages) - 1)
        return np.asarray(self.pages[rows] == wanted)
