"""Amounts as people write them in the settings: "15m", "10GiB", "80%", "3/24h", "200%/5m".

Each function takes what TOML gave and returns base units: seconds, bytes, shares of 1. What it does
not understand is a `BadValue`.
"""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_DURATION_PART = re.compile(rf"({_NUMBER}) ?(ms|min|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_NUMBER} ?(?:ms|min|s|m|h|d) ?)+", re.ASCII)
_AMOUNT = re.compile(rf"({_NUMBER}) ?([A-Za-z%]*)")

MOST = 2**53
"""No amount is larger: beyond, floats are no longer exact."""

_DURATION_FORM = 'a time is written like "500ms", "5s", "15m", "24h" or "1h30m"'
_SIZE_FORM = 'a size is written like "50MiB" or "10GiB" (1024-based), or as a number of bytes'
_SHARE_FORM = 'a share is written like "80%" or 0.8'
_UNITS_ONCE = ("s", "m", "h", "d")
_LONGEST = 60


class BadValue(ValueError):
    """A value that cannot be meant; the text is the reason alone, without key and value."""


def plain_number(value: object) -> float:
    """A finite number that is not negative.

    Raises:
        BadValue: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue("a number is expected")
    if not 0 <= value <= MOST:  # NaN is in no range
        raise BadValue("a number from 0 to 2^53 is expected")
    return float(value)


def duration(value: object) -> float:
    """Seconds of "500ms", "5s", "15m", "1h30m", "180d". A number without a unit is refused.

    Raises:
        BadValue: it is not written so.
    """
    if not isinstance(value, str):
        raise BadValue(_DURATION_FORM)
    if len(value) > _LONGEST or not _DURATION.fullmatch(value):
        raise BadValue(_DURATION_FORM)
    parts = _DURATION_PART.findall(value)
    return _bounded(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def size(value: object) -> float:
    """Bytes of "50MiB", "1.5GiB", or of a plain number.

    Raises:
        BadValue: it is not written so; units of 1000 have the same reason.
    """
    if not isinstance(value, str):
        return _plain(value, _SIZE_FORM)
    number, unit = _split(value, _SIZE_FORM)
    if unit not in _BYTES:
        raise BadValue(_SIZE_FORM)
    return _bounded(number * _BYTES[unit])


def share(value: object) -> float:
    """A share of 1 of "80%" or 0.8; it may be above 1 (a rise by "200%").

    Raises:
        BadValue: it is not written so.
    """
    if not isinstance(value, str):
        return _plain(value, _SHARE_FORM)
    number, unit = _split(value, _SHARE_FORM)
    if unit != "%":
        raise BadValue(_SHARE_FORM)
    return _bounded(number / 100)


def count(value: object) -> float:
    """A plain number, also as text.

    Raises:
        BadValue: it has a unit, or is none.
    """
    if not isinstance(value, str):
        return plain_number(value)
    number, unit = _split(value, "a number without a unit is expected")
    if unit:
        raise BadValue("a number without a unit is expected")
    return _bounded(number)


def times_in(value: object) -> tuple[int, float]:
    """How often in how many seconds: "3/24h" is (3, 86400.0).

    Raises:
        BadValue: it is not written so.
    """
    form = 'a limit is written like "3/24h": times, and the time in which they are counted'
    before, slash, after = _text(value, form).partition("/")
    if not slash or not re.fullmatch(r"[0-9]{1,4}", before):
        raise BadValue(form)
    return int(before), duration(after)


def per_window(value: object) -> tuple[str, float]:
    """An amount and a window in seconds: "200%/5m" is ("200%", 300.0).

    Raises:
        BadValue: it is not written so; the amount is not looked at.
    """
    form = 'a rise is written like "200%/5m" or "500MiB/10m": how much above the mean of which time'
    amount, slash, window = _text(value, form).rpartition("/")
    if not slash or not amount:
        raise BadValue(form)
    return amount, duration(window)


def rate_over(value: object) -> tuple[str, float, float]:
    """An amount, the seconds it is per, and a window in seconds.

    "50MiB/h over 30m" is ("50MiB", 3600.0, 1800.0).

    Raises:
        BadValue: it is not written so; the amount is not looked at.
    """
    form = (
        'a slope is written like "50MiB/h over 30m": how much, per which time, seen over which time'
    )
    rate, over, window = _text(value, form).partition(" over ")
    amount, slash, per = rate.rpartition("/")
    if not over or not slash or not amount:
        raise BadValue(form)
    per_s = duration(f"1{per}" if per in _UNITS_ONCE else per)
    if per_s <= 0:
        raise BadValue(form)
    return amount, per_s, duration(window.strip())


def _split(value: str, form: str) -> tuple[float, str]:
    found = _AMOUNT.fullmatch(value)
    if found is None:
        raise BadValue(form)
    return float(found[1]), found[2]


def _plain(value: object, form: str) -> float:
    try:
        return plain_number(value)
    except BadValue as error:
        raise BadValue(form) from error


def _text(value: object, form: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise BadValue(form)
    return value


def _bounded(amount: float) -> float:
    if not math.isfinite(amount) or amount > MOST:
        raise BadValue("it is larger than anything that could be meant (2^53)")
    return amount
