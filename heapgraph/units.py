"""The only place where sizes, counts and times become text. Sizes are 1024-based."""

from __future__ import annotations

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
