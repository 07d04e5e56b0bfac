"""A rule made ready to be asked again and again: its numbers, its pattern, which way is worse."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from heapgraph.units import Unit
from heapgraph.watch.rules.standing import MISSED_LOOKS
from heapgraph.watch.settings.metric_units import CENSUS_METRICS, GROUP_METRICS, METRIC_UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.watch.settings.model import RuleSpec, WatchSettings

WindowKey = tuple[str, float]
"""Metric and seconds: rules with the same ones share a window."""

GROUP_EVENTS = frozenset({"cgroup.oom_kill", "psi"})
"""What happens to all workers of a control group at once."""

_GAP_SLACK = 0.5
"""Of an interval, by which a look may come late."""


@dataclass(frozen=True)
class CompiledRule:
    """One rule of the settings.

    Attributes:
        spec: as it was written.
        look_s: time between two looks, or two censuses.
    """

    spec: RuleSpec
    look_s: float

    @cached_property
    def is_of_census(self) -> bool:
        """Whether only a census says something about it."""
        spec = self.spec
        return bool(spec.holder or spec.type) or spec.metric in CENSUS_METRICS

    @cached_property
    def needed(self) -> int:
        """Looks in a row until it fires. What grows counts its own censuses."""
        return self.spec.times

    @cached_property
    def calm_needed(self) -> int:
        """Looks in a row until it is resolved: as many as it takes to fire."""
        return self.spec.grows.censuses if self.spec.grows else self.spec.times

    @cached_property
    def gap_s(self) -> float:
        """The longest time between two looks of one row: two may be missing."""
        return (MISSED_LOOKS + 1 + _GAP_SLACK) * self.look_s

    @cached_property
    def unit(self) -> Unit:
        """What its value and limit are."""
        spec = self.spec
        if spec.metric:
            return METRIC_UNITS[spec.metric]
        is_count = spec.count_above is not None or (
            spec.grows is not None and spec.grows.count and not spec.grows.bytes
        )
        return Unit.COUNT if is_count or spec.event else Unit.BYTES

    @cached_property
    def window(self) -> WindowKey | None:
        """The window it needs."""
        part = self.spec.rise or self.spec.slope
        return (self.spec.metric, part.window_s) if part else None

    @cached_property
    def is_of_group(self) -> bool:
        """Whether what it sees is the same for all workers of a control group."""
        return self.spec.metric in GROUP_METRICS or self.spec.event in GROUP_EVENTS

    @property
    def is_lower_worse(self) -> bool:
        """Whether of two values the lower one is the worse."""
        return self.spec.below is not None

    def is_for(self, target: str) -> bool:
        """Whether it speaks of a target."""
        return not self.spec.targets or target in self.spec.targets

    def matches(self, name: str) -> bool:
        """Whether its holder or type is meant."""
        return matches_pattern(self._parts, name)

    @cached_property
    def _parts(self) -> list[str]:
        return (self.spec.holder or self.spec.type).split("*")


def matches_pattern(parts: Sequence[str], name: str) -> bool:
    """Whether a name is what stands between the stars of a pattern, with anything for each star.

    No regular expression: of `*a*a*a*b`, that would try every way to place the stars in a name
    that its owner made to fit nearly.

    Args:
        parts: the pattern, split at its stars.
        name: of a type or a holder.
    """
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return name == first
    if len(name) < len(first) + len(last) or not name.startswith(first):
        return False
    if not name.endswith(last):
        return False
    place, end = len(first), len(name) - len(last)
    for part in parts[1:-1]:
        place = name.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True


@dataclass(frozen=True)
class TargetRules:
    """The rules of one target, by what they look at.

    Attributes:
        of_samples, of_censuses, of_events: in the order of the settings.
    """

    of_samples: tuple[CompiledRule, ...]
    of_censuses: tuple[CompiledRule, ...]
    of_events: tuple[CompiledRule, ...]

    @classmethod
    def of(cls, target: str, rules: tuple[CompiledRule, ...]) -> TargetRules:
        """Those of all rules that speak of a target."""
        mine = [rule for rule in rules if rule.is_for(target)]
        return cls(
            tuple(rule for rule in mine if not rule.spec.event and not rule.is_of_census),
            tuple(rule for rule in mine if rule.is_of_census),
            tuple(rule for rule in mine if rule.spec.event),
        )


def compile_rules(settings: WatchSettings) -> tuple[CompiledRule, ...]:
    """The rules of the settings, in their order."""
    return tuple(
        CompiledRule(
            spec,
            settings.census_s
            if spec.holder or spec.type or spec.metric in CENSUS_METRICS
            else settings.interval_s,
        )
        for spec in settings.rules
    )
