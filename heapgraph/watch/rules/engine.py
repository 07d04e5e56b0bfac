"""All rules over all workers: what changes its state, and what is to be done about it.

Pure: no clock, no file, no thread. The same calls give the same transitions, so a recording can be
replayed (`replay`), and a saved state goes on where it was (`saved_state`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from heapgraph.watch.model import Observation, RuleState, Transition
from heapgraph.watch.rules.compiled import GROUP_EVENTS, TargetRules, compile_rules
from heapgraph.watch.rules.conditions import UNKNOWN, Seen, judge_names, judge_value
from heapgraph.watch.rules.decisions import Change, decide, observed
from heapgraph.watch.rules.growth import CensusNames, GrowthRecord
from heapgraph.watch.rules.standing import MISSED_CENSUSES, Standing
from heapgraph.watch.rules.state import EngineState, WorkerRecord, fill_windows
from heapgraph.watch.rules.wording import (
    missing_text,
    quiet_text,
    seen_text,
    subject_text,
    unknown_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from heapgraph.watch.model import Census, Event, Sample, Worker, WorkerName
    from heapgraph.watch.rules.compiled import CompiledRule
    from heapgraph.watch.settings.model import WatchSettings

_OPEN = {RuleState.PENDING: RuleState.INACTIVE, RuleState.FIRING: RuleState.RESOLVED}


class RuleStanding(NamedTuple):
    """Where a rule stands for a worker, for whoever wants to see it."""

    rule: str
    worker: WorkerName
    state: RuleState
    since: float


class RuleEngine:
    """The rules of the settings, and all that they remember.

    All moments are of one steady clock. Each call returns the transitions it led to, in the order
    of workers and rules.

    Args:
        settings: checked ones.
        state: of an earlier engine with the same rules; None to begin.

    Threads: one at a time.
    Cost: for each worker 1.5 kB for each window that rules ask for, 300 bytes for each name whose
        growth is followed (at most 64), 300 bytes for each rule that does not rest.
    """

    def __init__(self, settings: WatchSettings, state: EngineState | None = None) -> None:
        """Make the rules ready."""
        self._settings = settings
        self.rules = compile_rules(settings)
        self.state = state or EngineState()
        self._of_target: dict[str, TargetRules] = {}

    def begin(self, worker: Worker) -> list[Transition]:
        """A process was found. One that is known already changes nothing.

        Where another process had its name before, that one has ended: what fired for it is
        resolved, windows and rows are gone, and the warm-up begins anew. It counts from the start
        of the process, or from when it was seen where its start is unknown or later than that.
        """
        is_known = math.isfinite(worker.started_at) and worker.started_at <= worker.seen_at
        start = worker.started_at if is_known else worker.seen_at
        record = self.state.workers.get(worker.name)
        if record is not None and record.key == worker.key:
            return []
        if record is not None and record.key is None:
            record.key, record.warm_until = worker.key, start + self._settings.warm_up_s
            return []
        ended = self.end(worker.name, worker.seen_at, "another process has its place")
        self._new_record(worker.name, start).key = worker.key
        return ended

    def end(self, name: WorkerName, at: float, why: str = "the process ended") -> list[Transition]:
        """A process is gone: what was pending or firing for it is over.

        What its events fired goes on until none came for a while.
        """
        self.state.workers.pop(name, None)
        rules = self._rules_of(name.target)
        keys = {(one.spec.name, name): one for one in (*rules.of_samples, *rules.of_censuses)}
        changes: list[Change] = []
        for key, rule in keys.items():
            standing = self.state.standings.get(key)
            if standing is None or standing.state not in _OPEN:
                continue
            old, new = standing.state, _OPEN[standing.state]
            seen = replace(observed(rule, standing), times=0, text=why)
            standing.become(new, at)
            changes.append(Change(rule, name, old, new, at, seen))
        transitions = decide(self.state, changes, at)
        for key in keys:
            self.state.standings.pop(key, None)
        return transitions

    def look(self, at: float, samples: Iterable[Sample]) -> list[Transition]:
        """One look at all workers. Those of one target have to be in one look.

        Of several workers for which a rule begins to fire in one look, only the worst gets its
        actions. A worker nobody began with begins with its first sample.

        Args:
            at: when the look ended; also ends rows of events, with no samples too.
            samples: at most one of each worker.
        """
        changes: list[Change] = []
        for sample in samples:
            worker, moment = sample.worker, sample.taken_at
            record = self._record_of(worker, moment)
            record.size = sample.values.get("private_bytes", sample.values.get("rss_bytes"))
            if moment >= record.warm_until:
                rules = self._rules_of(worker.target).of_samples
                changes += self._look_at(worker, record, rules, moment, sample.values)
        changes += self._end_quiet_rows(at)
        return decide(self.state, changes, at, self.rules)

    def census(self, census: Census) -> list[Transition]:
        """One census of one worker.

        Of an earlier process, of the time of warm-up, or of poor quality it says nothing.
        """
        worker, at = census.worker, census.taken_at
        record = self._record_of(worker, at)
        if record.key not in (None, census.key) or census.quality != "good":
            return []
        if at < record.warm_until:
            return []
        rules = self._rules_of(worker.target).of_censuses
        names = CensusNames.of(census)
        record.growth.take(names, rules)
        values = {
            "unreachable_bytes": float(census.unreachable_size),
            "suspects": float(len(census.suspects)),
        }
        changes = self._look_at(worker, record, rules, at, values, names=names)
        return decide(self.state, changes, at)

    def event(self, event: Event) -> list[Transition]:
        """Something happened; with "exit", the process is also gone. No warm-up holds it back.

        What happens to all of a control group comes once for each worker. Where a target has more
        than one, nothing is done yet: the next look chooses the largest of those that had it.
        """
        changes: list[Change] = []
        for rule in self._rules_of(event.worker.target).of_events:
            if rule.spec.event != event.kind:
                continue
            standing = self.state.standings.setdefault((rule.spec.name, event.worker), Standing())
            old = standing.state
            changed = standing.count_event(event.at, rule.needed, rule.spec.within_s)
            standing.value, standing.limit = standing.row, rule.needed
            if changed:
                seen = observed(rule, standing)
                changes.append(Change(rule, event.worker, old, standing.state, event.at, seen))
        is_shared = event.kind in GROUP_EVENTS and self._has_others(event.worker)
        transitions = decide(self.state, changes, event.at, is_put_off=is_shared)
        if event.kind == "exit":
            transitions += self.end(event.worker, event.at)
        return transitions

    def standings(self) -> list[RuleStanding]:
        """All that is not inactive, by rule and worker."""
        return sorted(
            RuleStanding(rule, worker, standing.state, standing.since)
            for (rule, worker), standing in self.state.standings.items()
            if standing.state is not RuleState.INACTIVE
        )

    def pending_workers(self) -> set[WorkerName]:
        """Workers for which a rule is pending: a census now may say why."""
        return {one.worker for one in self.standings() if one.state is RuleState.PENDING}

    def _rules_of(self, target: str) -> TargetRules:
        if target not in self._of_target:
            self._of_target[target] = TargetRules.of(target, self.rules)
        return self._of_target[target]

    def _has_others(self, name: WorkerName) -> bool:
        """Whether the target has another worker."""
        return any(one.target == name.target and one != name for one in self.state.workers)

    def _record_of(self, name: WorkerName, at: float) -> WorkerRecord:
        return self.state.workers.get(name) or self._new_record(name, at)

    def _new_record(self, name: WorkerName, start: float) -> WorkerRecord:
        record = WorkerRecord(start + self._settings.warm_up_s, GrowthRecord())
        self.state.workers[name] = record
        return record

    def _look_at(
        self,
        worker: WorkerName,
        record: WorkerRecord,
        rules: Sequence[CompiledRule],
        at: float,
        values: Mapping[str, float],
        *,
        names: CensusNames | None = None,
    ) -> list[Change]:
        """Let rules see the values of one worker, and the names of its census."""
        before, after = fill_windows(record, rules, at, values)
        changes: list[Change] = []
        for rule in rules:
            value = values.get(rule.spec.metric)
            if value is not None and math.isfinite(value):
                seen = judge_value(rule, value, at, before, after)
            elif names is not None and not rule.spec.metric:
                seen = judge_names(rule, names, record.growth)
            else:
                seen = UNKNOWN
            if change := self._take(rule, worker, at, seen):
                changes.append(change)
        return changes

    def _take(self, rule: CompiledRule, worker: WorkerName, at: float, seen: Seen) -> Change | None:
        """Let one rule see what there is to see for one worker; what that changed."""
        key = (rule.spec.name, worker)
        standing = self.state.standings.get(key)
        if standing is None:
            if not seen.holds:
                return None
            standing = self.state.standings[key] = Standing()
        if rule.is_of_census and not rule.spec.metric:
            standing.missed = standing.missed + 1 if seen.holds is None else 0
            if standing.missed > MISSED_CENSUSES:
                seen = Seen(holds=False, limit=standing.limit, subject=standing.subject)
        old = standing.state
        if seen.holds:
            standing.value, standing.limit = seen.value, seen.limit
            standing.subject, standing.grown = seen.subject, seen.row
        if standing.see(at, seen.holds, rule.needed, rule.calm_needed, rule.gap_s):
            why = _observation(rule, standing, old, seen)
            return Change(rule, worker, old, standing.state, at, why)
        if standing.is_at_rest:
            del self.state.standings[key]
        return None

    def _end_quiet_rows(self, at: float) -> list[Change]:
        changes: list[Change] = []
        for rule in self.rules:
            if not rule.spec.event:
                continue
            for key in [key for key in self.state.standings if key[0] == rule.spec.name]:
                standing = self.state.standings[key]
                old = standing.state
                if standing.end_quiet_row(at, rule.spec.within_s):
                    why = Observation(rule.spec.event, 0, rule.needed, 0, quiet_text(rule))
                    changes.append(Change(rule, key[1], old, standing.state, at, why))
                elif standing.row == 0 and key[1] not in self.state.workers:
                    del self.state.standings[key]
        return changes


def _observation(rule: CompiledRule, standing: Standing, old: RuleState, seen: Seen) -> Observation:
    """Why the state of a rule changed."""
    if seen.holds:
        return observed(rule, standing)
    times = 1 if old is RuleState.PENDING else rule.calm_needed
    subject = subject_text(rule.spec, seen.subject)
    if seen.holds is None:
        return Observation(subject, standing.value, standing.limit, 0, unknown_text(rule))
    if standing.missed:
        return Observation(subject, 0, seen.limit, times, missing_text(rule, seen.subject))
    return Observation(subject, seen.value, seen.limit, times, seen_text(rule, seen, times))
