"""From the ages of members to a verdict; pure arithmetic, so that every rule can be tried alone.

The rules and their figures: docs/growth.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.ages import CODES
from heapgraph.units import format_count, format_share

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.analysis.ages.clock import Life


class Trend(Enum):
    """What a container does."""

    GROWING = "growing"
    TURNING_OVER = "turning over"
    LOADED_ONCE = "loaded once"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Past:
    """What a container knows of its own past.

    Attributes:
        size: items.
        limit: most items that it may have, or None.
        removed: items taken out since its table was made, or ever; 0 for not known.
        had_more: its table is larger than items that only came could have made it.
        never_removed: its table is as items that only came would have made it.
    """

    size: int
    limit: int | None = None
    removed: int = 0
    had_more: bool = False
    never_removed: bool = False


MIN_MEMBERS = 20
MIN_TICKS = 100
MIN_DATED_SHARE = 0.5
_BURST_GAP = 0.06
_LOADED_GAP = 0.2
_MIN_BURSTS = 4
_MIN_GAP_TICKS = 50
_OLD_SHARE = 0.05
_GROWING_OLD_SHARE = 0.15
_NEWEST_FIFTH = 0.8
_NEWEST_SHARE = 0.95
_MIN_DECILES = 5
_BALANCE = 0.9
_FULL = 0.98


def judge(
    codes: npt.NDArray[np.uint8], count: int, life: Life, past: Past, later: Life | None = None
) -> tuple[Trend, str]:
    """Say what a container does, and why.

    Args:
        codes: ages of its members, as far as they have one.
        count: members.
        life: its time.
        past: what it knows itself.
        later: the time since the imports were over, where that is shorter.

    Returns:
        The trend, and the evidence as a part of a sentence.
    """
    if past.limit is not None and past.size >= _FULL * past.limit:
        size, limit = format_count(past.size), format_count(past.limit)
        return Trend.TURNING_OVER, f"it is full: {size} of at most {limit}"
    reason = _why_unknown(codes, count, life)
    if reason:
        return Trend.UNKNOWN, reason
    places = life.place(codes)
    at_end = _judge_end(codes, life)
    if at_end is not None:
        return at_end
    if float((places < 1 / 2).mean()) < _OLD_SHARE:
        return _judge_recent(places, past, codes, later)
    if past.removed >= _BALANCE * (past.removed + past.size):
        return Trend.TURNING_OVER, _removed_words(past)
    return _judge_spread(places)


def _why_unknown(codes: npt.NDArray[np.uint8], count: int, life: Life) -> str:
    """What is missing for a verdict; "" for nothing."""
    if len(codes) < MIN_MEMBERS or len(codes) < MIN_DATED_SHARE * count:
        return "too few of its members have an age"
    if life.total < MIN_TICKS:
        return "nothing else was made meanwhile that could tell the time"
    gap = life.ticks_after(int(codes.min()))
    if life.ticks_between(int(codes.max()), int(codes.min())) == 0 and gap < _MIN_GAP_TICKS:
        return "all its members were made at one time"
    return ""


def _judge_end(codes: npt.NDArray[np.uint8], life: Life) -> tuple[Trend, str] | None:
    """What the time since the newest member says."""
    after = life.ticks_after(int(codes.min()))
    gap = after / life.total
    if gap <= _BURST_GAP or after < _MIN_GAP_TICKS:
        return None
    gaps = _gaps_between(codes, life)
    if len(gaps) >= _MIN_BURSTS - 1 and gap < 1.5 * gaps[1]:  # the second largest
        return Trend.GROWING, f"it grows in bursts: {len(gaps) + 1} of them so far"
    count = len(codes)
    if gap > max(_LOADED_GAP, 6 / count):
        return Trend.LOADED_ONCE, (
            f"nothing was added since: {format_share(gap)} of its life has passed"
        )
    if gap > max(_BURST_GAP, 3 / count):
        return Trend.UNKNOWN, f"nothing was added in the last {format_share(gap)} of its life"
    return None


def _gaps_between(codes: npt.NDArray[np.uint8], life: Life) -> list[float]:
    """The larger times between members that follow one another, as shares, largest first."""
    used = np.flatnonzero(np.bincount(codes, minlength=CODES))[::-1].tolist()
    gaps = [life.ticks_between(older, newer) / life.total for older, newer in pairwise(used)]
    return sorted((gap for gap in gaps if gap > _BURST_GAP / 3), reverse=True)


def _judge_recent(
    places: npt.NDArray[np.float64],
    past: Past,
    codes: npt.NDArray[np.uint8],
    later: Life | None,
) -> tuple[Trend, str]:
    """Hardly a member is from the older half of the container's life."""
    newest = format_share(float((places >= _NEWEST_FIFTH).mean()))
    if past.removed or past.had_more:
        return Trend.TURNING_OVER, (
            f"hardly any member is from the first half of its life, and {_removed_words(past)}"
        )
    if past.never_removed:
        return Trend.GROWING, "members came late, and none was ever taken out"
    in_later = places if later is None else later.place(codes)
    for found in (places, in_later):
        if float((found >= _NEWEST_FIFTH).mean()) < _NEWEST_SHARE:
            return (
                Trend.UNKNOWN,
                "it began late, or older members are gone: no trace says which",
            )
    return Trend.TURNING_OVER, f"{newest} of its members are from the last fifth of its life"


def _judge_spread(places: npt.NDArray[np.float64]) -> tuple[Trend, str]:
    """Members from the whole life, up to now."""
    tenths = np.bincount(np.minimum((places * 10).astype(np.int64), 9), minlength=10)
    filled = int((tenths >= max(len(places) / 200, 1)).sum())
    old = float((places < 1 / 2).mean())
    if old >= _GROWING_OLD_SHARE and filled >= _MIN_DECILES:
        return (
            Trend.GROWING,
            f"its members are from {filled} tenths of its life, up to now",
        )
    return Trend.UNKNOWN, f"its members are from {filled} tenths of its life"


def _removed_words(past: Past) -> str:
    if past.removed:
        return f"{format_count(past.removed)} were taken out again"
    return "its table had more in it once"
