"""Censuses and snapshots one after another: what was measured counts for the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.watch.audit.log import NoLog
from heapgraph.watch.audit.record import DAEMON
from heapgraph.watch.daemon import jobs as jobs_module
from heapgraph.watch.daemon.budget import Spending
from heapgraph.watch.daemon.jobs import Asked, JobRefused, Jobs
from heapgraph.watch.settings.model import Budget
from helpers.watched import census, process, worker

if TYPE_CHECKING:
    from heapgraph.watch.model import Census

WORKER = process(worker(), 1, 0.0)
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
