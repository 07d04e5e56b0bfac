"""The only place where sizes, counts and times become text. Sizes are 1024-based."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_KIB = 1024
_MAX_SHOWN = 999.5  # three digits before the point are the most


def format_size(size: int) -> str:
    """Bytes as text with three significant digits: 17 B, 1.50 KiB, 1.30 GiB.

    Args:
        size: bytes; negative for a difference.
    """
    sign, value = ("-", -size) if size < 0 else ("", size)
    if value < _KIB:
        return f"{sign}{value} B"
    scaled, unit = float(value), -1
    while unit < 0 or (scaled >= _MAX_SHOWN and unit < len(_SIZE_UNITS) - 1):
        scaled, unit = scaled / _KIB, unit + 1
    decimals = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0  # noqa: PLR2004
    return f"{sign}{scaled:.{decimals}f} {_SIZE_UNITS[unit]}"


def format_count(count: int) -> str:
    """A count with thin groups of three digits: 10,427,499."""
    return f"{count:,}"


def format_share(share: float) -> str:
    """A share of 0..1 as a percentage: 31.4 %, 0.02 %, 100 %."""
    percent = share * 100
    if percent >= 99.95:  # noqa: PLR2004 - what rounds to 100.0 is written 100
        return f"{percent:.0f} %"
    if percent >= 1 or percent == 0:
        return f"{percent:.1f} %"
    return f"{percent:.2f} %"


def format_seconds(seconds: float) -> str:
    """A duration: 840 us, 18.5 ms, 2.31 s, 3 min 20 s."""
    if seconds < 0.001:  # noqa: PLR2004
        return f"{seconds * 1e6:.0f} us"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


_LONG_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def format_duration(seconds: float) -> str:
    """A span of time in at most two units: 500 ms, 5 s, 30 min, 1 h 30 min, 180 d.

    Args:
        seconds: not negative; from a minute on, rounded to the second.
    """
    if seconds < 60:  # noqa: PLR2004 - below a minute, one unit
        return f"{seconds:.3g} s" if seconds >= 1 or seconds == 0 else f"{seconds * 1e3:.3g} ms"
    rest, parts = round(seconds), []
    for size, unit in _LONG_UNITS:
        count, rest = divmod(rest, size)
        parts.append(f"{count} {unit}" if count else "")
    first = next(place for place, part in enumerate(parts) if part)
    return " ".join(part for part in parts[first : first + 2] if part)


class Unit(Enum):
    """What a value of a result is; every front end words it by that, never by its name."""

    BYTES = "bytes"
    COUNT = "count"
    SHARE = "share"
    SECONDS = "seconds"
    NUMBER = "number"
    ADDRESS = "address"
    OBJECT_ID = "object id"
    TYPE = "type"
    EXPRESSION = "expression"
    WORD = "word"


Bytes = Annotated[int, Unit.BYTES]
Count = Annotated[int, Unit.COUNT]
Share = Annotated[float, Unit.SHARE]
Seconds = Annotated[float, Unit.SECONDS]
Number = Annotated[int, Unit.NUMBER]
"""A number that names something, such as a line: it is written without groups."""
Address = Annotated[int, Unit.ADDRESS]
ObjectId = Annotated[int, Unit.OBJECT_ID]
TypeName = Annotated[str, Unit.TYPE]
Expression = Annotated[str, Unit.EXPRESSION]
"""A text that names an object."""
Word = Annotated[str, Unit.WORD]
"""A word or two that stand in a list for all that they are a part of."""

AMOUNTS = frozenset({Unit.BYTES, Unit.COUNT, Unit.SHARE, Unit.SECONDS})
NUMBERS = AMOUNTS | {Unit.NUMBER, Unit.ADDRESS, Unit.OBJECT_ID}


def format_number(value: float, unit: Unit | None) -> str:
    """A number as its unit is written; without one, an integer as a count.

    Args:
        value: bytes, a share of 0..1, seconds, and so on.
        unit: what it is.
    """
    if unit in _FLOATS:
        return _FLOATS[unit](value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return _INTEGERS.get(unit, format_count)(value)


def format_value(value: Any, unit: Unit | object | None) -> str:  # noqa: ANN401 - any part of a result
    """A value of a result for people.

    Args:
        value: text, a number, None (nothing), bool, or a list or dict of such.
        unit: what a number is; of a dict, of its parts. Anything else says nothing.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return format_number(value, unit if isinstance(unit, Unit) else None)
    if isinstance(value, list | tuple):
        texts = [str(part) for part in value]
        return ("; " if any(" " in text for text in texts) else ", ").join(texts)
    return _dict_text(value, unit) if isinstance(value, dict) else str(value)


def _dict_text(value: dict[str, Any], units: object) -> str:
    word = word_of(value, units)
    return ", ".join(f"{key}={part}" for key, part in value.items()) if word is None else word


def word_of(value: Mapping[str, Any], units: object) -> str | None:
    """The word that stands for a part of a result in a list; None where it has none."""
    if not isinstance(units, Mapping):
        return None
    words = (value.get(name) for name, unit in units.items() if unit is Unit.WORD)
    return next((word for word in words if isinstance(word, str)), None)


_FLOATS: dict[Unit | None, Callable[[float], str]] = {
    Unit.SHARE: format_share,
    Unit.SECONDS: format_seconds,
}
_INTEGERS: dict[Unit | None, Callable[[int], str]] = {
    Unit.BYTES: format_size,
    Unit.ADDRESS: hex,
    Unit.OBJECT_ID: "@{}".format,
    Unit.NUMBER: str,
}
