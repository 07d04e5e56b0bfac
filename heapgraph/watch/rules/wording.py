"""What a rule says and what was seen, in words. Names of a target are made safe to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.safe_text import begun, printable
from heapgraph.units import Unit, format_count, format_duration, format_share, format_size
from heapgraph.watch.settings.metric_units import amount_text

if TYPE_CHECKING:
    from heapgraph.watch.rules.compiled import CompiledRule
    from heapgraph.watch.rules.conditions import Seen
    from heapgraph.watch.settings.model import RuleSpec, TargetSpec

_NAME_CHARACTERS = 200


def subject_text(spec: RuleSpec, subject: str = "") -> str:
    """What it is about: a metric, an event, "holder app.CACHE", "type app.Session"."""
    if spec.metric or spec.event:
        return spec.metric or spec.event
    kind, pattern = ("holder", spec.holder) if spec.holder else ("type", spec.type)
    return f"{kind} {begun(printable(subject or pattern), _NAME_CHARACTERS)}"


def seen_text(rule: CompiledRule, seen: Seen, times: int) -> str:
    """One sentence: "rss_bytes was 1.20 GiB, above 1.00 GiB, 3 times in a row".

    Args:
        rule: that was asked.
        seen: what it saw; not unknown.
        times: looks in a row.
    """
    what = subject_text(rule.spec, seen.subject)
    repeated = f", {times} times in a row" if times > 1 else ""
    return f"{what} {_comparison(rule, seen)}{repeated}"


def _comparison(rule: CompiledRule, seen: Seen) -> str:
    spec, negated = rule.spec, "" if seen.holds else "not "
    value, limit = amount_text(rule.unit, abs(seen.value)), amount_text(rule.unit, seen.limit)
    if spec.slope:
        per, window = format_duration(spec.slope.per_s), format_duration(spec.slope.window_s)
        moved = "fell" if seen.value < 0 else "rose"
        return f"{moved} by {value} in {per}, {negated}more than {limit}, as seen over {window}"
    if spec.grows:
        if not seen.holds:
            return f"did not grow {_growth_text(rule.spec)}"
        more = f"{value} objects" if rule.unit is Unit.COUNT else value
        return f"grew in {seen.row} censuses one after another, by {more} in all"
    verb, unit = "was" if spec.metric else "had", " objects" * (spec.count_above is not None)
    side = "below" if spec.below is not None else "above"
    rise = f": {_rise_text(rule)}" if spec.rise else ""
    return f"{verb} {value}{unit}, {negated}{side} {limit}{rise}"


def _rise_text(rule: CompiledRule) -> str:
    rise = rule.spec.rise
    if rise is None:
        return ""
    if rise.share is not None:
        how = format_share(rise.share)
    else:
        how = amount_text(rule.unit, rise.amount or 0.0)
    return f"{how} above its mean of {format_duration(rise.window_s)}"


def _growth_text(spec: RuleSpec) -> str:
    grows = spec.grows
    if grows is None:
        return ""
    parts = []
    if grows.bytes:
        parts.append(format_size(grows.bytes))
    if grows.count:
        parts.append(f"{format_count(grows.count)} objects")
    more = f", by {' and '.join(parts)} or more in all" if parts else ""
    number = "1 census" if grows.censuses == 1 else f"{grows.censuses} censuses one after another"
    return f"in {number}{more}"


def event_text(rule: CompiledRule, times: int) -> str:
    """One sentence of an event, the last of so many."""
    if times == 1:
        return f"{rule.spec.event} happened"
    within = format_duration(rule.spec.within_s)
    return f"{rule.spec.event} happened {times} times, each within {within} of the one before"


def quiet_text(rule: CompiledRule) -> str:
    """One sentence of an event that did not come again."""
    return f"no {rule.spec.event} for {format_duration(rule.spec.within_s)}"


def unknown_text(rule: CompiledRule) -> str:
    """One sentence of a value that nobody knows."""
    return f"{subject_text(rule.spec)} was not known for more than {format_duration(rule.gap_s)}"


def missing_text(rule: CompiledRule, subject: str) -> str:
    """One sentence of a name that censuses do not list any more."""
    return f"{subject_text(rule.spec, subject)} is no longer among the largest of a census"


def rule_in_words(rule: CompiledRule) -> str:
    """The whole rule, as `heapgraph rules check` says it."""
    spec = rule.spec
    where = f"in {', '.join(spec.targets)}" if spec.targets else "in every target"
    what = f"when {subject_text(rule.spec)} {_condition_in_words(rule)}"
    if not spec.do:
        return f"{where}, {what}: nothing is done, its state is shown"
    limits = f"then nothing for {format_duration(spec.cool_down_s)}"
    if spec.at_most:
        window = format_duration(spec.at_most_window_s)
        limits += f", and at most {spec.at_most} times in {window}"
    return f"{where}, {what}: {', '.join(spec.do)}; {limits}"


def _condition_in_words(rule: CompiledRule) -> str:
    spec, unit = rule.spec, rule.unit
    if spec.event:
        within = f", each within {format_duration(spec.within_s)} of the one before"
        return "happens" if spec.times == 1 else f"happens {spec.times} times{within}"
    if spec.grows:
        return f"grows {_growth_text(spec)}"
    if spec.rise:
        what = f"is more than {_rise_text(rule)}"
    elif spec.slope:
        amount, per = amount_text(unit, spec.slope.amount), format_duration(spec.slope.per_s)
        window = format_duration(spec.slope.window_s)
        what = f"rises by more than {amount} in {per}, over {window},"
    elif spec.count_above is not None:
        what = f"has more than {format_count(spec.count_above)} objects"
    elif spec.bytes_above is not None:
        what = f"has more than {format_size(spec.bytes_above)}"
    elif spec.below is not None:
        what = f"is below {amount_text(unit, spec.below)}"
    else:
        what = f"is above {amount_text(unit, spec.above or 0.0)}"
    row = f"{what} {spec.times} times in a row" if spec.times > 1 else what
    return row.removesuffix(",")


def target_in_words(target: TargetSpec) -> str:
    """Which processes are meant."""
    if target.pid:
        return f"process {target.pid}"
    if target.match:
        return f'processes whose command line contains "{printable(target.match)}"'
    if target.unit:
        return f"processes of the systemd unit {target.unit}"
    return f"processes of the control group {printable(target.cgroup)} and those below"
