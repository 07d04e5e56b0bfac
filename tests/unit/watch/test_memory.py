"""What a daemon remembers of an earlier one: by the steady clock while the machine runs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from heapgraph.watch.daemon.budget import Spending
from heapgraph.watch.daemon.memory import Remembered
from heapgraph.watch.daemon.unanswered import saved_transitions
from heapgraph.watch.sampling.process_handle import boot_id
from heapgraph.watch.settings.model import Budget
from helpers.answering import FIRES as ANY

DAY_S = 86400.0
FIRES = replace(ANY, at=10.0)


class Nothing:
    """Of the other parts nothing is wanted here."""

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = {}

    def restore(self, *_: object) -> None:
        """Take nothing."""


def spent_after(document: dict[str, Any], now: float) -> float:
    spending, nothing = Spending(Budget()), Nothing()
    state = {"spending": {"spent": [[60.0, 7.0]], "usual": {}}, **document}
    Remembered(state).restore(now, spending, nothing, nothing)  # type: ignore[arg-type]
    return spending.spent(now)


@pytest.mark.parametrize("jump_s", [-DAY_S, 0.0, DAY_S])
def test_what_was_spent_does_not_go_by_the_time_of_day(jump_s: float):
    """Given a clock that is set by a day while no daemon runs, the budget stays spent."""
    document = {"boot_id": boot_id(), "steady": 990.0, "time_of_day": time.time() - jump_s}
    assert spent_after(document, 1000.0) == 7.0


def test_what_was_spent_an_hour_ago_is_forgotten():
    """Given a daemon that was away for an hour by the steady clock, nothing counts any more."""
    document = {"boot_id": boot_id(), "steady": 0.0, "time_of_day": time.time()}
    assert spent_after(document, 3700.0) == 0.0


def test_after_another_boot_the_time_of_day_is_all_there_is():
    """Given a state of another boot, its steady clock says nothing about this one's."""
    document = {"boot_id": "another", "steady": 990.0, "time_of_day": time.time() - DAY_S}
    assert spent_after(document, 1000.0) == 0.0
    document["time_of_day"] = time.time() - 1
    assert spent_after(document, 1000.0) == 7.0


def owed_at(now: float, **more: Any) -> float:
    """When what is owed fired, by the clock of this boot."""
    unanswered = saved_transitions({"a" * 32: FIRES})
    state = {"boot_id": boot_id(), "steady": 40.0, "time_of_day": time.time(), **more}
    (found,) = Remembered({**state, "unanswered": unanswered}).owed(now).values()
    return found.at


def test_what_is_owed_fired_when_it_did():
    """Given a restart, the time to tell it within goes on; after another boot by the day."""
    assert owed_at(50.0) == FIRES.at
    assert owed_at(FIRES.at - 5.0) == FIRES.at - 5.0  # never later than now
    elsewhere = owed_at(50.0, boot_id="another", time_of_day=time.time() - 100.0)
    assert elsewhere == pytest.approx(50.0 - 100.0 - (40.0 - FIRES.at), abs=1.0)


@pytest.mark.parametrize("steady", [None, "x", float("inf"), float("nan"), []])
def test_a_damaged_clock_owes_nothing_and_ends_nothing(steady: object):
    state = {"boot_id": "another", "steady": steady, "time_of_day": steady}
    unanswered = saved_transitions({"a" * 32: FIRES})
    assert Remembered({**state, "unanswered": unanswered}).owed(50.0) == {}
