"""All metrics of the daemon: names, labels, meanings, and their values of a state.

docs/metrics.md has the same table; a test compares them. Labels are `target` and `worker` (its
slot), never a process id: one that changes with every restart would be a new series each time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from heapgraph.safe_text import begun, printable
from heapgraph.watch.metrics.chosen_names import MAX_LABEL, OTHER
from heapgraph.watch.model import RuleState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.watch.metrics.chosen_names import ChosenNames
    from heapgraph.watch.metrics.state import MetricsState, Pauses, WorkerMetrics
    from heapgraph.watch.model import Census

PREFIX = "heapgraph_"
_WORKER = ("target", "worker")

STATE_NUMBERS = {
    RuleState.INACTIVE: 0,
    RuleState.PENDING: 1,
    RuleState.FIRING: 2,
    RuleState.RESOLVED: 3,
}


@dataclass(frozen=True)
class Family:
    """One metric.

    Attributes:
        name: as Prometheus has it, with `_total` if it is a counter.
        kind: "gauge", "counter" or "histogram".
        help: what a value is.
        labels: their names.
        has_names: its labels are names of types and holders of the target's code.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = _WORKER
    has_names: bool = False


Point = tuple[Family, tuple[str, ...], float]
"""A metric, the values of its labels (of a worker's without these), and the value."""


@dataclass
class Values:
    """A metric with its values.

    Attributes:
        family: which.
        points: its values by the values of its labels; of a histogram none.
        pauses: of a histogram.
    """

    family: Family
    points: dict[tuple[str, ...], float] = field(default_factory=dict)
    pauses: Pauses | None = None


def _gauge(name: str, text: str, *labels: str, has_names: bool = False) -> Family:
    return Family(PREFIX + name, "gauge", text, (*_WORKER, *labels), has_names)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(PREFIX + name, "counter", text, (*_WORKER, *labels))


def _own(name: str, kind: str, text: str, *labels: str) -> Family:
    return Family(PREFIX + name, kind, text, labels)


TARGET_UP = _gauge("target_up", "1 while the process runs; worker is empty for a target with none.")

OF_SAMPLES = {
    "rss_bytes": _gauge("resident_memory_bytes", "Resident memory of the process."),
    "private_bytes": _gauge("private_memory_bytes", "Memory of the process alone, resident."),
    "gc_tracked": _gauge("gc_tracked_objects", "Objects that the collector knows, about."),
    "gc_enabled": _gauge("gc_enabled", "1 if the cyclic collector is on."),
    "threads": _gauge("threads", "Threads of the process."),
    "fds": _gauge("open_fds", "Open file descriptors of the process."),
    "cgroup_bytes": _gauge("cgroup_memory_bytes", "Memory that counts against the group's limit."),
    "cgroup_limit_bytes": _gauge("cgroup_limit_bytes", "Memory limit of the group."),
    "seconds_to_limit": _gauge("seconds_to_limit", "Until the limit, at the present slope."),
}
"""By name of `watch.model.METRICS`."""

OF_GENERATIONS = (
    _counter("gc_collections_total", "Collections since the process started.", "generation"),
    _counter("gc_collected_objects_total", "Objects that collections have freed.", "generation"),
    _counter("gc_uncollectable_objects_total", "What they could not free.", "generation"),
)
OOM_KILLS = _counter("cgroup_oom_kills_total", "Processes the kernel killed in the group.")

MEMORY = _gauge("memory_bytes", "Resident memory by what it is used for (census).", "part")
TYPE_OBJECTS = _gauge("type_objects", "Objects by type (census).", "type", has_names=True)
TYPE_BYTES = _gauge("type_bytes", "Bytes of objects by type (census).", "type", has_names=True)
HOLDER_BYTES = _gauge(
    "holder_bytes", "Bytes that would go with a holder (census).", "holder", has_names=True
)
UNREACHABLE = _gauge("unreachable_bytes", "Objects that nothing reaches, bytes (census).")
SUSPECTS = _gauge("suspects", "Leak suspects (census).")

RULE_STATE = _gauge("rule_state", "0 inactive, 1 pending, 2 firing, 3 resolved.", "rule")
PAUSES = _own("pause_seconds", "histogram", "How long targets stood for a census or snapshot.")
SNAPSHOTS = _own("snapshots_total", "counter", "Snapshots by how they ended.", "outcome")
ACTIONS = _own("actions_total", "counter", "Messages and programs.", "action", "outcome")
REFUSALS = _own(
    "budget_refusals_total", "counter", "Censuses and snapshots that were not begun.", "reason"
)
SERIES_DROPPED = _own(
    "series_dropped_total", "counter", "Names of types and holders beyond the cap on series."
)
STORE_BYTES = _own("store_bytes", "gauge", "Bytes of all snapshots in the store.")

FAMILIES = (
    TARGET_UP,
    *OF_SAMPLES.values(),
    *OF_GENERATIONS,
    OOM_KILLS,
    MEMORY,
    TYPE_OBJECTS,
    TYPE_BYTES,
    HOLDER_BYTES,
    UNREACHABLE,
    SUSPECTS,
    RULE_STATE,
    PAUSES,
    SNAPSHOTS,
    ACTIONS,
    REFUSALS,
    SERIES_DROPPED,
    STORE_BYTES,
)
"""In the order in which they are written."""


def values_of(state: MetricsState, chosen: ChosenNames, *, names: bool) -> list[Values]:
    """Every metric with its values; what is not known has none, and is never 0.

    Args:
        state: what the daemon knows.
        chosen: which names are shown; the censuses of the state are taken in.
        names: with metrics that name types and holders.
    """
    found = {family.name: Values(family) for family in FAMILIES if names or not family.has_names}
    censuses = {one.name: one.census for one in state.workers if one.census is not None}
    chosen.update(censuses)
    for family, labels, value in chain(_of_workers(state, chosen), _of_daemon(state, chosen)):
        if family.name in found and math.isfinite(value):
            texts = tuple(begun(printable(label), MAX_LABEL) for label in labels)
            # Two of one name would have the whole scrape refused.
            found[family.name].points[texts] = value
    found[PAUSES.name].pauses = state.pauses
    return list(found.values())


def _of_workers(state: MetricsState, chosen: ChosenNames) -> Iterator[Point]:
    for one in sorted(state.workers, key=lambda one: one.name):
        for family, more, value in _of_worker(one):
            yield family, (one.name.target, str(one.name.slot), *more), value
        if one.census is not None:
            for family, more, value in _of_census(one.census, chosen):
                yield family, (one.name.target, str(one.name.slot), *more), value
    here = {one.name.target for one in state.workers}
    for target in state.targets:
        if target not in here:
            yield TARGET_UP, (target, ""), 0
    for (rule, worker), standing in sorted(state.rules.items(), key=lambda row: row[0]):
        yield RULE_STATE, (worker.target, str(worker.slot), rule), STATE_NUMBERS[standing]


def _of_daemon(state: MetricsState, chosen: ChosenNames) -> Iterator[Point]:
    for outcome, count in sorted(state.snapshots.items()):
        yield SNAPSHOTS, (outcome,), count
    for action, count in sorted(state.actions.items()):
        yield ACTIONS, action, count
    for reason, count in sorted(state.refusals.items()):
        yield REFUSALS, (reason,), count
    yield SERIES_DROPPED, (), chosen.dropped
    if state.store_bytes is not None:
        yield STORE_BYTES, (), state.store_bytes


def _of_worker(one: WorkerMetrics) -> Iterator[Point]:
    yield TARGET_UP, (), float(one.is_up)
    yield OOM_KILLS, (), one.oom_kills
    if one.sample is None:
        return
    for name, family in OF_SAMPLES.items():
        if name in one.sample.values:
            yield family, (), one.sample.values[name]
    for generation, counts in enumerate(one.sample.generations):
        for family, count in zip(OF_GENERATIONS, counts, strict=True):
            yield family, (str(generation),), count


def _of_census(census: Census, chosen: ChosenNames) -> Iterator[Point]:
    for part, size in sorted(census.memory.items()):
        yield MEMORY, (part,), size
    objects = chosen.split(census.worker, "type", [(t.name, t.objects) for t in census.types])
    sizes = chosen.split(census.worker, "type", [(t.name, t.shallow_size) for t in census.types])
    # Types beyond the census's own list are in the totals only.
    objects[OTHER] = census.objects - sum(n for label, n in objects.items() if label != OTHER)
    sizes[OTHER] = census.objects_size - sum(n for label, n in sizes.items() if label != OTHER)
    for family, values in ((TYPE_OBJECTS, objects), (TYPE_BYTES, sizes)):
        for label, value in values.items():
            yield family, (label,), value
    held = [(holder.expression, holder.retained_size) for holder in census.holders]
    for label, value in chosen.split(census.worker, "holder", held).items():
        yield HOLDER_BYTES, (label,), value
    yield UNREACHABLE, (), census.unreachable_size
    yield SUSPECTS, (), len(census.suspects)
