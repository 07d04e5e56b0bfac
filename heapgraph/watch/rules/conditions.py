"""Whether what was seen is too much: of one metric of one sample, or of the names of a census."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapgraph.watch.rules.compiled import CompiledRule, WindowKey
    from heapgraph.watch.rules.growth import CensusNames, GrowthRecord
    from heapgraph.watch.rules.windows import Fit
    from heapgraph.watch.settings.model import Rise, Slope


class Seen(NamedTuple):
    """What one look says about a rule.

    Attributes:
        holds: None for unknown.
        value, limit: what was compared, in the unit of the rule.
        subject: of a census: the type or holder.
        row: of what grows: censuses in a row.
    """

    holds: bool | None
    value: float = 0.0
    limit: float = 0.0
    subject: str = ""
    row: int = 0


UNKNOWN = Seen(None)


def judge_value(
    rule: CompiledRule,
    value: float,
    at: float,
    before: Mapping[WindowKey, Fit | None],
    after: Mapping[WindowKey, Fit | None],
) -> Seen:
    """What one value of the rule's metric says.

    Args:
        rule: with above, below, rise or slope.
        value: of its metric.
        at: when.
        before: what the windows of rises said without this value.
        after: what the windows of slopes say with it.

    Returns:
        Unknown for a rise or a slope whose window is not filled.
    """
    spec = rule.spec
    if spec.above is not None:
        return Seen(value > spec.above, value, spec.above)
    if spec.below is not None:
        return Seen(value < spec.below, value, spec.below)
    key = rule.window
    if key is None:
        return UNKNOWN
    if spec.rise:
        return _judge_rise(rule, spec.rise, value, at, before.get(key))
    if spec.slope:
        return _judge_slope(rule, spec.slope, at, after.get(key))
    return UNKNOWN


def _judge_rise(rule: CompiledRule, rise: Rise, value: float, at: float, fit: Fit | None) -> Seen:
    """Against the mean of the values before this one."""
    if fit is None or not fit.is_filled(at, rise.window_s, rule.look_s):
        return UNKNOWN
    if rise.share is None:
        limit = fit.mean + (rise.amount or 0.0)
        return Seen(value > limit, value, limit)
    limit = fit.mean * (1 + rise.share)
    # Of nothing, everything is more by any share: that is no rise.
    return Seen(fit.mean > 0 and value > limit, value, limit)


def _judge_slope(rule: CompiledRule, slope: Slope, at: float, fit: Fit | None) -> Seen:
    """Against the line of best fit through the window, this value with it."""
    if fit is None or not fit.is_filled(at, slope.window_s, rule.look_s):
        return UNKNOWN
    amount = fit.slope * slope.per_s
    return Seen(amount > slope.amount, amount, slope.amount)


def judge_names(rule: CompiledRule, names: CensusNames, growth: GrowthRecord) -> Seen:
    """What a census says of a rule about holders or types; unknown where it names none of them.

    Several names may match: each is judged by itself, and the worst one is what was seen.

    Args:
        rule: with holder or type.
        names: of a census that is not of poor quality.
        growth: of the worker, this census taken in.
    """
    spec = rule.spec
    if spec.grows is not None:
        return _judge_growth(rule, names, growth)
    column = 0 if spec.count_above is None else 1
    found = [
        (amounts[column], name)
        for name, amounts in _asked(rule, names).items()
        if rule.matches(name)
    ]
    if not found:
        return UNKNOWN
    limit = spec.count_above if spec.count_above is not None else spec.bytes_above or 0
    value, name = max(found)
    return Seen(value > limit, value, limit, name)


def _asked(rule: CompiledRule, names: CensusNames) -> Mapping[str, tuple[int, int]]:
    return names.holders if rule.spec.holder else names.types


def _judge_growth(rule: CompiledRule, names: CensusNames, growth: GrowthRecord) -> Seen:
    grows = rule.spec.grows
    if grows is None:
        return UNKNOWN
    by_count = bool(grows.count) and not grows.bytes
    limit = grows.count if by_count else grows.bytes
    worst = UNKNOWN
    for name in _asked(rule, names):
        if not rule.matches(name) or (line := growth.of(rule.spec.holder != "", name)) is None:
            continue
        holds = (by_count or line.bytes_row >= grows.censuses) and line.more_bytes >= grows.bytes
        if grows.count:
            holds = holds and line.count_row >= grows.censuses and line.more_count >= grows.count
        value = line.more_count if by_count else line.more_bytes
        row = line.count_row if by_count else line.bytes_row
        if worst.holds is None or (holds, value) > (worst.holds, worst.value):
            worst = Seen(holds, value, limit, name, row)
    return worst
