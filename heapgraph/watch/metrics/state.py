"""What the metrics are made of: one immutable record of all that the daemon knows now."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapgraph.watch.model import Census, RuleState, Sample, WorkerName

PAUSE_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Upper ends of the pauses that are counted together: a clone takes 0.3 to 30 ms."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long targets stood, counted by length.

    Attributes:
        counts: pauses up to each of `PAUSE_BOUNDS_S` and above the one before; the last are longer.
        total_s: of all.
    """

    counts: tuple[int, ...] = (0,) * (len(PAUSE_BOUNDS_S) + 1)
    total_s: float = 0.0

    def with_pause(self, pause_ms: float) -> Pauses:
        """The same with one more."""
        seconds = max(0.0, pause_ms / 1000)
        row = bisect_left(PAUSE_BOUNDS_S, seconds)
        counts = tuple(count + (place == row) for place, count in enumerate(self.counts))
        return Pauses(counts, self.total_s + seconds)


@dataclass(frozen=True, slots=True)
class WorkerMetrics:
    """One worker.

    Attributes:
        name: its target and slot.
        is_up: whether its process runs.
        sample: the latest one; None: there is none.
        census: the latest one of this process; None: there is none.
        oom_kills: of its group, since the daemon runs.
    """

    name: WorkerName
    is_up: bool = True
    sample: Sample | None = None
    census: Census | None = None
    oom_kills: int = 0


@dataclass(frozen=True, slots=True)
class MetricsState:
    """Everything; counters since the start of the daemon.

    Attributes:
        targets: names of all configured targets, also of those without a process.
        workers: all that are watched.
        rules: where each rule stands for each worker.
        snapshots: by outcome: "done", "failed", "cancelled", ...
        actions: by action and outcome.
        refusals: of the budget, by reason.
        pauses: of censuses and snapshots.
        store_bytes: of all snapshots in the store; None: there is no store.
    """

    targets: tuple[str, ...] = ()
    workers: tuple[WorkerMetrics, ...] = ()
    rules: Mapping[tuple[str, WorkerName], RuleState] = field(default_factory=dict)
    snapshots: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    refusals: Mapping[str, int] = field(default_factory=dict)
    pauses: Pauses = field(default_factory=Pauses)
    store_bytes: int | None = None
