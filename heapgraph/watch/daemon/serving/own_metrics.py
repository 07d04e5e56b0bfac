"""What the daemon has done, and what it knows, as the metrics want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.watch.daemon.counts import add
from heapgraph.watch.metrics.state import MetricsState, Pauses, WorkerMetrics
from heapgraph.watch.model import RuleState

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.watch.daemon.deliveries import Deliveries
    from heapgraph.watch.daemon.parts import Parts
    from heapgraph.watch.metrics.prometheus import PrometheusText
    from heapgraph.watch.model import WorkerName
    from heapgraph.watch.settings.model import WatchSettings


class OwnMetrics:
    """Counts what peers had done, and makes the text of the metrics."""

    def __init__(
        self,
        settings: WatchSettings,
        parts: Parts,
        deliveries: Deliveries,
        clock: Callable[[], float],
    ) -> None:
        """Nothing was done yet."""
        self._settings = settings
        self._parts = parts
        self._deliveries = deliveries
        self._clock = clock
        self._pauses = Pauses()
        self._text: PrometheusText | None = None

    def count_snapshot(self, outcome: str, pause_ms: float) -> None:
        """A snapshot that a peer asked for has ended."""
        counts = self._parts.responder.counts
        add(counts.snapshots, outcome)
        if pause_ms:
            counts.pauses.append(pause_ms)

    def text(self, names: bool, accept: str) -> tuple[bytes, str]:
        """The metrics as text for Prometheus, and its content type.

        Args:
            names: with those that name types and holders.
            accept: header of the request.
        """
        if self._text is None:
            from heapgraph.watch.metrics.prometheus import (  # noqa: PLC0415 - not without a scrape
                PrometheusText,
            )

            self._text = PrometheusText()
        return self._text.render(self.state(), names=names, accept=accept)

    def state(self) -> MetricsState:
        """All that is known now. Cost: 1 us a worker and rule; no target is looked at."""
        parts, watcher = self._parts, self._parts.watcher
        counts = parts.responder.counts
        while counts.pauses:
            self._pauses = self._pauses.with_pause(counts.pauses.pop())
        return MetricsState(
            targets=tuple(one.name for one in self._settings.targets),
            workers=tuple(
                WorkerMetrics(
                    name,
                    sample=watcher.latest.get(name),
                    census=watcher.censuses.get(name),
                    oom_kills=watcher.oom_kills.get(name, 0),
                )
                for name in watcher.workers
            ),
            rules=self._rules(),
            snapshots=dict(counts.snapshots),
            actions=dict(self._deliveries.counts),
            refusals=dict(counts.refusals),
            pauses=self._pauses,
            store_bytes=None if parts.jobs.store is None else parts.jobs.store.bytes_used(),
        )

    def _rules(self) -> dict[tuple[str, WorkerName], RuleState]:
        """Where each rule stands for each worker that it is about."""
        watcher = self._parts.watcher
        states = {
            (rule.name, name): RuleState.INACTIVE
            for rule in self._settings.rules
            for name in watcher.workers
            if not rule.targets or name.target in rule.targets
        }
        for one in watcher.engine.standings():
            if one.worker in watcher.workers:
                states[one.rule, one.worker] = one.state
        return states
