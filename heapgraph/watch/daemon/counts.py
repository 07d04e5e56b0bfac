"""What the daemon has done since its start, for metrics."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MAX_PAUSES = 10_000
"""Pauses that wait to be read: of more, where nobody scrapes, the oldest are forgotten."""


@dataclass
class Counts:
    """What was done since the start, for metrics.

    Attributes:
        snapshots, censuses: by outcome.
        refusals: by reason.
        pauses: milliseconds of the last censuses and snapshots, to be taken out by whoever counts.
    """

    snapshots: dict[str, int] = field(default_factory=dict)
    censuses: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    pauses: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_PAUSES))


def add(counts: dict[str, int], name: str) -> None:
    """One more of a kind."""
    counts[name] = counts.get(name, 0) + 1
