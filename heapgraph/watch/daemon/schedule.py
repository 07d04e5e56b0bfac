"""Whose heap is counted next: one worker of each target at its interval, and who is suspected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heapgraph.watch.model import Sample, Worker, WorkerName

OUTGROWN = 1.5
"""Another worker stands for its target when it is so many times as large. Growth is told by
censuses of one process one after another, so the choice must not change with every look."""

SOONEST_S = 60.0
"""Between two censuses of a worker for which a rule is pending; the interval, if that is less."""


class CensusSchedule:
    """A pure state: every moment is given.

    Args:
        census_s: interval for each target.
        warm_up_s: a process younger than that is not counted.
    """

    def __init__(self, census_s: float, warm_up_s: float) -> None:
        """Nobody was counted yet."""
        self._census_s = census_s
        self._warm_up_s = warm_up_s
        self._soonest_s = min(SOONEST_S, census_s)
        self._last_of_worker: dict[WorkerName, float] = {}
        self._last_of_target: dict[str, float] = {}
        self._chosen: dict[str, WorkerName] = {}

    def due(
        self,
        now: float,
        workers: Mapping[WorkerName, Worker],
        samples: Mapping[WorkerName, Sample],
        pending: Iterable[WorkerName],
    ) -> list[WorkerName]:
        """Who is to be counted now, those whose turn is over longest first.

        Args:
            now: steady clock.
            workers: those that are alive.
            samples: the latest of each.
            pending: those for whom a rule is pending or firing.
        """
        ready = {
            name: samples[name]
            for name, worker in workers.items()
            if name in samples and now - worker.started_at >= self._warm_up_s
        }
        asked = {
            name: self._last_of_worker.get(name, -math.inf)
            for name in pending
            if name in ready and self._since(self._last_of_worker.get(name), now) >= self._soonest_s
        }
        for target in {name.target for name in ready}:
            last = self._last_of_target.get(target)
            if self._since(last, now) >= self._census_s:
                asked.setdefault(self._choose(target, ready), -math.inf if last is None else last)
        return sorted(asked, key=lambda name: (asked[name], name))

    def begun(self, worker: WorkerName, now: float) -> None:
        """A census of a worker begins, or was refused: the next is an interval away."""
        self._last_of_worker[worker] = now
        self._last_of_target[worker.target] = now

    def refused(self, worker: WorkerName, now: float, retry_after_s: float) -> None:
        """It was not within the budget: ask again when it may be, at the latest in an interval."""
        wait = min(retry_after_s, self._census_s)
        self._last_of_worker[worker] = now - self._soonest_s + wait
        self._last_of_target[worker.target] = now - self._census_s + wait

    def next_s(self, worker: WorkerName, now: float) -> float | None:
        """Seconds to the next census of a worker; None where another one stands for its target."""
        if self._chosen.get(worker.target) != worker:
            return None
        return max(0.0, self._census_s - self._since(self._last_of_target.get(worker.target), now))

    def forget(self, worker: WorkerName) -> None:
        """Its process has ended."""
        self._last_of_worker.pop(worker, None)
        if self._chosen.get(worker.target) == worker:
            del self._chosen[worker.target]

    def _choose(self, target: str, ready: Mapping[WorkerName, Sample]) -> WorkerName:
        """The worker that stands for its target: the largest, and it stays so for a while."""
        of_target = {
            name: sample.values.get("rss_bytes", 0.0)
            for name, sample in ready.items()
            if name.target == target
        }
        largest = max(of_target, key=lambda name: (of_target[name], -name.slot))
        before = self._chosen.get(target)
        if before in of_target and of_target[before] * OUTGROWN >= of_target[largest]:
            return before
        self._chosen[target] = largest
        return largest

    @staticmethod
    def _since(last: float | None, now: float) -> float:
        return float("inf") if last is None else now - last
