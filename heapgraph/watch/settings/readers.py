"""What a value of the settings may be: functions that read one or raise BadValue."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from heapgraph.safe_text import printable
from heapgraph.units import format_duration, format_share, format_size
from heapgraph.watch.settings import quantities
from heapgraph.watch.settings.quantities import BadValue
from heapgraph.watch.settings.tables import did_you_mean, first_duplicates, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_LONGEST_TEXT = 4096


def name(value: object) -> str:
    """A name that stands in labels, addresses and files: letters, digits, `_`, `.`, `-`."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadValue('a name has up to 64 letters, digits, "_", "." and "-"')
    return value


def text(value: object) -> str:
    """Text that is not empty, one line."""
    if not isinstance(value, str):
        raise BadValue("text in quotes is expected")
    if not value or len(value) > _LONGEST_TEXT or printable(value) != value:
        raise BadValue(f"1 to {_LONGEST_TEXT} printable characters are expected")
    return value


def flag(value: object) -> bool:
    """A yes or no."""
    if not isinstance(value, bool):
        raise BadValue("true or false is expected")
    return value


def whole(least: int, most: int) -> Callable[[object], int]:
    """A whole number of that range."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadValue("a whole number is expected")
        if not least <= value <= most:
            raise BadValue(f"a number from {least} to {most} is expected")
        return value

    return read


def duration(least: float, most: float) -> Callable[[object], float]:
    """Seconds of that range, written with a unit."""
    return _between(quantities.duration, least, most, format_duration)


def size(least: int, most: int) -> Callable[[object], int]:
    """Bytes of that range."""
    read = _between(quantities.size, least, most, lambda amount: format_size(int(amount)))
    return lambda value: int(read(value))


def share(least: float, most: float) -> Callable[[object], float]:
    """A share of that range, "80%" or 0.8."""
    return _between(quantities.share, least, most, format_share)


def choice(choices: Iterable[str]) -> Callable[[object], str]:
    """One of some words."""
    words = tuple(choices)

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            near = did_you_mean(value, words) if isinstance(value, str) else ""
            raise BadValue(near.removeprefix("; ") or f"one of {', '.join(words)} is expected")
        return value

    return read


def many(read: Callable[[object], T], most: int) -> Callable[[object], tuple[T, ...]]:
    """A list of such values, none of them twice."""

    def read_all(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise BadValue("a list is expected")
        if len(value) > most:
            raise BadValue(f"a list of at most {most} is expected")
        result = []
        for one in value:
            try:
                result.append(read(one))
            except BadValue as error:
                raise BadValue(f"{shown(one)}: {error}") from error
        if twice := first_duplicates(str(one) for one in result):
            raise BadValue(f"{shown(twice[0])} stands there twice")
        return tuple(result)

    return read_all


def words(value: object) -> tuple[str, ...]:
    """A command line as a list of texts; the first is a program, by its whole path."""
    if not isinstance(value, list) or not value:
        raise BadValue('a list like ["/usr/bin/logger", "-t", "heapgraph"] is expected, no text')
    if len(value) > 100 or not all(isinstance(one, str) and "\0" not in one for one in value):  # noqa: PLR2004
        raise BadValue("a list of at most 100 texts is expected")
    if not value[0].startswith("/"):
        raise BadValue("the program is named by its whole path: nothing is searched for")
    return tuple(value)


def path_in(folder: Path) -> Callable[[object], Path]:
    """A path; one that does not begin with / is meant from the folder of the settings."""

    def read(value: object) -> Path:
        if not isinstance(value, str) or not value or "\0" in value or len(value) > _LONGEST_TEXT:
            raise BadValue("a path in quotes is expected")
        if "://" in value or "-----BEGIN" in value or "\n" in value:
            raise BadValue("the path of a file is expected, and not what is in it")
        return Path(os.path.normpath(folder / value))

    return read


def _between(
    read: Callable[[object], float], least: float, most: float, show: Callable[[float], str]
) -> Callable[[object], float]:
    def read_within(value: object) -> float:
        amount = read(value)
        if not least <= amount <= most:
            raise BadValue(f"from {show(least)} to {show(most)} is expected")
        return amount

    return read_within
