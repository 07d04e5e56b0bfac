"""Rules that can never fire for a target, because what they are about cannot be read there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from heapgraph.watch.model import Sample
    from heapgraph.watch.settings.model import RuleSpec

_NO_LIMIT = "its control group has no limit, or is that of another container and out of sight"
_WHY = {
    "cgroup_bytes": _NO_LIMIT,
    "cgroup_limit_bytes": _NO_LIMIT,
    "cgroup_ratio": _NO_LIMIT,
    "psi_some": "it takes control groups of version 2, in sight, and a kernel that measures it",
}
"""What a first look has, where it can ever have it."""


class BlindRules:
    """Says once, of each rule and target, that it knows nothing.

    Args:
        rules: of the settings.
    """

    def __init__(self, rules: Iterable[RuleSpec]) -> None:
        """Nothing was said yet."""
        self._rules = [rule for rule in rules if rule.metric in _WHY]
        self._said: set[tuple[str, str]] = set()

    def lines(self, samples: Iterable[Sample]) -> Iterator[str]:
        """One line for each rule and target of which it was not said before.

        Args:
            samples: the first ones of workers.
        """
        for sample in samples:
            target = sample.worker.target
            for rule in self._rules:
                is_about = not rule.targets or target in rule.targets
                place = rule.name, target
                if not is_about or rule.metric in sample.values or place in self._said:
                    continue
                self._said.add(place)
                yield (
                    f"{rule.name} knows nothing of {sample.worker}: no {rule.metric}:"
                    f" {_WHY[rule.metric]}"
                )
