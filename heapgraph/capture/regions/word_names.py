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
    from heapgraph.capture.process.variable_names import VariableNames
    from heapgraph.capture.regions.regions import MemorySurvey

_WEAK_KINDS = (RegionKind.STACK, RegionKind.DATA, RegionKind.FRAMES)
_NAMES = {
    RegionKind.STACK: "a stack",
    RegionKind.DATA: "zero-initialised data",
    RegionKind.FRAMES: "frames of Python functions",
}
_UNKNOWN = "private memory of no known allocator"
SEVERAL = "several"
_VARIABLE = "variable of "
_WORTH_A_FILE = 64 << 10
"""Bytes whose owner is looked up in the symbols of its library."""


class WordNames:
    """Where words may lead to memory of C code, and how they are called.

    Attributes:
        libraries, stacks: (start, end) each, sorted and disjoint.
    """

    def __init__(
        self,
        survey: MemorySurvey,
        libraries: Sequence[LibraryData],
        named: RootSet,
        variables: VariableNames | None = None,
    ) -> None:
        """Sort the places; what two have is the first one's."""
        self._variables = variables
        places = [
            (data.address, data.address + data.size, f"{_VARIABLE}{data.library}", data.bias)
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

    def of_libraries(self, words: Sequence[int], size: int = 0) -> str:
        """What words in data of libraries are called together.

        Args:
            words: addresses.
            size: bytes that they lead to; for few, no file of a library is opened.
        """
        rows = [bisect_right(self._library_starts, word) - 1 for word in words]
        found = {self._places[row][2] for row in rows}
        if len(words) == 1:
            _, _, name, bias = self._places[rows[0]]
            return self._of_variable(name, words[0], bias, size)
        return next(iter(found)).replace("variable", "variables") if len(found) == 1 else SEVERAL

    def _of_variable(self, name: str, word: int, bias: int, size: int) -> str:
        """By its symbol, where the file still has that; else where it lies in the file."""
        found = None
        if self._variables is not None and size >= _WORTH_A_FILE and name.startswith(_VARIABLE):
            found = self._variables.at(word, bias)
        if found is not None:
            symbol, offset = found
            place = f"{symbol} +{offset:#x}" if offset else symbol
            return f"variable {place} of {name.removeprefix(_VARIABLE)}"
        return f"{name} +{word - bias:#x}"

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
