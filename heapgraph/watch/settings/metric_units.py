"""What the number of each metric is: how it is written in the settings and shown in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.units import Unit, format_duration, format_number
from heapgraph.watch.model import METRICS
from heapgraph.watch.settings import quantities

if TYPE_CHECKING:
    from collections.abc import Callable

_SPECIAL = {
    "rss_bytes": Unit.BYTES,
    "private_bytes": Unit.BYTES,
    "swap_bytes": Unit.BYTES,
    "cgroup_bytes": Unit.BYTES,
    "cgroup_limit_bytes": Unit.BYTES,
    "unreachable_bytes": Unit.BYTES,
    "cgroup_ratio": Unit.SHARE,
    "psi_some": Unit.SHARE,
    "seconds_to_limit": Unit.SECONDS,
}

METRIC_UNITS = {name: _SPECIAL.get(name, Unit.COUNT) for name in METRICS}
"""Of each name of `METRICS`: bytes, a share of 1, seconds, or a count."""

CENSUS_METRICS = frozenset({"unreachable_bytes", "suspects"})
"""What is known only when a census was taken; a rule looks at them once for each census."""

GROUP_METRICS = frozenset(
    {"cgroup_bytes", "cgroup_limit_bytes", "cgroup_ratio", "psi_some", "seconds_to_limit"}
)
"""What the workers of one control group have in common, but for the moment it was read at."""

UNRISING = frozenset({"gc_enabled", "seconds_to_limit"})
"""Of which a rise means nothing: a switch, and what is bad when it falls."""

_READERS: dict[Unit, Callable[[object], float]] = {
    Unit.BYTES: quantities.size,
    Unit.SHARE: quantities.share,
    Unit.SECONDS: quantities.duration,
    Unit.COUNT: quantities.count,
}


def read_amount(unit: Unit, value: object) -> float:
    """A number of that unit as it stands in the settings.

    Raises:
        BadValue: it is written otherwise; the text is the reason.
    """
    return _READERS[unit](value)


def amount_text(unit: Unit, amount: float) -> str:
    """A number of that unit for people: 1.20 GiB, 80.0 %, 5 min, 120,000."""
    if unit is Unit.SECONDS:
        return format_duration(max(0.0, amount))
    if unit is Unit.SHARE:
        return format_number(amount, Unit.SHARE)
    if unit is Unit.COUNT and amount != int(amount):
        return f"{amount:,.2f}"
    return format_number(int(amount), unit)
