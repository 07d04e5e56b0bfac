"""How much the traverse functions of a target may cost before the rest is left to the scan.

Every limit is far above what honest functions need; together they bound what others can cost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

PATIENCE_S = 1.0
"""A function that visits nothing for so long hangs; any other is done with an object in less."""

MAX_HANGS = 3
"""Objects that may cost PATIENCE_S."""

MAX_OVERWRITES = 64
"""Objects whose function overwrote what the stub needs; each costs some 17 runs to be found."""

MAX_FAULTS_OF_FUNCTION = 16
"""A function that failed so often is not run again: each time costs a few system calls."""

MAX_VISITS = 1 << 28
"""A function that visits more walks in circles; the largest list of 2 GiB has as many items."""

_TIME_S, _TIME_OF_OBJECT_S, _TIME_OF_VISIT_S = 30.0, 20e-6, 1e-6
"""What all may take; honest functions take a fortieth, on a machine that is not crowded."""

_WASTED_VISITS = 1 << 26
"""Visits of runs that counted for nothing, beside four times those that may count."""


@dataclass
class TraverseBudget:
    """What was spent so far.

    Attributes:
        most_visits: of all objects together; no more than there are words of memory.
        visits: of objects whose function ran to its end.
        objects: how many those were.
        wasted: visits of all others.
        hangs, overwrites: see above.
    """

    most_visits: int = MAX_VISITS
    visits: int = 0
    objects: int = 0
    wasted: int = 0
    hangs: int = 0
    overwrites: int = 0
    _started: float = field(default_factory=time.monotonic)

    @property
    def is_spent(self) -> bool:
        """Tell whether nothing more may run."""
        return (
            self.hangs >= MAX_HANGS
            or self.overwrites >= MAX_OVERWRITES
            or self.visits > self.most_visits
            or self.wasted > 4 * self.most_visits + _WASTED_VISITS
            or self.is_late
        )

    @property
    def is_late(self) -> bool:
        """Tell whether it took longer than so many objects and visits can take."""
        earned = self.objects * _TIME_OF_OBJECT_S + self.visits * _TIME_OF_VISIT_S
        return time.monotonic() - self._started > _TIME_S + earned

    def is_too_much(self, visits: int, of_last: int) -> bool:
        """Judge the visits of one run, and those of the object it is at."""
        return visits > self.most_visits or of_last > MAX_VISITS

    def hangs_now(self, *, stands_still: bool) -> bool:
        """Judge that PATIENCE_S has passed without an end."""
        hangs = stands_still or self.is_late
        self.hangs += hangs
        return hangs
