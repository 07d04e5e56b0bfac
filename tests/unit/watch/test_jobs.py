"""Censuses and snapshots one after another: what was measured counts for the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from heapgraph.errors import TargetError
from heapgraph.watch.audit.log import NoLog
from heapgraph.watch.audit.record import DAEMON
from heapgraph.watch.daemon import jobs as jobs_module
from heapgraph.watch.daemon.budget import Spending
from heapgraph.watch.daemon.counts import Counts
from heapgraph.watch.daemon.inquiry import SAME_S, Inquiry
from heapgraph.watch.daemon.jobs import Asked, JobRefused, Jobs
from heapgraph.watch.daemon.serving.operations import MOST_RUNNING, Operations
from heapgraph.watch.http.served import OverBudget, SnapshotRunning
from heapgraph.watch.settings.model import Budget, StoreSpec
from helpers.alerts import SUSPECT
from helpers.answering import FIRES
from helpers.watched import census, process, worker

if TYPE_CHECKING:
    from heapgraph.watch.daemon.watcher import Watcher
    from heapgraph.watch.model import Census, Worker

WORKER, SECOND = process(worker(), 1, 0.0), process(worker(1), 2, 0.0)
ASKED = Asked(DAEMON, "test")


def jobs_with(budget: Budget, **more: Any) -> Jobs:
    """Jobs with no store and no log."""
    given = {"store": None, "profiles": None, "audit": NoLog(), "own": set(), **more}
    return Jobs(budget=budget, spending=Spending(budget), clock=lambda: 1.0, **given)


def test_a_census_that_stood_too_long_keeps_the_next_from_being_taken(
    monkeypatch: pytest.MonkeyPatch,
):
    pauses = [30.0, 80.0, 30.0]

    async def run_census(*_: Any, **__: Any) -> Census:
        return census(1.0, pause_ms=pauses.pop(0))

    monkeypatch.setattr(jobs_module, "run_census", run_census)
    jobs = jobs_with(Budget(max_pause_ms=50))

    async def take() -> Census:
        return await jobs.census(WORKER, {}, ASKED)

    try:
        for _ in range(2):
            asyncio.run(take())
        with pytest.raises(JobRefused) as refused:
            asyncio.run(take())
    finally:
        jobs.close()
    assert refused.value.refusal.reason == "pause"
    assert pauses == [30.0]


@dataclass(frozen=True)
class Stored:
    """A snapshot as the store knows it, as far as jobs look at it."""

    id: str
    pause_ms: float = 1.0
    objects: int = 10
    quality: str = "good"
    method: str = "clone"
    why_paused: str = ""
    sha256: str = ""
    redacted: bool = True


class Room:
    """A store with room for everything."""

    spec = StoreSpec()

    def check_room(self, *_: object) -> None:
        """There is."""

    def find(self, snapshot_id: str) -> str:
        """It is there."""
        return snapshot_id


class Dumps:
    """Dumps that end when a test lets them go on, each with an id of its own; `fail`: badly."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.goes_on = asyncio.Event()
        self.has_begun = asyncio.Event()
        self.fail: set[str] = set()
        monkeypatch.setattr(jobs_module, "dump_into", self._dump)

    async def _dump(self, _store: object, worker: Worker, **_: object) -> Stored:
        name = f"{worker.name}#{len(self.begun)}"
        self.begun.append(name)
        self.has_begun.set()
        await self.goes_on.wait()
        if name in self.fail:
            raise TargetError("no snapshot", "a test", "")
        return Stored(name)


def operations_of(jobs: Jobs) -> Operations:
    """With both workers up."""
    watcher = SimpleNamespace(workers={one.name: one for one in (WORKER, SECOND)}, latest={})
    return Operations(jobs, cast("Watcher", watcher), lambda *_: None)


async def ended(operations: Operations, operation_id: str) -> str:
    """The state of an operation when it runs no more."""
    while True:
        (one,) = [each for each in operations.all() if each.id == operation_id]
        if one.state != "running":
            return one.state
        await asyncio.sleep(0)


def test_a_snapshot_waits_for_another_worker_and_not_for_its_own(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        dumps, jobs = Dumps(monkeypatch), jobs_with(Budget(), store=Room())
        operations = operations_of(jobs)
        by_rule = asyncio.ensure_future(jobs.snapshot(SECOND, {}, ASKED))
        await dumps.has_begun.wait()
        waits = await operations.start(WORKER.name, DAEMON, "")
        for name, why in ((SECOND.name, "a rule has"), (WORKER.name, "a peer has")):
            with pytest.raises(SnapshotRunning) as refused:
                await operations.start(name, DAEMON, "")
            assert refused.value.cause.startswith(why)
        assert dumps.begun == ["web/1#0"]
        dumps.goes_on.set()
        assert (await by_rule).id == "web/1#0"
        assert await ended(operations, waits.id) == "done"
        assert dumps.begun == ["web/1#0", "web/0#1"]

    asyncio.run(run())


def test_a_snapshot_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        dumps, jobs = Dumps(monkeypatch), jobs_with(Budget(), store=Room())
        by_rule = asyncio.ensure_future(jobs.snapshot(SECOND, {}, ASKED))
        await dumps.has_begun.wait()
        with pytest.raises(JobRefused) as refused:
            await jobs.snapshot(WORKER, {}, ASKED, wait_s=0.01)
        assert refused.value.refusal.reason == "busy"
        assert not jobs.is_taking(WORKER)
        dumps.goes_on.set()
        await by_rule
        assert (await jobs.snapshot(WORKER, {}, ASKED)).id == "web/0#1"

    asyncio.run(run())


def test_peers_that_ask_for_too_much_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        dumps, jobs = Dumps(monkeypatch), jobs_with(Budget(), store=Room())
        workers = {worker(slot): process(worker(slot), slot + 1, 0.0) for slot in range(5)}
        watcher = SimpleNamespace(workers=workers, latest={})
        operations = Operations(jobs, cast("Watcher", watcher), lambda *_: None)
        for name in list(workers)[:MOST_RUNNING]:
            await operations.start(name, DAEMON, "")
        with pytest.raises(OverBudget):
            await operations.start(worker(MOST_RUNNING), DAEMON, "")
        dumps.goes_on.set()
        await operations.close()

    asyncio.run(run())


def inquiry_of(jobs: Jobs, said: list[str], at: list[float]) -> Inquiry:
    """Of a watcher that has a fresh census of both workers, with one suspect."""
    known = {
        one.name: census(at[0], suspects=(SUSPECT,), name=one.name, pid=one.key.pid)
        for one in (WORKER, SECOND)
    }
    watcher = SimpleNamespace(
        workers={one.name: one for one in (WORKER, SECOND)}, latest={}, censuses=known, ended={}
    )
    return Inquiry(
        watcher=cast("Watcher", watcher),
        jobs=jobs,
        counts=Counts(),
        say=said.append,
        clock=lambda: at[0],
    )


async def found(inquiry: Inquiry, rule: str) -> str:
    """The id of the snapshot that a rule gets."""
    fires = replace(FIRES, rule=rule, worker=WORKER.name)

    async def no_census(*_: object) -> str:
        return "a test"

    one = await inquiry.find_out(fires, no_census, lambda _: None, is_late=False)
    return one.snapshot or one.refused


def test_rules_that_fire_for_one_cause_have_one_snapshot(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        dumps, jobs = Dumps(monkeypatch), jobs_with(Budget(), store=Room())
        said: list[str] = []
        at = [100.0]
        inquiry = inquiry_of(jobs, said, at)
        together = asyncio.gather(found(inquiry, "large"), found(inquiry, "kept"))
        await dumps.has_begun.wait()
        dumps.goes_on.set()
        assert await together == ["web/0#0", "web/0#0"]
        assert await found(inquiry, "later") == "web/0#0"
        assert dumps.begun == ["web/0#0"]
        assert "web/0: snapshot web/0#0 is for later, too" in said
        # A rule that acts again wants to see what became of it, and so does one of an hour later.
        assert await found(inquiry, "large") == "web/0#1"
        at[0] += SAME_S + 1
        assert await found(inquiry, "kept") == "web/0#2"

    asyncio.run(run())


def test_a_snapshot_that_fails_serves_nobody(monkeypatch: pytest.MonkeyPatch):
    """Given two rules that wait for one that fails, one of them takes the next, for both."""

    async def run() -> None:
        dumps, jobs = Dumps(monkeypatch), jobs_with(Budget(), store=Room())
        inquiry = inquiry_of(jobs, [], [100.0])
        dumps.fail = {"web/0#0"}
        names = ("large", "kept", "more")
        together = asyncio.gather(*(found(inquiry, name) for name in names))
        await dumps.has_begun.wait()
        dumps.goes_on.set()
        assert await together == ["no snapshot: a test", "web/0#1", "web/0#1"]

    asyncio.run(run())
