"""How holders and types of one worker grew from census to census, in bounded memory.

Of each name only its row is kept: since which value it has grown in every census, and how often.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.watch.rules.standing import MISSED_CENSUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heapgraph.watch.model import Census
    from heapgraph.watch.rules.compiled import CompiledRule

MOST_NAMES = 32
"""Holders, and as many types, that are followed for each worker: the largest that rules ask for.
300 bytes each, so that 500 workers have 10 MB at most."""

_COLUMNS = 7
_BASE_BYTES, _BYTES, _BYTES_ROW, _BASE_COUNT, _COUNT, _COUNT_ROW, _MISSED = range(_COLUMNS)

LONGEST_NAME = 1000
"""Characters of a type's or holder's name that are kept and compared; the target chose them."""


@dataclass(frozen=True, slots=True)
class CensusNames:
    """What a census says of holders and types: bytes and count of each name, both by name.

    What has one name is one thing: `app.CACHE[*]` may be listed several times.
    """

    holders: Mapping[str, tuple[int, int]]
    types: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, census: Census) -> CensusNames:
        """The names of a census, cut where they have no end."""
        return cls(
            _summed((one.expression, one.retained_size, one.count) for one in census.holders),
            _summed((one.name, one.shallow_size, one.objects) for one in census.types),
        )


def _summed(rows: Iterable[tuple[str, int, int]]) -> dict[str, tuple[int, int]]:
    result: dict[str, tuple[int, int]] = {}
    for name, size, count in rows:
        # Workers of a target share the text.
        key = sys.intern(name[:LONGEST_NAME])
        known = result.get(key, (0, 0))
        result[key] = (known[0] + size, known[1] + count)
    return result


@dataclass(frozen=True, slots=True)
class GrowthLine:
    """One name: censuses in a row in which it grew, and by how much in all of them."""

    bytes_row: int
    more_bytes: int
    count_row: int
    more_count: int


class GrowthRecord:
    """Of one process; the first census is what the next one is compared with."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        """Begin without a census."""
        self._lines: tuple[dict[str, array[float]], dict[str, array[float]]] = ({}, {})

    def take(self, names: CensusNames, rules: Iterable[CompiledRule]) -> None:
        """Take in one more census.

        Args:
            names: of this process, later than the last one, not of poor quality.
            rules: what is asked of it; names that no rule with `grows` asks for are left out.
        """
        growing = [rule for rule in rules if rule.spec.grows is not None]
        if not growing:
            return
        _take(self._lines[0], names.holders, [rule for rule in growing if rule.spec.holder])
        _take(self._lines[1], names.types, [rule for rule in growing if rule.spec.type])

    def of(self, is_holder: bool, name: str) -> GrowthLine | None:
        """How one name grew; None where it is not followed."""
        line = self._lines[0 if is_holder else 1].get(name)
        if line is None:
            return None
        return GrowthLine(
            bytes_row=int(line[_BYTES_ROW]),
            more_bytes=int(line[_BYTES] - line[_BASE_BYTES]),
            count_row=int(line[_COUNT_ROW]),
            more_count=int(line[_COUNT] - line[_BASE_COUNT]),
        )

    def saved(self) -> list[dict[str, list[float]]]:
        """Lists and numbers, from which `restored` makes the same record."""
        return [{name: list(line) for name, line in lines.items()} for lines in self._lines]

    @classmethod
    def restored(cls, document: object) -> GrowthRecord:
        """The record of `saved`.

        Raises:
            ValueError: it is none.
        """
        record = cls()
        if not isinstance(document, list) or len(document) != len(record._lines):
            raise ValueError("holders and types are expected")
        for lines, given in zip(record._lines, document, strict=True):
            if not isinstance(given, dict) or len(given) > MOST_NAMES:
                raise ValueError("names are expected, not too many")
            for name, numbers in given.items():
                lines[sys.intern(name[:LONGEST_NAME])] = _restored_line(numbers)
        return record


def _restored_line(numbers: object) -> array[float]:
    if not isinstance(numbers, list) or len(numbers) != _COLUMNS:
        raise ValueError("seven numbers are expected")
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError("a number is expected")  # noqa: TRY004 - of a file, not of a caller
        if not 0 <= number <= 2**60:  # NaN is in no range
            raise ValueError("a number that cannot be")
    return array("d", numbers)


def _take(
    lines: dict[str, array[float]],
    found: Mapping[str, tuple[int, int]],
    rules: list[CompiledRule],
) -> None:
    if not rules:
        return
    for name, (size, count) in found.items():
        if not any(rule.matches(name) for rule in rules):
            continue
        line = lines.get(name)
        if line is not None:
            _continue_row(line, _BASE_BYTES, size)
            _continue_row(line, _BASE_COUNT, count)
            line[_MISSED] = 0
        else:
            lines[name] = array("d", (size, size, 0, count, count, 0, 0))
    for name in [one for one in lines if one not in found]:
        lines[name][_MISSED] += 1
        if lines[name][_MISSED] > MISSED_CENSUSES:
            del lines[name]
    for name in sorted(lines, key=lambda one: lines[one][_BYTES], reverse=True)[MOST_NAMES:]:
        del lines[name]


def _continue_row(line: array[float], base: int, value: float) -> None:
    """A row goes on where the value is larger than before, else it begins with this value."""
    if value > line[base + 1]:
        line[base + 2] += 1
    else:
        line[base], line[base + 2] = value, 0
    line[base + 1] = value
