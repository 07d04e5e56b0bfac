"""From the ages of members to a verdict; pure arithmetic, so that every rule can be tried alone.

The rules and their figures: docs/growth.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.ages import AGE_STEPS
from heapgraph.units import format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from heapgraph.analysis.ages.clock import Codes, Life

    Places = npt.NDArray[np.float64]


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
        counts_all: `removed` is of its whole life.
        had_more: its table is larger than items that only came could have made it.
        never_removed: its table is as items that only came would have made it.
        is_fixed: a list without a spare place: it was made at once, and nothing was appended since.
    """

    size: int
    limit: int | None = None
    removed: int = 0
    counts_all: bool = False
    had_more: bool = False
    never_removed: bool = False
    is_fixed: bool = False

    @property
    def has_lost(self) -> bool:
        """Whether something was taken out of it, for certain."""
        return self.removed > 0 or self.had_more


@dataclass(frozen=True)
class Order:
    """How far members stand in the order of their age, -1 to 1.

    Attributes:
        whole: the rank correlation of age and place.
        steps: of neighbours of unlike age, those in order less those out of order, as a share.
    """

    whole: float
    steps: float


def order_of(codes: Codes) -> Order:
    """The order of members, given in the order of their container."""
    ranks = np.argsort(np.argsort(-codes.astype(np.int64), kind="stable"), kind="stable")
    whole = float(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1])
    if int(codes.max()) - int(codes.min()) < AGE_STEPS:
        return Order(
            whole, 1.0
        )  # made within so short a time that the collector may have mixed them
    steps = np.sign(-np.diff(codes.astype(np.int64)))
    return Order(whole, float(steps.sum() / max(np.abs(steps).sum(), 1)) if steps.any() else 1.0)


MIN_MEMBERS = 20  # fewer say nothing of a trend
MIN_TICKS = 120  # of fewer one import is a large part, or chance
MIN_DATED_SHARE = 0.5

_FULL = 0.98  # of a limit, from which on it counts as reached
_MOST = 2 / 3  # of what came, which must have gone to say so without a clock
_MIXED = 0.5  # order of steps: below, values are newer than their keys; near -1 it is the collector
_IN_ORDER = 0.9

_BURST_GAP = 0.1  # of a life, in which nothing came
_LOADED_GAP = 0.4
_LOADED_GAP_IF_SLOW = 2 / 3
_MIN_GAP_TICKS = 30
_MIN_BURSTS = 4

_HALF = 0.5
_HALF_IF_SLOW = 1 / 3  # of a clock that slows; what is later on it is later still in truth
_MATURE = 0.5  # of the program's time, that a container must have been there
_MATURE_IF_SLOW = 0.75  # the same half, where nine of ten ticks go after a sixth of that time
_START = 0.2
_EARLY = 0.25  # where the first members are, unless it began late
_OLD_SHARE = 0.05  # members from the first half: none worth the name
_TURNING_OLD_SHARE = 0.1  # few
_GROWING_OLD_SHARE = 0.3  # many
_MIDDLE_SHARE = 0.015
_MIN_TENTHS = 6
_FIFTHS = 5
_LOAD = 0.05  # of a life, at its beginning
_FALLING = 0.6  # of a fifth of time, which the fifth before must have to say that none went
_OLDER = 0.8  # the same for two fifths
_OLDER_IF_SLOW = 2.0  # the same where time itself seems shorter the longer ago it is
_EARLY_TIMES = (0.05, 0.2, 0.35, 0.5)  # without what was there from the start
_MIN_EARLY = 5
_MOST_MORE = 2  # of what was used often from the first day on there are more
_MOST_FEWER = 4  # of what was loaded, or on a clock that slows, there are fewer later
_STRAYS = 500  # members, of which one may have come just now


def are_dated(codes: Codes, count: int) -> bool:
    """Whether enough of some members have an age, so that their container's time is asked for."""
    return len(codes) >= MIN_MEMBERS and len(codes) >= MIN_DATED_SHARE * count


def judge(
    codes: Codes,
    count: int,
    life: Life | None,
    past: Past,
    *,
    order: Order | None = None,
    share: Callable[[], float] = lambda: 1.0,
) -> tuple[Trend, str]:
    """Say what a container does, and why.

    Args:
        codes: ages of its members, as far as they have one.
        count: members.
        life: its time; may be None where the members are not `are_dated`.
        past: what it knows itself.
        order: how far the members stand in the order of their age; None where that says nothing.
        share: tells its time as a part of the program's time since the imports, where asked.

    Returns:
        The trend, and the evidence as a part of a sentence.
    """
    if life is None or not are_dated(codes, count):
        known = _judge_past(past, None, has_residue=False)
        return known or (Trend.UNKNOWN, "too few of its members have an age")
    reason = _why_unknown(codes, life)
    has_residue = not reason and past.has_lost and _has_residue(life.place(codes))
    known = _judge_past(past, order, has_residue=has_residue)
    if known is not None:
        return known
    if reason:
        return Trend.UNKNOWN, reason
    at_end = _judge_end(codes, life, past)
    if at_end is not None:
        return at_end
    return _judge_ages(life.place(codes), past, order, share, slows=life.slows)


def _judge_ages(
    places: Places, past: Past, order: Order | None, share: Callable[[], float], *, slows: bool
) -> tuple[Trend, str]:
    """Things came until now: whether old ones stay."""
    half = _HALF_IF_SLOW if slows else _HALF
    if past.has_lost:
        return _judge_loser(places, past, half)
    if past.is_fixed:
        return Trend.TURNING_OVER, "new members took the places of others: it never became longer"
    if order is not None and order.whole < _IN_ORDER:
        return _judge_disorder(places, past, order, half)
    if share() < (_MATURE_IF_SLOW if slows else _MATURE):
        return Trend.UNKNOWN, "it was made lately: its time is too short"
    return _judge_keeper(places) if past.never_removed else _judge_silent(places, slows=slows)


def _judge_past(past: Past, order: Order | None, *, has_residue: bool) -> tuple[Trend, str] | None:
    """What needs no clock; `has_residue` is false where there is none."""
    if past.limit is not None and past.size >= _FULL * past.limit:
        size, limit = format_count(past.size), format_count(past.limit)
        return Trend.TURNING_OVER, f"it is full: {size} of at most {limit}"
    if past.size < MIN_MEMBERS:
        return None
    if has_residue:
        return Trend.UNKNOWN, f"a few members of all ages are left, and {_removed_words(past)}"
    least = _MOST * (past.removed + past.size) if past.counts_all else past.size
    if past.removed >= least:
        return Trend.TURNING_OVER, f"two of three that came went: {_removed_words(past)}"
    if past.never_removed and order is not None and _is_mixed(order):
        return Trend.TURNING_OVER, "its values are newer than their keys: they are replaced"
    return None


def _is_mixed(order: Order) -> bool:
    """Whether values are newer than their keys; the collector mixes neighbours, never the whole."""
    return abs(order.steps) < _MIXED and abs(order.whole) < _IN_ORDER


def _why_unknown(codes: Codes, life: Life) -> str:
    """What is missing for a verdict; "" for nothing."""
    if life.total < MIN_TICKS:
        return "nothing else was made meanwhile that could tell the time"
    gap = life.ticks_after(int(codes.min()))
    if life.ticks_between(int(codes.max()), int(codes.min())) == 0 and gap < _MIN_GAP_TICKS:
        return "all its members were made at one time"
    return ""


def _judge_end(codes: Codes, life: Life, past: Past) -> tuple[Trend, str] | None:
    """What the time since the newest member says.

    Of what takes out again what it takes in, the last few may be there for a moment only.
    """
    if past.has_lost:
        codes = np.sort(codes)[len(codes) // _STRAYS :]
    after = life.ticks_after(int(codes.min()))
    gap = after / life.total
    if gap <= _BURST_GAP or after < _MIN_GAP_TICKS:
        return None
    gaps = _gaps_between(codes, life)
    if len(gaps) >= _MIN_BURSTS - 1 and gap < 1.5 * gaps[1]:  # the second largest
        return Trend.GROWING, f"it grows in bursts: {len(gaps) + 1} of them so far"
    count = len(codes)
    if gap > max(_LOADED_GAP_IF_SLOW if life.slows else _LOADED_GAP, 6 / count):
        return Trend.LOADED_ONCE, (
            f"nothing was added since: {format_share(gap)} of its life has passed"
        )
    if gap > max(_BURST_GAP, 3 / count):
        return Trend.UNKNOWN, f"nothing was added in the last {format_share(gap)} of its life"
    return None


def _gaps_between(codes: Codes, life: Life) -> list[float]:
    """The larger times between members that follow one another, as shares, largest first."""
    used = np.flatnonzero(np.bincount(codes))[::-1].tolist()
    gaps = [life.ticks_between(older, newer) / life.total for older, newer in pairwise(used)]
    return sorted((gap for gap in gaps if gap > _BURST_GAP / 5), reverse=True)


def _judge_loser(places: Places, past: Past, half: float) -> tuple[Trend, str]:
    """Things were taken out: in balance when what is old goes, or was there from the start."""
    if past.counts_all:
        return Trend.UNKNOWN, f"more than a third of all that came is there, {_removed_words(past)}"
    if float((places < half).mean()) < _TURNING_OLD_SHARE:
        part = "half" if half == _HALF else "third"
        return Trend.TURNING_OVER, (
            f"few members are from the first {part} of its life, and {_removed_words(past)}"
        )
    middle = float(((places >= _START) & (places < half)).mean())
    if middle < _MIDDLE_SHARE:
        return Trend.TURNING_OVER, (
            f"members are from its start or from lately, and {_removed_words(past)}"
        )
    return Trend.UNKNOWN, f"members of all ages are left, and {_removed_words(past)}"


def _has_residue(places: Places) -> bool:
    """Whether as many members are left of the oldest times as of later ones: these never go."""
    first, second, third = np.histogram(places, _EARLY_TIMES)[0].tolist()
    is_even = third / 2 <= second <= _MOST_FEWER * third and first <= _MOST_MORE * second
    return bool(first >= max(_MIN_EARLY, _FALLING * max(second, third)) and is_even)


def _fifths(places: Places) -> npt.NDArray[np.int64]:
    """int64[5]: members by the fifths of the time since the oldest of them.

    Without those that were there from the start: a table that was loaded is no sign of growth.
    """
    came = places[places > places.min() + _LOAD]
    if len(came) < MIN_MEMBERS:
        came = places
    fifths: npt.NDArray[np.int64] = np.histogram(came, np.linspace(came.min(), 1, _FIFTHS + 1))[0]
    return fifths


def _judge_disorder(places: Places, past: Past, order: Order, half: float) -> tuple[Trend, str]:
    """Newer members stand before older ones: places are used again, or it is sorted.

    Where all stand so, each was put in front of the others (as atexit does since 3.14), or the
    collector has turned them round: then no place was used again.
    """
    is_reversed = order.whole <= -_IN_ORDER
    if not is_reversed and not past.never_removed and float((places < half).mean()) < _OLD_SHARE:
        return Trend.TURNING_OVER, "its places are used again, and no old member is left"
    return Trend.UNKNOWN, "its members do not stand in the order in which they were made"


def _judge_keeper(places: Places) -> tuple[Trend, str]:
    """Nothing was ever taken out, and things still come; unless it was emptied as a whole."""
    if float(np.quantile(places, 0.02)) > _EARLY:
        return Trend.UNKNOWN, "it began late, or was emptied: no trace says which"
    return Trend.GROWING, "things came from its start until now, and none was ever taken out"


def _judge_silent(places: Places, *, slows: bool) -> tuple[Trend, str]:
    """It tells nothing itself: growing when its members outlive other things.

    Of a list whose members leave at random fewer are left the longer ago it is. On a clock that
    slows the same way they seem as many at all times, and those of a leak ever more.
    """
    tenths = np.bincount(np.minimum((places * 10).astype(np.int64), 9), minlength=10)
    filled = int((tenths >= max(len(places) / 200, 1)).sum())
    old = float((places < _HALF).mean())
    is_early = float(np.quantile(places, 0.02)) <= _EARLY
    words = f"its members are from {filled} tenths of its life"
    fifths = _fifths(places)
    least = (_OLDER_IF_SLOW if slows else _OLDER) * (fifths[2] + fifths[3])
    if fifths[0] < _FALLING * fifths[1] or fifths[0] + fifths[1] < least:
        return Trend.UNKNOWN, f"{words}, fewer from long ago: some may have gone"
    if old >= _GROWING_OLD_SHARE and filled >= _MIN_TENTHS and is_early:
        return Trend.GROWING, f"{words}, up to now"
    return Trend.UNKNOWN, words


def _removed_words(past: Past) -> str:
    if past.removed:
        return f"{format_count(past.removed)} were taken out again"
    return "its table had more in it once"
