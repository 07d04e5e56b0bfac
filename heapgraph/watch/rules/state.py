"""All that the engine remembers, as plain records."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from heapgraph.watch.rules.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heapgraph.watch.model import ProcessKey, WorkerName
    from heapgraph.watch.rules.compiled import CompiledRule, WindowKey
    from heapgraph.watch.rules.growth import GrowthRecord
    from heapgraph.watch.rules.limits import ActionTimes
    from heapgraph.watch.rules.standing import Standing
    from heapgraph.watch.rules.windows import Fit


@dataclass(slots=True)
class WorkerRecord:
    """One process.

    Attributes:
        warm_until: steady clock; what is seen before says nothing.
        growth: of its censuses.
        key: which process; None while only samples came.
        windows: of its metrics.
        size: private bytes at the last look, else resident ones; None: unknown, also after a
            restart until the first look.
    """

    warm_until: float
    growth: GrowthRecord
    key: ProcessKey | None = None
    windows: dict[WindowKey, Window] = field(default_factory=dict)
    size: float | None = None


@dataclass(slots=True)
class EngineState:
    """Everything.

    Attributes:
        workers: processes that are watched.
        standings: by rule and worker; what is inactive with no row is not there.
        limits: by rule and target.
    """

    workers: dict[WorkerName, WorkerRecord] = field(default_factory=dict)
    standings: dict[tuple[str, WorkerName], Standing] = field(default_factory=dict)
    limits: dict[tuple[str, str], ActionTimes] = field(default_factory=dict)


def fill_windows(
    record: WorkerRecord, rules: Iterable[CompiledRule], at: float, values: Mapping[str, float]
) -> tuple[dict[WindowKey, Fit | None], dict[WindowKey, Fit | None]]:
    """Take values into the windows that rules need.

    Returns:
        What the windows of rises said before, and what those of slopes say now.
    """
    before: dict[WindowKey, Fit | None] = {}
    after: dict[WindowKey, Fit | None] = {}
    rising = {rule.window for rule in rules if rule.spec.rise}
    for key in dict.fromkeys(rule.window for rule in rules):
        value = None if key is None else values.get(key[0])
        if key is None or value is None or not math.isfinite(value):
            continue
        window = record.windows.get(key)
        if window is None:
            window = record.windows[key] = Window(key[1])
        if key in rising:
            before[key] = window.fit(at)
        window.add(at, value)
    for key in dict.fromkeys(rule.window for rule in rules if rule.spec.slope):
        if key in record.windows:
            after[key] = record.windows[key].fit(at)
    return before, after
