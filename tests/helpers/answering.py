"""A responder whose jobs and receivers are doubles that a test lets go on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from heapgraph.errors import TargetError
from heapgraph.watch.actions.incidents import Incidents
from heapgraph.watch.daemon.responder import Responder
from heapgraph.watch.model import (
    Observation,
    ProcessKey,
    RuleState,
    Transition,
    Worker,
    WorkerName,
)
from helpers.alerts import SUSPECT
from helpers.watched import census

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.watch.daemon.jobs import Jobs
    from heapgraph.watch.daemon.watcher import Watcher
    from heapgraph.watch.model import Alert, Census

WEB = WorkerName("web", 0)
SEEN = Observation("rss_bytes", 3.0, 2.0, 3, "rss_bytes was 3 B, above 2 B, 3 times in a row")
FIRES = Transition(
    "large", WEB, RuleState.PENDING, RuleState.FIRING, 100.0, SEEN, ("snapshot", "page")
)
IS_OVER = Transition("large", WEB, RuleState.FIRING, RuleState.RESOLVED, 101.0, SEEN)


SNAPSHOT = SimpleNamespace(id="web-0-20260101t000000-abcdef", pause_ms=1.0, why_paused="")


class Told:
    """An outbox that keeps what it gets."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.by: list[tuple[str, ...]] = []
        self.came = asyncio.Event()

    def add(self, alert: Alert, names: Sequence[str]) -> None:
        self.alerts.append(alert)
        self.by.append(tuple(names))
        self.came.set()

    async def next(self) -> None:
        """Wait for one that was not waited for before."""
        await self.came.wait()
        self.came.clear()


class SlowJobs:
    """Jobs that fail once they are let go on."""

    store = None

    def __init__(self) -> None:
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()
        self.asked: list[str] = []

    async def shared_snapshot(self, *_: object) -> Any:
        return None

    async def census(self, *_: object) -> Census:
        self.asked.append("census")
        self.begun.set()
        await self.goes_on.wait()
        raise TargetError("no census", "a test", "")

    async def snapshot(self, *_: object) -> Any:
        self.asked.append("snapshot")
        raise TargetError("no snapshot", "a test", "")


class OneWorker:
    """A watcher that knows one worker."""

    def __init__(self) -> None:
        key = ProcessKey(4711, 1, "boot")
        self.workers = {WEB: Worker(WEB, key, "3.12.1", "/usr/bin/python3", 0.0, 0.0)}
        self.latest: dict[WorkerName, Any] = {}
        self.censuses: dict[WorkerName, Any] = {}
        self.ended: dict[WorkerName, Any] = {}

    def take_census(self, one: Census) -> list[Transition]:
        self.censuses[one.worker] = replace(one, key=self.workers[WEB].key)
        return []


class SlowSnapshots(SlowJobs):
    """Jobs whose census is there at once, and whose snapshot takes until they are let go on."""

    async def census(self, *_: object) -> Census:
        self.asked.append("census")
        return census(100.0, {"app.CACHE": 100}, suspects=(SUSPECT,), pid=4711)

    async def snapshot(self, *_: object) -> Any:
        self.asked.append("snapshot")
        self.begun.set()
        await self.goes_on.wait()
        return SNAPSHOT


class SlowCensuses(SlowJobs):
    """Jobs whose census takes until they are let go on, and whose snapshot until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = asyncio.Event()

    async def snapshot(self, *_: object) -> Any:
        await self.taken.wait()
        return SNAPSHOT

    async def census(self, *_: object) -> Census:
        self.begun.set()
        await self.goes_on.wait()
        return census(100.0, {"app.CACHE": 100}, suspects=(SUSPECT,), pid=4711)


def responder(
    jobs: SlowJobs,
    told: Told,
    *,
    tell_within_s: float = 60.0,
    incidents: Incidents | None = None,
) -> Responder:
    return Responder(
        watcher=cast("Watcher", OneWorker()),
        jobs=cast("Jobs", jobs),
        incidents=Incidents() if incidents is None else incidents,
        outbox=told,
        say=lambda _: None,
        clock=lambda: 100.0,
        tell_within_s=tell_within_s,
    )
