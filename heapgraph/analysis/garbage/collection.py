"""What the collector of the target does about garbage, and why it has not done it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heapgraph.units import format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SELDOM = 100_000
"""A first threshold from which on collections are rare: CPython's own are 700 and 2,000."""


@dataclass(frozen=True)
class Collection:
    """The collector's part.

    Attributes:
        is_due: it comes to garbage by itself before long.
        cause: why it has not freed what there is, a sentence.
        advice: what to do about it, a sentence.
    """

    is_due: bool
    cause: str
    advice: str


_HALF = 0.5
_ENABLE = "Call gc.enable(), or gc.collect() at quiet moments; or break the cycles (weakref)."


def collection_of(said: Mapping[str, Any], frozen_share: float = 0.0) -> Collection:
    """What the facts of an interpreter say.

    Args:
        said: `interpreter` of the manifest.
        frozen_share: of the dead objects that the collector tracks, how many gc.freeze has hidden.
    """
    thresholds, counts = said["gc_thresholds"], said["gc_counts"]
    if not said["gc_enabled"]:
        return Collection(False, "The collector is off (gc.disable): nothing frees them.", _ENABLE)
    if thresholds[:1] == [0]:
        cause = "The collector is off (its first threshold is 0): nothing frees them."
        advice = "Set gc.set_threshold() to more than 0; or break the cycles (weakref)."
        return Collection(False, cause, advice)
    if frozen_share > 0:
        cause = (
            f"gc.freeze() has put {format_count(said['gc_frozen'])} objects out of the collector's"
            f" sight, and {format_share(frozen_share)} of these are among them: nothing frees"
            " those."
        )
        advice = "Call gc.unfreeze(), then gc.collect(); or break the cycles (weakref)."
        return Collection(frozen_share < _HALF, cause, advice)
    numbers = f"its counts are {_listed(counts)}, its thresholds {_listed(thresholds)}"
    if thresholds[0] >= SELDOM:
        cause = f"The collector is on, but seldom due: {numbers}."
        advice = "Lower it, or call gc.collect() at quiet moments; or break the cycles (weakref)."
        return Collection(False, cause, advice)
    cause = f"The collector is on and has not come to them yet: {numbers}."
    return Collection(True, cause, "If they come back, break the cycles (weakref).")


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(format_count, numbers))
