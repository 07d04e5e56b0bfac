"""States of a daemon as its metrics see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.watch.metrics.state import MetricsState, Pauses, WorkerMetrics
from heapgraph.watch.model import (
    Census,
    Holder,
    ProcessKey,
    RuleState,
    Sample,
    TypeBytes,
    WorkerName,
)
from helpers.alerts import SUSPECT

if TYPE_CHECKING:
    from collections.abc import Sequence

WEB = WorkerName("web", 0)
LEAK = "app.UNFINISHED"


def census(
    worker: WorkerName = WEB,
    taken_at: float = 1.0,
    *,
    types: Sequence[tuple[str, int]] = (("bytearray", 900_000), ("app.Response", 90_000)),
    holders: Sequence[tuple[str, int]] = ((LEAK, 1_000_000),),
    **changes: Any,
) -> Census:
    """A small one; of each type there are ten objects."""
    given = {
        "pause_ms": 3.0,
        "seconds": 1.0,
        "method": "clone",
        "quality": "good",
        "objects": 10 * len(types) + 500,
        "objects_size": sum(size for _, size in types) + 10_000,
        "unreachable_size": 50,
        "memory": {"python objects": 2_000_000, "c heap": 500_000},
        "suspects": (SUSPECT,),
    }
    return Census(
        worker=worker,
        key=ProcessKey(4711, 12345, "boot"),
        taken_at=taken_at,
        created="2026-01-02T03:04:05+00:00",
        types=tuple(TypeBytes(name, 10, size) for name, size in types),
        holders=tuple(Holder(name, size) for name, size in holders),
        **{**given, **changes},
    )


def sample(worker: WorkerName = WEB, *, rss: float = 100e6, limit: float = 400e6) -> Sample:
    """Everything that can be read."""
    return Sample(
        worker,
        1.0,
        {
            "rss_bytes": rss,
            "private_bytes": rss * 0.9,
            "gc_tracked": 5000.0,
            "gc_enabled": 1.0,
            "threads": 4.0,
            "fds": 12.0,
            "cgroup_bytes": rss * 1.1,
            "cgroup_limit_bytes": limit,
            "seconds_to_limit": 1200.0,
        },
        ((100, 5000, 0), (10, 800, 0), (2, 30, 1)),
    )


def state(**changes: Any) -> MetricsState:
    """Two workers of `web`, one of which leaks; nobody runs for `jobs`."""
    other = WorkerName("web", 1)
    given = {
        "targets": ("web", "jobs"),
        "workers": (
            WorkerMetrics(WEB, sample=sample(), census=census()),
            WorkerMetrics(other, sample=sample(other)),
        ),
        "rules": {("near-limit", WEB): RuleState.FIRING, ("near-limit", other): RuleState.INACTIVE},
        "snapshots": {"done": 2, "failed": 1},
        "actions": {("page", "delivered"): 3, ("page", "given_up"): 1},
        "refusals": {"cpu": 4},
        "pauses": Pauses().with_pause(3.0).with_pause(40.0),
        "store_bytes": 123456,
    }
    return MetricsState(**{**given, **changes})
