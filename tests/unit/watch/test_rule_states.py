"""How a rule goes from inactive to resolved, one behaviour a test, on a clock of numbers."""

from __future__ import annotations

import pytest

from heapgraph.watch.model import RuleState
from heapgraph.watch.rules.engine import RuleEngine
from heapgraph.watch.settings.model import Rise, RuleSpec, Slope
from helpers.watched import (
    INTERVAL,
    event,
    process,
    said,
    sample,
    settings_with,
    worker,
)

ABOVE = RuleSpec("r", metric="rss_bytes", above=100, times=3, do=("snapshot",))
ONCE = RuleSpec("r", metric="rss_bytes", above=100, do=("snapshot",))


def run(engine, values, start=0.0, **names):
    """One look for each value; None is a sample without it. Lines with their moment."""
    lines = []
    for number, value in enumerate(values):
        at = start + INTERVAL * number
        given = {} if value is None else {"rss_bytes": value}
        found = engine.look(at, [sample(at, **names, **given)])
        lines += [f"{at:g} {line}" for line in said(found)]
    return lines


def test_three_in_a_row_fire_and_three_below_resolve():
    engine = RuleEngine(settings_with(ABOVE))
    assert run(engine, [50, 150, 150, 150, 150, 50, 50, 150, 50, 50, 50, 50]) == [
        "5 web/0 inactive>pending",
        "15 web/0 pending>firing snapshot",
        "50 web/0 firing>resolved",
    ]


def test_a_row_that_breaks_is_no_row():
    engine = RuleEngine(settings_with(ABOVE))
    assert run(engine, [150, 150, 50, 150, 150, 50]) == [
        "0 web/0 inactive>pending",
        "10 web/0 pending>inactive",
        "15 web/0 inactive>pending",
        "25 web/0 pending>inactive",
    ]
    assert engine.state.standings == {} or run(engine, [50], 30) == []


def test_resolved_begins_again_as_pending():
    engine = RuleEngine(settings_with(RuleSpec("r", metric="rss_bytes", above=100, times=2)))
    assert run(engine, [150, 150, 50, 50, 150, 150]) == [
        "0 web/0 inactive>pending",
        "5 web/0 pending>firing",
        "15 web/0 firing>resolved",
        "20 web/0 resolved>pending",
        "25 web/0 pending>firing",
    ]


def test_exactly_the_limit_is_not_above():
    assert run(RuleEngine(settings_with(ONCE)), [100, 100]) == []


def test_below():
    rule = RuleSpec("r", metric="rss_bytes", below=10, do=("census",))
    assert run(RuleEngine(settings_with(rule)), [10, 9]) == ["5 web/0 inactive>firing census"]


@pytest.mark.parametrize("gap", [[None], [None, None]])
def test_a_short_gap_neither_continues_nor_ends_a_row(gap):
    lines = run(RuleEngine(settings_with(ABOVE)), [150, 150, *gap, 150])
    assert lines[-1] == f"{5 * (2 + len(gap)):g} web/0 pending>firing snapshot"


def test_a_long_gap_ends_a_row():
    engine = RuleEngine(settings_with(ABOVE))
    assert run(engine, [150, 150, None, None, None, None, 150, 150, 150]) == [
        "0 web/0 inactive>pending",
        "25 web/0 pending>inactive",
        "30 web/0 inactive>pending",
        "40 web/0 pending>firing snapshot",
    ]


def test_looks_that_did_not_happen_are_a_gap_too():
    engine = RuleEngine(settings_with(ABOVE))
    run(engine, [150, 150])
    assert run(engine, [150, 150], 60) == []
    assert run(engine, [150], 70) == ["70 web/0 pending>firing snapshot"]


def test_what_fires_does_not_end_by_being_unknown():
    engine = RuleEngine(settings_with(ABOVE))
    run(engine, [150, 150, 150])
    assert run(engine, [None] * 100, 15) == []
    assert engine.standings()[0].state is RuleState.FIRING
    # The looks below have to be one row themselves.
    assert run(engine, [50, 50, None, None, None, None, 50, 50], 600) == []
    assert run(engine, [50], 640) == ["640 web/0 firing>resolved"]


def test_no_value_is_not_zero():
    rule = RuleSpec("r", metric="rss_bytes", below=10)
    assert run(RuleEngine(settings_with(rule)), [None] * 10) == []
    assert run(RuleEngine(settings_with(rule)), [float("nan")] * 10) == []


def test_the_observation_says_why():
    engine = RuleEngine(settings_with(RuleSpec("r", metric="rss_bytes", above=2**30, times=2)))
    found = [*engine.look(0, [sample(0, rss_bytes=2**31)])]
    found += engine.look(5, [sample(5, rss_bytes=2**31)])
    found += engine.look(10, [sample(10, rss_bytes=2**29)])
    found += engine.look(15, [sample(15, rss_bytes=2**29)])
    assert [one.observation.text for one in found] == [
        "rss_bytes was 2.00 GiB, above 1.00 GiB",
        "rss_bytes was 2.00 GiB, above 1.00 GiB, 2 times in a row",
        "rss_bytes was 512 MiB, not above 1.00 GiB, 2 times in a row",
    ]
    assert (found[1].observation.value, found[1].observation.limit) == (2**31, 2**30)
    assert found[1].observation.times == 2


# Warm-up and new processes.


def test_warm_up_counts_from_the_start_of_the_process():
    engine = RuleEngine(settings_with(ONCE, warm_up_s=20))
    engine.begin(process(worker(), 1, started_at=-10, seen_at=0))
    assert run(engine, [150, 150, 150]) == ["10 web/0 inactive>firing snapshot"]


@pytest.mark.parametrize("start", [float("nan"), float("inf"), 99.0])
def test_warm_up_counts_from_the_first_sight_where_the_start_is_unknown(start):
    engine = RuleEngine(settings_with(ONCE, warm_up_s=20))
    engine.begin(process(worker(), 1, started_at=start, seen_at=0))
    assert run(engine, [150] * 5) == ["20 web/0 inactive>firing snapshot"]


def test_another_process_in_the_slot_resolves_and_warms_up():
    engine = RuleEngine(settings_with(ONCE, warm_up_s=20))
    engine.begin(process(worker(), 1, started_at=-100, seen_at=0))
    assert run(engine, [150]) == ["0 web/0 inactive>firing snapshot"]
    assert engine.begin(process(worker(), 1, started_at=-100, seen_at=3)) == []
    ended = engine.begin(process(worker(), 2, started_at=4))
    assert said(ended) == ["web/0 firing>resolved"]
    assert ended[0].observation.text == "another process has its place"
    assert run(engine, [150] * 4, 5) == []
    assert run(engine, [150], 25) == ["25 web/0 inactive>firing (cool-down: 29 min 35 s to go)"]


def test_what_was_seen_in_the_warm_up_is_in_no_window():
    rise = RuleSpec("r", metric="rss_bytes", rise=Rise(60, share=1.0))
    engine = RuleEngine(settings_with(rise, warm_up_s=60))
    engine.begin(process(worker(), 1, started_at=0))
    assert run(engine, [10] * 12 + [1000] * 30) == []


def test_an_exit_ends_what_fires():
    engine = RuleEngine(settings_with(ONCE))
    run(engine, [150])
    ended = engine.event(event(7, "exit"))
    assert said(ended) == ["web/0 firing>resolved"]
    assert ended[0].observation.text == "the process ended"
    assert engine.state.workers == {}
    assert engine.state.standings == {}


def test_an_end_while_pending_is_inactive():
    engine = RuleEngine(settings_with(ABOVE))
    run(engine, [150])
    assert said(engine.end(worker(), 7)) == ["web/0 pending>inactive"]


# Rise and slope.


def test_a_rise_is_against_the_mean_of_the_window_before():
    rise = RuleSpec("r", metric="rss_bytes", rise=Rise(60, share=1.0), do=("snapshot",))
    engine = RuleEngine(settings_with(rise))
    assert run(engine, [100] * 12 + [200]) == []
    # With the 200 in it, the mean of the window is 109.1.
    assert run(engine, [219], 65) == ["65 web/0 inactive>firing snapshot"]


def test_a_rise_by_an_amount():
    rise = RuleSpec("r", metric="rss_bytes", rise=Rise(60, amount=50))
    engine = RuleEngine(settings_with(rise))
    assert run(engine, [100] * 12 + [150, 200]) == ["65 web/0 inactive>firing"]


@pytest.mark.parametrize("values", [[100] * 8 + [900], [100, *[None] * 10, 100, 900]])
def test_no_rise_without_a_filled_window(values):
    rise = RuleSpec("r", metric="rss_bytes", rise=Rise(60, share=1.0))
    assert run(RuleEngine(settings_with(rise)), values) == []


def test_any_share_of_nothing_is_no_rise():
    rise = RuleSpec("r", metric="rss_bytes", rise=Rise(60, share=1.0))
    assert run(RuleEngine(settings_with(rise)), [0] * 20 + [5]) == []


def test_a_slope_needs_its_window():
    rule = RuleSpec("r", metric="rss_bytes", slope=Slope(7200, 3600, 120), do=("census",))
    engine = RuleEngine(settings_with(rule))
    # 3 a second is 10,800 an hour; 70 % of two minutes are 84 s.
    assert run(engine, [15 * look for look in range(30)]) == ["85 web/0 inactive>firing census"]


def test_the_text_of_a_slope():
    rule = RuleSpec("r", metric="rss_bytes", slope=Slope(2**20, 3600, 120))
    engine = RuleEngine(settings_with(rule))
    found = [engine.look(5 * n, [sample(5 * n, rss_bytes=n * 2**20)]) for n in range(20)]
    (one,) = [one for ones in found for one in ones]
    assert one.observation.text == (
        "rss_bytes rose by 720 MiB in 1 h, more than 1.00 MiB, as seen over 2 min"
    )


# Events.


def test_an_event_fires_and_is_resolved_when_none_comes():
    rule = RuleSpec("e", event="cgroup.oom_kill", within_s=600, do=("page",))
    engine = RuleEngine(settings_with(rule, warm_up_s=1000))
    assert said(engine.event(event(10, "cgroup.oom_kill"))) == ["web/0 inactive>firing page"]
    assert engine.event(event(300, "cgroup.oom_kill")) == []
    assert engine.event(event(301, "psi")) == []
    assert engine.look(900, []) == []
    assert said(engine.look(901, [])) == ["web/0 firing>resolved"]


def test_three_exits_within_ten_minutes_of_one_another():
    rule = RuleSpec("e", event="exit", times=3, within_s=600, do=("log",))
    engine = RuleEngine(settings_with(rule))
    moments = [0, 700, 1200, 1700, 1800]
    assert [said(engine.event(event(at, "exit"))) for at in moments] == [
        ["web/0 inactive>pending"],
        [],
        [],
        ["web/0 pending>firing log"],
        [],
    ]


def test_what_is_left_of_events_goes_with_the_worker():
    engine = RuleEngine(settings_with(RuleSpec("e", event="exit", within_s=60)))
    for slot in range(100):
        engine.event(event(slot, "exit", worker(slot)))
    assert len(engine.look(1000, [])) == 100
    engine.look(1005, [])
    assert engine.state.standings == {}


# Who is asked.


def test_rules_of_other_targets_say_nothing():
    engine = RuleEngine(settings_with(RuleSpec("r", metric="rss_bytes", above=1, targets=("web",))))
    assert run(engine, [5], name=worker(0, "jobs")) == []
    assert run(engine, [5], name=worker(0, "web")) == ["0 web/0 inactive>firing"]


def test_pending_workers_are_told():
    engine = RuleEngine(settings_with(ABOVE))
    engine.look(0, [sample(0, worker(1), rss_bytes=150), sample(0, worker(2), rss_bytes=5)])
    assert engine.pending_workers() == {worker(1)}
    assert [(one.rule, one.worker, one.since) for one in engine.standings()] == [
        ("r", worker(1), 0)
    ]
