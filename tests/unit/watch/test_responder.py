"""What rules ask for is owed until it is done, whatever ends the daemon in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from heapgraph.watch.daemon.inquiry import INTERRUPTED
from heapgraph.watch.daemon.unanswered import restored_transitions, saved_transitions
from heapgraph.watch.model import Observation, RuleState
from helpers.answering import FIRES, IS_OVER, SEEN, WEB, SlowJobs, SlowSnapshots, Told, responder
from helpers.watched import census

if TYPE_CHECKING:
    from heapgraph.watch.model import Transition
    from helpers.answering import OneWorker


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
        owed = restored_transitions(saved_transitions(first.unanswered), 100.0, 0.0)
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
    (found,) = restored_transitions(state, 100.0, 0.0).items()
    message_id, transition = found
    assert message_id == "a" * 32
    assert (transition.rule, transition.worker, transition.new) == ("large", WEB, RuleState.FIRING)
    assert transition.observation == SEEN
    assert transition.actions == ("snapshot", "page")
    assert transition.at == FIRES.at


def test_only_what_leads_to_something_is_answered():
    """Given rules that flap and do nothing, there is nothing to answer, and nothing to write."""
    one = responder(SlowJobs(), Told())
    idle = replace(FIRES, actions=())
    assert not one.has_to_answer(idle)
    assert not one.has_to_answer(IS_OVER)
    assert one.has_to_answer(FIRES)
    work = one.answer(FIRES)
    assert one.has_to_answer(IS_OVER)  # also before the work has begun
    work.close()


def test_a_rule_with_an_action_that_knows_nothing_of_the_incident_tells_at_once():
    """Given a note that was told, the pager of another rule with the same cause is told now."""

    async def run() -> None:
        jobs, told = SlowJobs(), Told()
        jobs.goes_on.set()
        one = responder(jobs, told)
        await one.answer(replace(FIRES, actions=("note",)))
        await one.answer(replace(FIRES, actions=("note", "page")))
        await one.answer(replace(FIRES, actions=("note", "page")))
        assert told.by == [("note",), ("page",)]
        assert told.alerts[1].incident == told.alerts[0].incident
        assert told.alerts[1].id != told.alerts[0].id
        await one.answer(IS_OVER)
        assert told.by[-1] == ("note", "page")

    asyncio.run(run())


def test_of_a_process_that_has_ended_its_own_last_census_is_told():
    """Given a new process in its place, nothing of that one is looked at or told."""

    async def run() -> None:
        jobs, told = SlowJobs(), Told()
        one = responder(jobs, told)
        watcher = cast("OneWorker", one._watcher)
        watcher.ended[WEB] = census(94.0, {"app.OLD": 100})
        seen = Observation("exit", 1, 1, 1, "exit, once")
        await one.answer(replace(FIRES, observation=seen, actions=("snapshot", "page")))
        assert jobs.asked == []
        [alert] = told.alerts
        assert alert.pid == 0
        assert alert.snapshot_refused == "its process has ended"
        assert "6 s before" in alert.verdict

    asyncio.run(run())


def test_an_earlier_census_is_told_with_its_age_where_no_new_one_can_be_taken():
    async def run() -> None:
        jobs, told = SlowJobs(), Told()
        jobs.goes_on.set()
        one = responder(jobs, told)
        watcher = cast("OneWorker", one._watcher)
        key = watcher.workers[WEB].key
        watcher.censuses[WEB] = replace(census(40.0, {"app.OLD": 100}), key=key)
        await one.answer(FIRES)
        [alert] = told.alerts
        assert alert.pid == key.pid
        assert "no holder stands out" in alert.verdict
        assert "that was 1 min before, since then: no census: a test" in alert.verdict

    asyncio.run(run())


@pytest.mark.parametrize("fails", ["census", "snapshot"])
def test_a_page_goes_out_whatever_fails(fails: str):
    """Given a failure nobody thought of, what is known is told, and the cause of the rest."""

    async def run() -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("can't start new thread")

        jobs, told = SlowSnapshots(), Told()
        jobs.goes_on.set()
        setattr(jobs, fails, fail)
        one = responder(jobs, told)
        await one.answer(FIRES)
        [alert] = told.alerts
        cause = "heapgraph failed: RuntimeError: can't start new thread"
        assert (alert.snapshot_refused == cause) == (fails == "snapshot")
        assert (f"is unknown: {cause}" in alert.verdict) == (fails == "census")
        assert not one.unanswered

    asyncio.run(run())


def test_a_failure_between_the_steps_is_told_as_well():
    """Given a defect outside of census and snapshot, the page says that it is unknown."""

    async def run() -> None:
        jobs, told = SlowSnapshots(), Told()
        one = responder(jobs, told)

        def fail(_census: object) -> list[Transition]:
            raise TypeError("unorderable")

        cast("OneWorker", one._watcher).take_census = fail  # type: ignore[method-assign]
        await one.answer(FIRES)
        [alert] = told.alerts
        assert "is unknown: heapgraph failed: TypeError: unorderable" in alert.verdict
        assert alert.awaited == ()
        assert not one.unanswered

    asyncio.run(run())
