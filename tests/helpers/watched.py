"""Samples, censuses and settings for tests of the rules, on a clock of plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heapgraph.watch.model import (
    Census,
    Event,
    Holder,
    ProcessKey,
    Sample,
    Transition,
    TypeBytes,
    Worker,
    WorkerName,
)
from heapgraph.watch.settings.model import RuleSpec, TargetSpec, WatchSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERVAL = 5.0
CENSUS = 900.0
BOOT = "0b2c"


def settings_with(*rules: RuleSpec, warm_up_s: float = 0.0, **more: Any) -> WatchSettings:
    """Settings with these rules over the targets web and jobs."""
    targets = (TargetSpec("web", match="web"), TargetSpec("jobs", match="jobs"))
    return WatchSettings(targets, INTERVAL, CENSUS, warm_up_s, rules=rules, **more)


def worker(slot: int = 0, target: str = "web") -> WorkerName:
    """A name."""
    return WorkerName(target, slot)


def key_of(pid: int) -> ProcessKey:
    """The process with this pid."""
    return ProcessKey(pid, pid * 100, BOOT)


def process(name: WorkerName, pid: int, started_at: float, seen_at: float | None = None) -> Worker:
    """A process that was found."""
    seen = started_at if seen_at is None else seen_at
    return Worker(name, key_of(pid), "3.12.1", "/usr/bin/python3", started_at, seen)


def sample(at: float, name: WorkerName | None = None, **values: float) -> Sample:
    """One sample."""
    return Sample(name or worker(), at, values)


def event(at: float, kind: str, name: WorkerName | None = None) -> Event:
    """One event."""
    return Event(kind, name or worker(), at)


def census(
    at: float,
    holders: Mapping[str, int | tuple[int, int]] | None = None,
    types: Mapping[str, tuple[int, int]] | None = None,
    *,
    pid: int = 1,
    name: WorkerName | None = None,
    **more: Any,
) -> Census:
    """One census; holders by bytes or by (bytes, count), types by (objects, bytes)."""
    pairs = {
        expression: amount if isinstance(amount, tuple) else (amount, 0)
        for expression, amount in (holders or {}).items()
    }
    values: dict[str, Any] = {
        "quality": "good",
        "objects": 1000,
        "objects_size": 100_000,
        "unreachable_size": 0,
        "suspects": (),
        "pause_ms": 1.0,
        **more,
    }
    return Census(
        worker=name or worker(),
        key=key_of(pid),
        taken_at=at,
        created="2024-05-01T12:00:00Z",
        seconds=0.5,
        method="clone",
        memory={"python objects": 100_000},
        types=tuple(TypeBytes(one, *amounts) for one, amounts in (types or {}).items()),
        holders=tuple(Holder(one, *amounts) for one, amounts in pairs.items()),
        **values,
    )


def said(transitions: list[Transition]) -> list[str]:
    """Transitions as short lines: "web/0 pending>firing snapshot" or "... (withheld)"."""
    lines = []
    for one in transitions:
        why = f" ({one.withheld})" if one.withheld else ""
        done = f" {','.join(one.actions)}" if one.actions else ""
        lines.append(f"{one.worker} {one.old}>{one.new}{done}{why}")
    return lines
