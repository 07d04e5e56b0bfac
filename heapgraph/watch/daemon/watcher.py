"""One look after the other: sample, complete, judge. Nothing waits, and no target notices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from heapgraph.watch.rules.engine import RuleEngine
from heapgraph.watch.rules.forecast import Forecasts

if TYPE_CHECKING:
    from heapgraph.watch.model import (
        Census,
        Event,
        ProcessKey,
        Sample,
        Transition,
        Worker,
        WorkerName,
    )
    from heapgraph.watch.sampling.sampler import Sampler
    from heapgraph.watch.settings.model import WatchSettings


@dataclass
class Seen:
    """What one look led to.

    Attributes:
        samples: of all workers, complete.
        events: what happened.
        came, went: workers.
        transitions: of rules.
        replaced: of those that went, the ones that run another program now.
        unknown: who, or what, could not be looked at this time, and why.
    """

    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    came: list[Worker] = field(default_factory=list)
    went: list[Worker] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    replaced: set[ProcessKey] = field(default_factory=set)
    unknown: dict[str, str] = field(default_factory=dict)


def since(before: Census, census: Census) -> Census:
    """A census with what each type and holder has gained since the one before it.

    Args:
        before: of the same process; what it did not list may have been there all the same.
        census: the later one.
    """
    types = {row.name: row.shallow_size for row in before.types}
    holders = {row.expression: row.retained_size for row in before.holders}
    return replace(
        census,
        types=tuple(
            replace(row, grew=row.shallow_size - types[row.name]) if row.name in types else row
            for row in census.types
        ),
        holders=tuple(
            replace(row, grew=row.retained_size - holders[row.expression])
            if row.expression in holders
            else row
            for row in census.holders
        ),
    )


class Watcher:
    """The sampler and the rules, and what was seen last.

    Args:
        settings: checked ones.
        sampler: looks at the targets.
        engine: the rules, as an earlier daemon left them; None to begin anew.

    Attributes:
        engine: the rules.
        workers: those that are alive.
        latest: their latest samples.
        censuses: their latest censuses.
        ended: of each place, the last census of the process that was there before.
        changes: the last change of each rule for each worker that is alive.
        looked_at: steady clock; the last look, None before the first.
        oom_kills: processes that the kernel has killed in the groups of those that are alive.
    """

    def __init__(
        self, settings: WatchSettings, sampler: Sampler, engine: RuleEngine | None = None
    ) -> None:
        """Look at nothing yet."""
        self.sampler = sampler
        self.engine = engine or RuleEngine(settings)
        self.workers: dict[WorkerName, Worker] = {}
        self.latest: dict[WorkerName, Sample] = {}
        self.censuses: dict[WorkerName, Census] = {}
        self.ended: dict[WorkerName, Census] = {}
        self.changes: dict[tuple[str, WorkerName], Transition] = {}
        self.looked_at: float | None = None
        self.oom_kills: dict[WorkerName, int] = {}
        self._forecasts = Forecasts(settings.interval_s)

    def look(self, now: float) -> Seen:
        """Look at all targets and ask the rules.

        Args:
            now: steady clock.
        """
        look = self.sampler.look(now)
        seen = Seen(events=look.events, replaced=look.replaced, unknown=look.unknown)
        for one in look.went:
            name = one.worker.name
            seen.went.append(one.worker)
            self._forecasts.forget(name)
            self.workers.pop(name, None)
            self.latest.pop(name, None)
            self.ended.pop(name, None)
            if name in self.censuses:
                self.ended[name] = self.censuses.pop(name)
            self.oom_kills.pop(name, None)
        ended = {one.worker.key for one in look.went}
        for one in look.came:
            if one.worker.key not in ended:  # it may have ended before its first sample
                seen.came.append(one.worker)
                self.workers[one.worker.name] = one.worker
        # Events first: the end of a process frees its name for the one that comes.
        for event in look.events:
            if event.kind == "cgroup.oom_kill":
                kills = int(event.detail.get("kills", 1))
                self.oom_kills[event.worker] = self.oom_kills.get(event.worker, 0) + kills
            seen.transitions += self.engine.event(event)
        for worker in seen.came:
            seen.transitions += self.engine.begin(worker)
        # What ended while no daemon ran has sent no event.
        for name in self.engine.state.workers.keys() - self.workers.keys():
            seen.transitions += self.engine.end(name, now)
        seen.samples = [self._forecasts.completed(sample) for sample in look.samples]
        self.latest.update({sample.worker: sample for sample in seen.samples})
        seen.transitions += self.engine.look(now, seen.samples)
        self._note(seen.transitions)
        self.looked_at = now
        return seen

    def take_census(self, census: Census) -> list[Transition]:
        """Take in a census, and ask the rules that are about such."""
        worker = self.workers.get(census.worker)
        if worker is None or worker.key != census.key:
            return []  # it ended meanwhile
        before = self.censuses.get(census.worker)
        if before is not None and before.key == census.key:
            census = since(before, census)
        self.censuses[census.worker] = census
        transitions = self.engine.census(census)
        self._note(transitions)
        return transitions

    def _note(self, transitions: list[Transition]) -> None:
        """Keep the last change of each rule, of workers that are alive."""
        for one in transitions:
            self.changes[one.rule, one.worker] = one
        self.changes = {key: one for key, one in self.changes.items() if key[1] in self.workers}
