"""The budget is kept over a day of a simulated clock."""

from __future__ import annotations

import json
import random

from heapgraph.watch.daemon.budget import ROUTINE_SHARE, WINDOW_S, Spending
from heapgraph.watch.model import WorkerName
from heapgraph.watch.settings.model import Budget

DAY_S = 24 * 3600


def test_a_day_of_greedy_rules_keeps_the_budget():
    """Given something that wants a census every five seconds, each hour costs what it may."""
    chance = random.Random(5)
    budget = Budget(cpu=0.02)
    spending = Spending(budget)
    taken: list[tuple[float, float]] = []
    for now in range(0, DAY_S, 5):
        if spending.refusal("census", "web", now, {}) is None:
            spending.begin()
            cost = chance.uniform(0.5, 3)
            spending.end("census", "web", now + 1, cost)
            taken.append((now + 1, cost))
    for begin in range(0, DAY_S, 300):
        spent = sum(cost for at, cost in taken if begin <= at < begin + WINDOW_S)
        # What the next one costs is known by the one before it: it may be dearer, once.
        assert spent <= budget.cpu * WINDOW_S + 3
    assert sum(cost for _, cost in taken) > 0.9 * 0.02 * DAY_S


def test_a_heap_beyond_the_budget_is_looked_at_once_an_hour():
    spending = Spending(Budget(cpu=0.001))
    looks = 0
    for now in range(0, 4 * 3600, 5):
        if spending.refusal("snapshot", "web", now, {}) is None:
            spending.begin()
            spending.end("snapshot", "web", now, 100.0)
            looks += 1
    assert looks == 4


def test_censuses_by_the_clock_leave_a_part_for_what_rules_ask():
    spending = Spending(Budget(cpu=0.02))  # 72 s an hour
    for now in range(0, WINDOW_S.__int__(), 5):
        if spending.refusal("census", "web", now, {}, share=ROUTINE_SHARE) is None:
            spending.begin()
            spending.end("census", "web", now, 2.0)
    assert spending.spent(WINDOW_S - 1) == 54.0
    assert spending.refusal("census", "web", WINDOW_S - 1, {}, share=ROUTINE_SHARE) is not None
    assert spending.refusal("snapshot", "web", WINDOW_S - 1, {}) is None


def test_one_at_a_time():
    spending = Spending(Budget(at_once=1))
    spending.begin()
    refused = spending.refusal("census", "web", 0, {})
    assert refused is not None
    assert refused.reason == "busy"
    spending.end("census", "web", 1, 0.1)
    assert spending.refusal("census", "web", 2, {}) is None


def test_a_group_with_little_room_is_left_alone():
    spending = Spending(Budget(headroom=0.15))
    assert spending.refusal("census", "web", 0, {"cgroup_ratio": 0.84}) is None
    refused = spending.refusal("census", "web", 0, {"cgroup_ratio": 0.86})
    assert refused is not None
    assert refused.reason == "headroom"


def test_what_was_spent_is_known_after_a_restart():
    before = Spending(Budget(cpu=0.01))
    before.begin()
    before.end("census", "web", 1000, 36.0)
    state = json.loads(json.dumps(before.to_dict(1600)))
    after = Spending(Budget(cpu=0.01))
    after.restore(state, now=5.0, away_s=60)
    refused = after.refusal("census", "web", 6, {})
    assert refused is not None
    assert refused.reason == "cpu"
    assert after.refusal("census", "web", 5 + WINDOW_S - 600, {}) is None


FIRST, SECOND, OTHER = WorkerName("web", 0), WorkerName("web", 1), WorkerName("jobs", 0)


def test_a_pause_that_was_longer_than_allowed_is_not_repeated_for_an_hour():
    spending = Spending(Budget(max_pause_ms=50))
    spending.pauses.note(FIRST, 100.0, 49.0, 2_000_000)
    assert spending.pause_refusal(FIRST, 101.0) is None
    spending.pauses.note(FIRST, 200.0, 80.0, 2_000_000)
    refused = spending.pause_refusal(FIRST, 300.0)
    assert refused is not None
    assert (refused.reason, refused.retry_after_s) == ("pause", 200.0 + WINDOW_S - 300.0)
    assert "80 ms" in refused.text
    assert "max_pause is 50 ms" in refused.text
    assert spending.pause_refusal(OTHER, 300.0) is None
    assert spending.pause_refusal(FIRST, 200.0 + WINDOW_S) is None


def test_what_a_worker_may_take_goes_by_its_own_objects():
    """Given a worker with a fourth of the objects, it may stand for a fourth of the time."""
    spending = Spending(Budget(max_pause_ms=50))
    spending.pauses.note(FIRST, 0.0, 80.0, 8_000_000)
    spending.pauses.note(SECOND, 1.0, 10.0, 2_000_000)
    assert spending.pauses.expected(FIRST, 2.0)[0] == 80.0
    assert spending.pauses.expected(SECOND, 2.0)[0] == 20.0
    assert spending.pauses.expected(WorkerName("web", 2), 2.0)[0] == 80.0  # nothing is known of it


def test_the_pause_of_a_small_heap_says_nothing_of_each_million():
    spending = Spending(Budget(max_pause_ms=50))
    spending.pauses.note(FIRST, 0.0, 5.0, 20_000)
    spending.pauses.note(SECOND, 0.0, 5.0, 3_000_000)
    assert spending.pauses.expected(FIRST, 1.0)[0] == 5.0
    assert spending.pauses.expected(SECOND, 1.0)[0] == 15.0


def test_measured_pauses_are_known_after_a_restart():
    before = Spending(Budget(max_pause_ms=50))
    before.pauses.note(FIRST, 1000.0, 60.0, 1_000_000)
    state = json.loads(json.dumps(before.to_dict(1600)))
    after = Spending(Budget(max_pause_ms=50))
    after.restore(state, now=5.0, away_s=60)
    refused = after.pause_refusal(FIRST, 5.0)
    assert refused is not None
    assert refused.retry_after_s == WINDOW_S - 660.0
