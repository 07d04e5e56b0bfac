"""A page waits for nothing: what is known goes out within a bound, the rest when it is there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from heapgraph.watch.actions.incidents import Incidents
from heapgraph.watch.actions.messages import alert_document, alertmanager_document
from heapgraph.watch.daemon.inquiry import INTERRUPTED
from heapgraph.watch.daemon.unanswered import restored_transitions, saved_transitions
from helpers.answering import FIRES, IS_OVER, SlowCensuses, SlowSnapshots, Told, responder

BOUND_S = 0.02
SNAPSHOT = "web-0-20260101t000000-abcdef"


def test_a_page_does_not_wait_for_a_snapshot_that_takes_long():
    """Given a snapshot beyond the bound, the holder is told, then where the snapshot is."""

    async def run() -> None:
        jobs, told = SlowSnapshots(), Told()
        one = responder(jobs, told, tell_within_s=BOUND_S)
        work = asyncio.ensure_future(one.answer(FIRES))
        await told.next()
        assert not work.done()
        [first] = told.alerts
        assert "app.UNFINISHED" in first.verdict
        assert (first.snapshot, first.snapshot_refused) == ("", "")
        data = alert_document(first)["data"]
        assert data["awaited"] == ["snapshot"]
        assert data["snapshot"]["state"] == "still being taken"
        notes = alertmanager_document(first)["commonAnnotations"]
        assert notes["snapshot"] == "still being taken"
        assert one.unanswered
        jobs.goes_on.set()
        await work
        second = told.alerts[1]
        assert (second.snapshot, second.awaited, second.status) == (SNAPSHOT, (), "firing")
        assert second.incident == first.incident
        assert second.id != first.id
        assert alert_document(second)["data"]["snapshot"]["state"] == "taken"
        assert told.by == [("page",), ("page",)]
        assert not one.unanswered
        await one.answer(IS_OVER)
        assert (told.alerts[2].status, told.alerts[2].snapshot) == ("resolved", SNAPSHOT)

    asyncio.run(run())


def test_what_is_there_within_the_bound_is_one_message():
    async def run() -> None:
        jobs, told = SlowSnapshots(), Told()
        jobs.goes_on.set()
        await responder(jobs, told, tell_within_s=60.0).answer(FIRES)
        [only] = told.alerts
        assert (only.snapshot, only.awaited) == (SNAPSHOT, ())

    asyncio.run(run())


def test_a_cause_that_becomes_known_after_the_page_is_told_as_its_own_incident():
    """Given a census beyond the bound, "unknown" goes out, ends, and the cause opens."""

    async def run() -> None:
        jobs, told = SlowCensuses(), Told()
        one = responder(jobs, told, tell_within_s=BOUND_S)
        work = asyncio.ensure_future(one.answer(FIRES))
        await told.next()
        [first] = told.alerts
        assert "unknown: a census is still being taken" in first.verdict
        assert first.awaited == ("census", "snapshot")
        jobs.goes_on.set()
        while len(told.alerts) < 3:
            await told.next()
        assert not work.done()  # its snapshot takes long, too
        assert [alert.status for alert in told.alerts] == ["firing", "resolved", "firing"]
        assert told.alerts[1].incident == first.incident
        assert told.alerts[1].awaited == ()
        assert told.alerts[2].suspect is not None
        assert told.alerts[2].awaited == ("snapshot",)
        jobs.taken.set()
        await work
        assert told.alerts[3].snapshot == SNAPSHOT
        assert told.alerts[3].incident == told.alerts[2].incident
        assert len({alert.id for alert in told.alerts}) == 4

    asyncio.run(run())


def test_the_next_daemon_tells_what_became_of_a_snapshot_that_was_promised():
    """Given a daemon that ends after the page, the next says that there is no snapshot, and why."""

    async def run() -> None:
        jobs, told, before = SlowSnapshots(), Told(), Incidents()
        first = responder(jobs, told, tell_within_s=BOUND_S, incidents=before)
        work = asyncio.ensure_future(first.answer(FIRES))
        await told.next()
        state = json.loads(json.dumps(before.to_dict(100.0)))
        owed = restored_transitions(
            json.loads(json.dumps(saved_transitions(first.unanswered))), 100.0, 0.0
        )
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

        incidents = Incidents()
        incidents.restore(state, 100.0)
        second = responder(SlowSnapshots(), told, incidents=incidents)
        second.telling.told = dict(first.telling.told)
        for message_id, transition in owed.items():
            await second.answer(transition, message_id)
        page, update = told.alerts
        assert update.snapshot_refused == INTERRUPTED
        assert update.incident == page.incident
        assert update.id != page.id

    asyncio.run(run())


def test_a_restart_does_not_begin_the_bound_anew():
    """Given a rule that fired before its daemon ended, what is late is told at once."""

    async def run() -> None:
        jobs, told = SlowCensuses(), Told()
        one = responder(jobs, told, tell_within_s=60.0)
        late = replace(FIRES, at=FIRES.at - 60.0)
        work = asyncio.ensure_future(one.answer(late, "a" * 32))
        async with asyncio.timeout(20.0):
            await told.next()
        assert "unknown: a census is still being taken" in told.alerts[0].verdict
        assert told.alerts[0].id == "a" * 32
        jobs.goes_on.set()
        await work

    asyncio.run(run())


def test_what_was_told_early_is_to_be_remembered():
    async def run() -> None:
        jobs, told, saved = SlowSnapshots(), Told(), []
        one = responder(jobs, told, tell_within_s=BOUND_S)
        one.remember = lambda: saved.append(len(told.alerts))
        work = asyncio.ensure_future(one.answer(FIRES))
        await told.next()
        jobs.goes_on.set()
        await work
        assert saved == [1]

    asyncio.run(run())
