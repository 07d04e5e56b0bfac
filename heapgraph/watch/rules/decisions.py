"""What is done about changes of state: the worst worker of a target acts, within the rule's limits.

What all workers of a control group have in common says nothing about one of them: of equal values,
that of the largest process is the worst, since the one that leaks is rarely the small master.

A rule that fires while it may not act is owed its actions: it gets them when the limit has passed,
if it still fires then. Otherwise a second leak that begins within the cool-down of the first would
never be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heapgraph.watch.model import Observation, RuleState, Transition
from heapgraph.watch.rules.conditions import Seen
from heapgraph.watch.rules.limits import ActionTimes
from heapgraph.watch.rules.wording import event_text, seen_text, subject_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.watch.model import WorkerName
    from heapgraph.watch.rules.compiled import CompiledRule
    from heapgraph.watch.rules.standing import Standing
    from heapgraph.watch.rules.state import EngineState

PUT_OFF = "the largest worker acts at the next look"

_SAME_SHARE = 0.01
"""Values of one group that differ by less are one value, read or fitted at two moments."""

NOT_TOLD = "nothing was done while it fired"


class Change(NamedTuple):
    """A change of state, before it is decided what is done."""

    rule: CompiledRule
    worker: WorkerName
    old: RuleState
    new: RuleState
    at: float
    observation: Observation


def decide(
    state: EngineState,
    changes: Sequence[Change],
    at: float,
    rules: Sequence[CompiledRule] = (),
    *,
    is_put_off: bool = False,
) -> list[Transition]:
    """The transitions of one look, with what is to be done.

    Args:
        state: limits and standings, which are changed.
        changes: of this look, in the order in which they are told.
        at: now.
        rules: of which those that are owed actions get them now, if they may.
        is_put_off: act at the next look, when all workers have been seen.
    """
    firing: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        if change.new is RuleState.FIRING and change.rule.spec.do:
            key = (change.rule.spec.name, change.worker.target)
            firing.setdefault(key, []).append(change)
    owed = _owed(state, rules, firing, at)
    for key, ones in owed.items():
        firing.setdefault(key, []).extend(ones)
    chosen: dict[tuple[str, WorkerName], str] = {}
    for key, ones in firing.items():
        chosen |= _choose(state, key, ones, at, is_put_off=is_put_off)
    late = [one for ones in owed.values() for one in ones]
    late = [one for one in late if chosen[one.rule.spec.name, one.worker] == ""]
    return [_transition(state, one, chosen) for one in (*changes, *late)]


def _owed(
    state: EngineState,
    rules: Sequence[CompiledRule],
    firing: dict[tuple[str, str], list[Change]],
    at: float,
) -> dict[tuple[str, str], list[Change]]:
    """What still fires and could not act when it began to, where it may now."""
    by_name = {rule.spec.name: rule for rule in rules}
    new = {(one.rule.spec.name, one.worker) for ones in firing.values() for one in ones}
    result: dict[tuple[str, str], list[Change]] = {}
    for (name, worker), standing in state.standings.items():
        rule = by_name.get(name)
        if not standing.is_owed or standing.calm or rule is None or (name, worker) in new:
            continue
        key = (name, worker.target)
        if key in state.limits and state.limits[key].why_not(at):
            continue
        firing_still = RuleState.FIRING
        one = Change(rule, worker, firing_still, firing_still, at, observed(rule, standing))
        result.setdefault(key, []).append(one)
    return result


def observed(rule: CompiledRule, standing: Standing) -> Observation:
    """What was seen when the rule last held."""
    one, row = standing, standing.row
    if rule.spec.event:
        text = event_text(rule, row)
    else:
        seen = Seen(
            holds=True, value=one.value, limit=one.limit, subject=one.subject, row=one.grown
        )
        text = seen_text(rule, seen, row)
    subject, times = subject_text(rule.spec, one.subject), one.grown or row
    return Observation(subject, one.value, one.limit, times, text, one.grown)


def _choose(
    state: EngineState,
    key: tuple[str, str],
    ones: Sequence[Change],
    at: float,
    *,
    is_put_off: bool,
) -> dict[tuple[str, WorkerName], str]:
    """Why nothing is done for each worker; "" for the one for which something is."""
    rule = ones[0].rule
    limits = state.limits.setdefault(key, ActionTimes(rule.spec))
    reason = limits.why_not(at)
    if not reason and is_put_off:
        reason = PUT_OFF
    if reason:
        for one in ones:
            state.standings[rule.spec.name, one.worker].is_owed = True
        return {(rule.spec.name, one.worker): reason for one in ones}
    limits.record(at)
    equals = _equally_bad(rule, ones)
    worst = min(equals, key=lambda one: (-_size(state, one), one.worker))
    for one in ones:
        standing = state.standings[rule.spec.name, one.worker]
        standing.is_owed = False
        standing.is_told = standing.is_told or one is worst
    return {
        (rule.spec.name, one.worker): _why_not_it(state, one, worst, is_equal=one in equals)
        for one in ones
    }


def _equally_bad(rule: CompiledRule, ones: Sequence[Change]) -> list[Change]:
    """Those with the highest value, or the lowest where low is bad."""
    values = [one.observation.value for one in ones]
    worst = min(values) if rule.is_lower_worse else max(values)
    slack = _SAME_SHARE * abs(worst) if rule.is_of_group else 0.0
    return [one for one in ones if abs(one.observation.value - worst) <= slack]


def _size(state: EngineState, one: Change) -> float:
    """Bytes of its process; -1 where nobody knows."""
    record = state.workers.get(one.worker)
    return -1.0 if record is None or record.size is None else record.size


def _why_not_it(state: EngineState, one: Change, worst: Change, *, is_equal: bool) -> str:
    """Why another worker acts; "" for that one."""
    if one is worst:
        return ""
    if not is_equal:
        return f"{worst.worker} is worse"
    if _size(state, one) < _size(state, worst):
        return f"{worst.worker} is larger"
    return f"{worst.worker} is the same"


def _transition(
    state: EngineState, change: Change, chosen: dict[tuple[str, WorkerName], str]
) -> Transition:
    spec = change.rule.spec
    withheld = chosen.get((spec.name, change.worker), "")
    is_firing = change.new is RuleState.FIRING
    if change.new is RuleState.RESOLVED and spec.do:
        standing = state.standings.get((spec.name, change.worker))
        withheld = "" if standing is not None and standing.is_told else NOT_TOLD
    return Transition(
        rule=spec.name,
        worker=change.worker,
        old=change.old,
        new=change.new,
        at=change.at,
        observation=change.observation,
        actions=spec.do if is_firing and not withheld else (),
        withheld=withheld,
    )
