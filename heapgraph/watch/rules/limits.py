"""How often a rule may act: its cool-down, and so many times in a window.

Counted for each rule and *target*, not for each worker: a leak is in all workers of a target, and
a limit for each of them would mean as many snapshots and messages as there are workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.watch.settings.model import RuleSpec


class ActionTimes:
    """When one rule acted for one target.

    Args:
        rule: has the limits.
        moments: when it acted before, steady clock.

    Cost: one number for each time that `at_most` counts, at least one.
    """

    __slots__ = ("_moments", "_rule")

    def __init__(self, rule: RuleSpec, moments: Iterable[float] = ()) -> None:
        """Keep the last moments that can still matter."""
        self._rule = rule
        self._moments = sorted(moments)[-max(1, rule.at_most) :]

    @property
    def moments(self) -> list[float]:
        """When it acted, the oldest first, as far as a limit still counts it."""
        return list(self._moments)

    def why_not(self, at: float) -> str:
        """Why nothing may be done now; "" when it may.

        A moment that is later than now counts as now: no clock grants more.
        """
        if not self._moments:
            return ""
        rule = self._rule
        rest = rule.cool_down_s - max(0.0, at - self._moments[-1])
        if rest > 0:
            return f"cool-down: {format_duration(rest)} to go"
        if rule.at_most and len(self._moments) >= rule.at_most:
            rest = rule.at_most_window_s - max(0.0, at - self._moments[-rule.at_most])
            if rest > 0:
                window = format_duration(rule.at_most_window_s)
                return f"at most {rule.at_most} in {window}: {format_duration(rest)} to go"
        return ""

    def record(self, at: float) -> None:
        """It acts now."""
        self._moments = [*self._moments, at][-max(1, self._rule.at_most) :]
