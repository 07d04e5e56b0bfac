"""When a rule that fires acts: cool-down, so many times in a window, the worst of many."""

from __future__ import annotations

import itertools
import random

import pytest

from heapgraph.watch.model import RuleState
from heapgraph.watch.rules.engine import RuleEngine
from heapgraph.watch.rules.limits import ActionTimes
from heapgraph.watch.settings.model import RuleSpec
from helpers.watched import INTERVAL, event, said, sample, settings_with, worker


def spec(**more):
    values = {"metric": "rss_bytes", "above": 100, "do": ("snapshot",), "cool_down_s": 60, **more}
    return RuleSpec("r", **values)


def look(engine, at, *values):
    samples = [
        sample(at, worker(slot), rss_bytes=value)
        for slot, value in enumerate(values)
        if value is not None
    ]
    return said(engine.look(at, samples))


def test_only_the_worst_of_a_look_acts():
    engine = RuleEngine(settings_with(spec()))
    assert look(engine, 0, 150, 400, 50, 300) == [
        "web/0 inactive>firing (web/1 is worse)",
        "web/1 inactive>firing snapshot",
        "web/3 inactive>firing (web/1 is worse)",
    ]
    # They were told of by the worst one: nothing follows when the cool-down is over.
    assert look(engine, 60, 150, 400, 50, 300) == []


def test_of_equals_the_first_slot_acts():
    assert look(RuleEngine(settings_with(spec())), 0, 150, 150)[0].endswith("firing snapshot")


def test_the_lowest_is_the_worst_where_low_is_bad():
    rule = RuleSpec("r", metric="seconds_to_limit", below=600, do=("page",))
    engine = RuleEngine(settings_with(rule))
    samples = [sample(0, worker(slot), seconds_to_limit=value) for slot, value in ((0, 90), (1, 9))]
    assert said(engine.look(0, samples)) == [
        "web/0 inactive>firing (web/1 is worse)",
        "web/1 inactive>firing page",
    ]


def test_each_target_has_its_own_worst_and_limits():
    engine = RuleEngine(settings_with(spec()))
    names = [worker(0), worker(1), worker(0, "jobs")]
    samples = [sample(0, name, rss_bytes=200 + n) for n, name in enumerate(names)]
    assert said(engine.look(0, samples)) == [
        "web/0 inactive>firing (web/1 is worse)",
        "web/1 inactive>firing snapshot",
        "jobs/0 inactive>firing snapshot",
    ]


def test_a_second_worker_waits_for_the_cool_down_of_the_first():
    engine = RuleEngine(settings_with(spec()))
    assert look(engine, 0, 150, 50) == ["web/0 inactive>firing snapshot"]
    assert look(engine, 10, 150, 150) == ["web/1 inactive>firing (cool-down: 50 s to go)"]
    assert look(engine, 55, 150, 150) == []
    assert look(engine, 60, 150, 150) == ["web/1 firing>firing snapshot"]
    assert look(engine, 120, 150, 150) == []


def test_what_ends_before_the_cool_down_is_never_told():
    engine = RuleEngine(settings_with(spec()))
    look(engine, 0, 150, 50)
    look(engine, 10, 150, 150)
    assert look(engine, 15, 150, 50) == ["web/1 firing>resolved (nothing was done while it fired)"]
    assert look(engine, 100, 150, 50) == []
    assert look(engine, 105, 50, 50) == ["web/0 firing>resolved"]


def test_what_is_owed_waits_until_it_is_seen_to_hold():
    engine = RuleEngine(settings_with(spec(times=2)))
    for at in (0, 5):
        look(engine, at, 150, 50)
    for at in (10, 15):
        look(engine, at, 150, 150)
    assert look(engine, 65, 150, 50) == []
    assert look(engine, 70, 150, 150) == ["web/1 firing>firing snapshot"]


def test_of_those_that_are_owed_the_worst_acts():
    engine = RuleEngine(settings_with(spec()))
    look(engine, 0, 150, 50, 50)
    assert len(look(engine, 5, 150, 160, 170)) == 2
    assert look(engine, 60, 150, 160, 170) == ["web/2 firing>firing snapshot"]
    assert look(engine, 120, 150, 160, 170) == []


def test_so_many_times_in_a_window():
    engine = RuleEngine(settings_with(spec(cool_down_s=1, at_most=2, at_most_window_s=100)))
    assert look(engine, 0, 150) == ["web/0 inactive>firing snapshot"]
    look(engine, 5, 50)
    assert look(engine, 10, 150) == ["web/0 resolved>firing snapshot"]
    look(engine, 15, 50)
    assert look(engine, 20, 150) == [
        "web/0 resolved>firing (at most 2 in 1 min 40 s: 1 min 20 s to go)"
    ]
    assert look(engine, 95, 150) == []
    assert look(engine, 100, 150) == ["web/0 firing>firing snapshot"]


def test_a_rule_that_does_nothing_has_only_a_state():
    engine = RuleEngine(settings_with(spec(do=())))
    assert look(engine, 0, 150, 160) == ["web/0 inactive>firing", "web/1 inactive>firing"]
    assert look(engine, 5, 50, 50) == ["web/0 firing>resolved", "web/1 firing>resolved"]
    assert engine.state.limits == {}


def test_a_rule_that_flaps_for_a_day_sends_no_storm():
    rule = spec(cool_down_s=1800, at_most=3, at_most_window_s=86400)
    engine = RuleEngine(settings_with(rule))
    acted = []
    for number in range(17280):
        at = number * INTERVAL
        for one in engine.look(at, [sample(at, rss_bytes=150 if number % 2 else 50)]):
            acted += [at] if one.actions else []
    assert len(acted) == 3
    assert min(later - before for before, later in itertools.pairwise(acted)) >= 1800


def test_hysteresis_keeps_a_flapping_rule_firing():
    engine = RuleEngine(settings_with(spec(times=3)))
    states = set()
    for number in range(300):
        at = number * INTERVAL
        # Two looks above for each below, after three above.
        value = 50 if number > 5 and number % 3 == 0 else 150
        states |= {one.new for one in engine.look(at, [sample(at, rss_bytes=value)])}
    assert states == {RuleState.PENDING, RuleState.FIRING}


def test_a_rolling_deploy_is_one_message():
    rule = RuleSpec("e", event="exit", do=("page",), cool_down_s=1800)
    engine = RuleEngine(settings_with(rule))
    found = [engine.event(event(slot * 3.0, "exit", worker(slot))) for slot in range(50)]
    assert sum(bool(one.actions) for ones in found for one in ones) == 1


@pytest.mark.parametrize("seed", range(30))
def test_limits_against_a_plain_count(seed):
    chance = random.Random(seed)
    rule = spec(
        cool_down_s=chance.choice([1, 30, 300]),
        at_most=chance.choice([0, 1, 2, 5]),
        at_most_window_s=chance.choice([60, 600, 3600]),
    )
    times, acted, at = ActionTimes(rule), [], 0.0
    for _ in range(500):
        at += chance.choice([0, 1, 10, 59, 61, 400])
        recent = [one for one in acted if at - one < rule.at_most_window_s]
        is_cool = not acted or at - acted[-1] >= rule.cool_down_s
        may = is_cool and (not rule.at_most or len(recent) < rule.at_most)
        assert (times.why_not(at) == "") is may
        if may and chance.random() < 0.8:
            times.record(at)
            acted.append(at)
        times = ActionTimes(rule, times.moments)


def test_a_moment_of_the_future_grants_nothing():
    times = ActionTimes(spec(), [1000.0])
    assert times.why_not(10.0) == "cool-down: 1 min to go"


def group_look(engine, at, sizes, **values):
    samples = [sample(at, worker(slot), **{**values, **size}) for slot, size in enumerate(sizes)]
    return said(engine.look(at, samples))


MASTER_AND_WORKERS = [{"private_bytes": size} for size in (26, 300, 500)]


@pytest.mark.parametrize(
    ("metric", "value"), [("cgroup_ratio", 0.9), ("cgroup_bytes", 900), ("psi_some", 0.9)]
)
def test_of_a_value_of_the_group_the_largest_worker_acts(metric, value):
    engine = RuleEngine(settings_with(spec(metric=metric, above=0.8)))
    assert group_look(engine, 0, MASTER_AND_WORKERS, **{metric: value}) == [
        "web/0 inactive>firing (web/2 is larger)",
        "web/1 inactive>firing (web/2 is larger)",
        "web/2 inactive>firing snapshot",
    ]


def test_resident_bytes_stand_for_private_ones_that_are_unknown():
    engine = RuleEngine(settings_with(spec(metric="cgroup_ratio", above=0.8)))
    sizes = [{"rss_bytes": 26}, {"rss_bytes": 300}, {}]
    assert group_look(engine, 0, sizes, cgroup_ratio=0.9) == [
        "web/0 inactive>firing (web/1 is larger)",
        "web/1 inactive>firing snapshot",
        "web/2 inactive>firing (web/1 is larger)",
    ]


def test_forecasts_of_one_group_that_hardly_differ_are_equal():
    rule = RuleSpec("r", metric="seconds_to_limit", below=600, do=("page",))
    engine = RuleEngine(settings_with(rule))
    samples = [
        sample(0, worker(slot), seconds_to_limit=seconds, private_bytes=size)
        for slot, seconds, size in ((0, 90.0, 26), (1, 90.5, 300), (2, 200.0, 900))
    ]
    assert said(engine.look(0, samples)) == [
        "web/0 inactive>firing (web/1 is larger)",
        "web/1 inactive>firing page",
        "web/2 inactive>firing (web/1 is worse)",
    ]


def test_an_event_of_the_group_is_acted_on_by_the_largest_worker():
    rule = RuleSpec("r", event="cgroup.oom_kill", within_s=600, cool_down_s=60, do=("snapshot",))
    engine = RuleEngine(settings_with(rule))
    group_look(engine, 0, MASTER_AND_WORKERS)
    for slot in (0, 2, 1):
        assert said(engine.event(event(5, "cgroup.oom_kill", worker(slot)))) == [
            f"web/{slot} inactive>firing (the largest worker acts at the next look)"
        ]
    assert group_look(engine, 5, MASTER_AND_WORKERS) == ["web/2 firing>firing snapshot"]
    assert group_look(engine, 65, MASTER_AND_WORKERS) == []


def test_a_worker_whose_event_did_not_come_does_not_act():
    rule = RuleSpec("r", event="psi", within_s=600, do=("snapshot",))
    engine = RuleEngine(settings_with(rule))
    group_look(engine, 0, MASTER_AND_WORKERS)
    for slot in (0, 1):
        engine.event(event(5, "psi", worker(slot)))
    assert group_look(engine, 5, MASTER_AND_WORKERS) == ["web/1 firing>firing snapshot"]
