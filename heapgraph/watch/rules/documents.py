"""Parts of a JSON document that others may have written: of the type that is expected, or refused.

Each function raises ValueError, whose text is what was expected.
"""

from __future__ import annotations

from typing import Any

_MOST = 1e300
_LONGEST_TEXT = 100_000


def as_table(value: object) -> dict[str, Any]:
    """A table."""
    if not isinstance(value, dict):
        raise ValueError("a table is expected")  # noqa: TRY004 - of a file, not of a caller
    return value


def as_list(value: object, most: int) -> list[Any]:
    """A list of at most so many."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"a list of at most {most} is expected")
    return value


def as_text(value: object) -> str:
    """A text with an end."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError("a text is expected")
    return value


def as_number(value: object) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is expected")  # noqa: TRY004 - of a file, not of a caller
    if not -_MOST <= value <= _MOST:  # NaN is in no range
        raise ValueError("a finite number is expected")
    return float(value)


def as_whole(value: object, least: int, most: int) -> int:
    """A whole number of that range."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"a whole number from {least} to {most} is expected")
    return value
