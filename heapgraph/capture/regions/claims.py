"""Regions of memory that do not overlap: who claims a byte first has it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.model import NO_ROW, RegionKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from heapgraph.capture.process.residency import Residency


@dataclass(frozen=True)
class Region:
    """One region; sizes are bytes in memory.

    Attributes:
        start, end: addresses.
        kind: what it is used for.
        resident: bytes of it in memory.
        in_use: of these, in blocks that are in use; all where there are no blocks.
        free: in free blocks or chunks, without the free end of a heap.
        blocks: how many blocks are in use.
        object: id of the object that lies in it or points to it, NO_ROW for none.
    """

    start: int
    end: int
    kind: RegionKind
    resident: int
    in_use: int
    free: int = 0
    blocks: int = 1
    object: int = NO_ROW


class Claims:
    """What has been claimed so far, by address.

    Args:
        residency: of the frozen moment.
    """

    def __init__(self, residency: Residency) -> None:
        """Nothing is claimed yet."""
        self.residency = residency
        self.regions: list[Region] = []
        self._starts: list[int] = []

    def add(self, regions: Iterable[Region]) -> None:
        """Claim regions, which must not overlap what is claimed."""
        for region in regions:
            place = bisect_right(self._starts, region.start)
            self._starts.insert(place, region.start)
            self.regions.insert(place, region)

    def claim(self, start: int, end: int, kind: RegionKind, owner: int = NO_ROW) -> None:
        """Claim what is free and in memory of a range."""
        for first, last in list(self.gaps(start, end)):
            if resident := self.residency.total(first, last):
                self.add([Region(first, last, kind, resident, resident, object=owner)])

    def within(self, start: int, end: int) -> range:
        """Rows of the regions that have a part in a range."""
        row = max(0, bisect_right(self._starts, start) - 1)
        if row < len(self.regions) and self.regions[row].end <= start:
            row += 1
        return range(row, max(row, bisect_right(self._starts, end - 1)))

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """What nobody has claimed of a range."""
        for row in self.within(start, end):
            region = self.regions[row]
            if region.start > start:
                yield start, region.start
            start = region.end
        if start < end:
            yield start, end
