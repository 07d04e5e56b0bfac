"""What rules ask for is owed until it is done, whatever ends the daemon in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from heapgraph.errors import TargetError
from heapgraph.watch.actions.incidents import Incidents
from heapgraph.watch.daemon.responder import INTERRUPTED, Responder
from heapgraph.watch.daemon.unanswered import restored_transitions, saved_transitions
from heapgraph.watch.model import (
    Observation,
    ProcessKey,
    RuleState,
    Transition,
    Worker,
    WorkerName,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.watch.daemon.jobs import Jobs
    from heapgraph.watch.daemon.watcher import Watcher
    from heapgraph.watch.model import Alert

WEB = WorkerName("web", 0)
SEEN = Observation("rss_bytes", 3.0, 2.0, 3, "rss_bytes was 3 B, above 2 B, 3 times in a row")
FIRES = Transition(
    "large", WEB, RuleState.PENDING, RuleState.FIRING, 10.0, SEEN, ("snapshot", "page")
)
IS_OVER = Transition("large", WEB, RuleState.FIRING, RuleState.RESOLVED, 11.0, SEEN)


class Told:
    """An outbox that keeps what it gets."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def add(self, alert: Alert, names: Sequence[str]) -> None:
        del names
        self.alerts.append(alert)


class SlowJobs:
    """Jobs that fail once they are let go on."""

    def __init__(self) -> None:
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()
        self.asked: list[str] = []

    async def census(self, *_: object) -> None:
        self.asked.append("census")
        self.begun.set()
        await self.goes_on.wait()
        raise TargetError("no census", "a test", "")

    async def snapshot(self, *_: object) -> None:
        self.asked.append("snapshot")
        raise TargetError("no snapshot", "a test", "")


class OneWorker:
    """A watcher that knows one worker."""

    def __init__(self) -> None:
        key = ProcessKey(4711, 1, "boot")
        self.workers = {WEB: Worker(WEB, key, "3.12.1", "/usr/bin/python3", 0.0, 0.0)}
        self.latest: dict[WorkerName, Any] = {}
        self.censuses: dict[WorkerName, Any] = {}


def responder(jobs: SlowJobs, told: Told) -> Responder:
    return Responder(
        watcher=cast("Watcher", OneWorker()),
        jobs=cast("Jobs", jobs),
        incidents=Incidents(),
        outbox=told,
        say=lambda _: None,
        clock=lambda: 100.0,
    )


def test_what_is_taken_up_is_owed_before_anything_is_done():
    """Given a rule that fires, it is written down as owed at once, and no more when it is told."""

    async def run() -> None:
        jobs, told = SlowJobs(), Told()
        one = responder(jobs, told)
        work = one.answer(FIRES)
        assert list(one.unanswered.values()) == [FIRES]
        jobs.goes_on.set()
        await work
        assert not one.unanswered
        assert [alert.status for alert in told.alerts] == ["firing"]

    asyncio.run(run())


def test_what_is_cancelled_stays_owed_under_the_id_of_its_message():
    """Given a daemon that ends meanwhile, the next one tells under the same id, with no dump."""

    async def run() -> None:
        jobs, told = SlowJobs(), Told()
        first = responder(jobs, told)
        task = asyncio.ensure_future(first.answer(FIRES))
        await jobs.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        owed = restored_transitions(saved_transitions(first.unanswered), 50.0)
        assert not told.alerts

        later = SlowJobs()
        later.goes_on.set()
        second = responder(later, told)
        for message_id, transition in owed.items():
            await second.answer(transition, message_id)
        assert [alert.id for alert in told.alerts] == list(owed)
        assert told.alerts[0].snapshot_refused == INTERRUPTED
        assert later.asked == ["census"]
        assert not second.unanswered

    asyncio.run(run())


def test_an_end_that_comes_before_the_world_was_told_is_told_after_it():
    """Given a target that ends while it is counted, the incident does not stay open for ever."""

    async def run() -> None:
        jobs, told = SlowJobs(), Told()
        one = responder(jobs, told)
        task = asyncio.ensure_future(one.answer(FIRES))
        await jobs.begun.wait()
        await one.answer(IS_OVER)
        assert not told.alerts
        jobs.goes_on.set()
        await task
        assert [alert.status for alert in told.alerts] == ["firing", "resolved"]
        assert told.alerts[0].incident == told.alerts[1].incident
        assert not one.unanswered

    asyncio.run(run())


def test_an_owed_transition_is_the_same_after_it_was_written_down():
    """Given the state file, what is whole in it comes back, what is damaged is left out."""
    state = saved_transitions({"a" * 32: FIRES})
    state["b" * 32] = {"rule": "large"}
    (found,) = restored_transitions(state, 50.0).items()
    message_id, transition = found
    assert message_id == "a" * 32
    assert (transition.rule, transition.worker, transition.new) == ("large", WEB, RuleState.FIRING)
    assert transition.observation == SEEN
    assert transition.actions == ("snapshot", "page")
    assert transition.at == 50.0
