"""How words outside of objects are called that may lead to memory of C code."""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING

from heapgraph.capture.process.page_ranges import without
from heapgraph.model import RegionKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.cpython.root_set import RootSet
    from heapgraph.capture.process.libraries import LibraryData
    from heapgraph.capture.regions.regions import MemorySurvey

_WEAK_KINDS = (RegionKind.STACK, RegionKind.DATA, RegionKind.FRAMES)
_NAMES = {
    RegionKind.STACK: "a stack",
    RegionKind.DATA: "zero-initialised data",
    RegionKind.FRAMES: "frames of Python functions",
}
_UNKNOWN = "private memory of no known allocator"
SEVERAL = "several"


class WordNames:
    """Where words may lead to memory of C code, and how they are called.

    Attributes:
        libraries, stacks: (start, end) each, sorted and disjoint.
    """

    def __init__(
        self, survey: MemorySurvey, libraries: Sequence[LibraryData], named: RootSet
    ) -> None:
        """Sort the places; what two have is the first one's."""
        places = [
            (data.address, data.address + data.size, f"variable of {data.library}", data.bias)
            for data in libraries
        ]
        places += [(at, at + size, name, at) for at, size, name in named.scan_ranges]
        self._places = _disjoint(sorted(places))
        self.libraries = [place[:2] for place in self._places]
        self._library_starts = [start for start, _ in self.libraries]
        others = [
            (region.start, region.end, _NAMES[region.kind])
            for region in survey.claims.regions
            if region.kind in _WEAK_KINDS
        ]
        others += [(start, end, _UNKNOWN) for start, end in survey.unclaimed()]
        self._others = [
            (first, last, name)
            for start, end, name in sorted(others)
            for first, last in self._beside_libraries(start, end)
        ]
        self.stacks = [place[:2] for place in self._others]
        self._other_starts = [start for start, _ in self.stacks]

    def _beside_libraries(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of a range that are no data of libraries."""
        place = max(0, bisect_right(self._library_starts, start) - 1)
        return without(start, end, islice(self.libraries, place, None))

    def of_libraries(self, words: Sequence[int]) -> str:
        """What words in data of libraries are called together."""
        rows = [bisect_right(self._library_starts, word) - 1 for word in words]
        found = {self._places[row][2] for row in rows}
        if len(words) == 1:
            _, _, name, bias = self._places[rows[0]]
            return f"{name} +{words[0] - bias:#x}"
        return next(iter(found)).replace("variable", "variables") if len(found) == 1 else SEVERAL

    def of_others(self, words: Sequence[int]) -> str:
        """What words elsewhere are called together."""
        found = {self._others[bisect_right(self._other_starts, word) - 1][2] for word in words}
        return next(iter(found)) if len(found) == 1 else SEVERAL


def _disjoint(places: list[tuple[int, int, str, int]]) -> list[tuple[int, int, str, int]]:
    found: list[tuple[int, int, str, int]] = []
    for start, end, name, bias in places:
        first = max(start, found[-1][1]) if found else start
        if first < end:
            found.append((first, end, name, bias))
    return found
