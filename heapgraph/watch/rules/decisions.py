"""What is done about changes of state: the worst worker of a target acts, within the rule's limits.

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
    state: EngineState, changes: Sequence[Change], at: float, rules: Sequence[CompiledRule] = ()
) -> list[Transition]:
    """The transitions of one look, with what is to be done.

    Args:
        state: limits and standings, which are changed.
        changes: of this look, in the order in which they are told.
        at: now.
        rules: of which those that are owed actions get them now, if they may.
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
        chosen |= _choose(state, key, ones, at)
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
    times = one.grown or row
    return Observation(subject_text(rule, one.subject), one.value, one.limit, times, text)


def _choose(
    state: EngineState, key: tuple[str, str], ones: Sequence[Change], at: float
) -> dict[tuple[str, WorkerName], str]:
    """Why nothing is done for each worker; "" for the one for which something is."""
    rule = ones[0].rule
    limits = state.limits.setdefault(key, ActionTimes(rule.spec))
    reason = limits.why_not(at)
    if reason:
        for one in ones:
            state.standings[rule.spec.name, one.worker].is_owed = True
        return {(rule.spec.name, one.worker): reason for one in ones}
    limits.record(at)
    worst = _worst(rule, ones)
    for one in ones:
        standing = state.standings[rule.spec.name, one.worker]
        standing.is_owed = False
        standing.is_told = standing.is_told or one is worst
    return {
        (rule.spec.name, one.worker): "" if one is worst else f"{worst.worker} is worse"
        for one in ones
    }


def _worst(rule: CompiledRule, ones: Sequence[Change]) -> Change:
    """The highest value, or the lowest where low is bad; of equals the first slot."""
    sign = -1 if rule.is_lower_worse else 1
    return min(ones, key=lambda one: (-sign * one.observation.value, one.worker))


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
