"""Random streams against a plain reading of the rules; and a restart at every moment of them."""

from __future__ import annotations

import json
import math
import random

import pytest

from heapgraph.errors import HeapgraphError
from heapgraph.watch.model import RuleState
from heapgraph.watch.rules.engine import RuleEngine
from heapgraph.watch.rules.saved_state import Moment, restore_engine, save_engine
from heapgraph.watch.rules.windows import PARTS
from heapgraph.watch.settings.model import Growth, Rise, RuleSpec, Slope
from helpers.watched import (
    BOOT,
    INTERVAL,
    census,
    event,
    process,
    sample,
    settings_with,
    worker,
)

GAP = 3.5 * INTERVAL


class Oracle:
    """One rule over the workers of one target, with all values kept and everything counted anew."""

    def __init__(self, spec, warm_up_s):
        self.spec, self.warm_up_s = spec, warm_up_s
        self.values, self.judged, self.states, self.starts = {}, {}, {}, {}
        self.acted, self.owed = [], set()

    def begin(self, name, start):
        self.starts[name] = start
        for kept in (self.values, self.judged, self.states):
            kept.pop(name, None)
        self.owed.discard(name)

    def holds(self, name, at, value):
        spec, known = self.spec, self.values.setdefault(name, [])
        if spec.above is not None:
            return value > spec.above
        part = spec.rise or spec.slope
        now = math.floor(at * PARTS / part.window_s)
        if spec.slope:
            known.append((at, value))
        inside = [one for one in known if math.floor(one[0] * PARTS / part.window_s) > now - PARTS]
        if not spec.slope:
            known.append((at, value))
        if len(inside) < max(3, 0.5 * part.window_s / INTERVAL):
            return None
        if at - inside[0][0] < 0.7 * part.window_s:
            return None
        mean = math.fsum(one for _, one in inside) / len(inside)
        if spec.rise:
            return value > mean * (1 + spec.rise.share)
        mean_at = math.fsum(moment for moment, _ in inside) / len(inside)
        products = math.fsum((moment - mean_at) * (one - mean) for moment, one in inside)
        squares = math.fsum((moment - mean_at) ** 2 for moment, _ in inside)
        return products / squares * spec.slope.per_s > spec.slope.amount

    def row(self, name, at, wanted):
        """The last looks that all said `wanted`, none too long after the one before."""
        length, later = 0, at
        for moment, held in reversed(self.judged[name]):
            if held is not wanted or later - moment > GAP:
                break
            length, later = length + 1, moment
        return length

    def look(self, at, values):
        """What changes: (worker, old, new, whether it acts)."""
        changes, firing = [], []
        for name, value in values:
            if at < self.starts[name] + self.warm_up_s:
                continue
            old = new = self.states.get(name, "inactive")
            held = None if value is None else self.holds(name, at, value)
            judged = self.judged.setdefault(name, [])
            if held is None:
                if old == "pending" and at - judged[-1][0] > GAP:
                    new = "inactive"
            else:
                judged.append((at, held))
                row = self.row(name, at, held)
                if held and old != "firing":
                    new = "firing" if row >= self.spec.times else "pending"
                elif not held and old == "pending":
                    new = "inactive"
                elif not held and old == "firing" and row >= self.spec.times:
                    new = "resolved"
            self.states[name] = new
            if old == new:
                continue
            changes.append((name, old, new))
            self.owed.discard(name)
            if new == "firing":
                firing.append((value if not self.spec.slope else None, name))
        return changes, firing

    def may_act(self, at):
        spec = self.spec
        if self.acted and at - self.acted[-1] < spec.cool_down_s:
            return False
        recent = [one for one in self.acted if at - one < spec.at_most_window_s]
        return not spec.at_most or len(recent) < spec.at_most

    def decide(self, at, firing):
        """Who acts now; the worst is left to the engine where several could."""
        held = {one for one in self.owed if self.judged[one][-1][1]}
        if not self.may_act(at):
            self.owed |= {name for _, name in firing}
            return set()
        able = {name for _, name in firing} | held
        if able:
            self.acted.append(at)
            self.owed -= able
        return able


RULES = [
    RuleSpec("r", metric="rss_bytes", above=500, times=3, do=("x",), cool_down_s=60),
    RuleSpec("r", metric="rss_bytes", above=600, do=("x",), cool_down_s=20, at_most=4),
    RuleSpec("r", metric="rss_bytes", rise=Rise(60, share=0.4), do=("x",), cool_down_s=45),
    RuleSpec("r", metric="rss_bytes", rise=Rise(240, share=0.2), times=2, do=("x",)),
    RuleSpec("r", metric="rss_bytes", slope=Slope(80, 60, 120), times=2, do=("x",), cool_down_s=30),
]


def stream(chance, looks, workers=3):
    """Looks: (moment, [(name, pid, value or None)]), with gaps, late looks and restarts."""
    at, level, pids = 1000.0, dict.fromkeys(range(workers), 400.0), {}
    for number in range(looks):
        at += INTERVAL * chance.choice([0.9, 1, 1, 1, 1, 1.1, 1, 1, 1, 4])
        rows = []
        for slot in range(workers):
            if slot not in pids or chance.random() < 0.01:
                pids[slot] = 10 * number + slot + 1
                level[slot] = 300.0
            level[slot] = max(1.0, level[slot] + chance.gauss(2, 60))
            jump = level[slot] * chance.choice([1, 1, 1, 1, 1.6])
            rows.append((worker(slot), pids[slot], None if chance.random() < 0.1 else jump))
        yield at, rows


def is_told(transition):
    return bool(transition.actions)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("number", range(len(RULES)))
def test_the_engine_does_what_the_rules_say(seed, number):
    chance, spec = random.Random(f"{seed} {number}"), RULES[number]
    warm_up_s = chance.choice([0, 30])
    engine, oracle = RuleEngine(settings_with(spec, warm_up_s=warm_up_s)), Oracle(spec, warm_up_s)
    seen, pids = 0, {}
    for at, rows in stream(chance, 400):
        for name, pid, _ in rows:
            if pids.get(name) != pid:
                pids[name] = pid
                engine.begin(process(name, pid, at - 7))
                oracle.begin(name, at - 7)
        samples = [
            sample(at, name, **({} if value is None else {"rss_bytes": value}))
            for name, _, value in rows
        ]
        found = engine.look(at, samples)
        changes, firing = oracle.look(at, [(name, value) for name, _, value in rows])
        able = oracle.decide(at, firing)
        assert [(one.worker, one.old, one.new) for one in found if one.old != one.new] == changes
        acting = {one.worker for one in found if one.actions}
        assert len(acting) == bool(able)
        assert acting <= able
        seen += len(found)
    assert seen > 5


# A restart at every moment.

MIXED = (
    RuleSpec("above", metric="rss_bytes", above=600, times=2, do=("x",), cool_down_s=40),
    RuleSpec("rise", metric="rss_bytes", rise=Rise(60, share=0.4), do=("x",), at_most=3),
    RuleSpec("slope", metric="rss_bytes", slope=Slope(80, 60, 120), do=("x",), cool_down_s=30),
    RuleSpec("grows", holder="app.*", grows=Growth(2, bytes=10), do=("x",), cool_down_s=30),
    RuleSpec("bytes", type="app.*", bytes_above=50, times=2, do=("x",), cool_down_s=30),
    RuleSpec("exits", event="exit", times=2, within_s=900, do=("x",), cool_down_s=30),
)


def steps(seed, looks):
    """Calls on an engine, as functions of it."""
    chance, pids = random.Random(seed), {}
    for at, rows in stream(chance, looks, 2):
        for name, pid, _ in rows:
            if pids.get(name) != pid:
                if name in pids and chance.random() < 0.7:
                    yield at - 2, lambda e, a=at, n=name: e.event(event(a - 2, "exit", n))
                pids[name] = pid
                yield at - 1, lambda e, a=at, n=name, p=pid: e.begin(process(n, p, a - 9, a - 1))
        samples = [sample(at, name, rss_bytes=value) for name, _, value in rows if value]
        yield at, lambda e, a=at, s=samples: e.look(a, s)
        if chance.random() < 0.3:
            name, pid, _ = chance.choice(rows)
            sizes = {f"app.{letter}": chance.randrange(40, 90) for letter in "AB"}
            types = {f"app.{letter}": (3, chance.randrange(20, 70)) for letter in "CD"}
            one = census(at + 1, sizes, types, pid=pid, name=name)
            yield at + 1, lambda e, c=one: e.census(c)


@pytest.mark.parametrize("seed", range(4))
def test_a_restart_at_every_moment_changes_nothing(seed):
    settings = settings_with(*MIXED, warm_up_s=15)
    plain, restarted, seen = RuleEngine(settings), RuleEngine(settings), set()
    clock = random.Random(seed)
    for at, step in steps(seed, 300):
        # The time of day jumps about: in one boot, nothing depends on it.
        moment = Moment(at, clock.uniform(0, 2e9), BOOT)
        document = json.loads(json.dumps(save_engine(restarted, moment), allow_nan=False))
        restarted, ended = restore_engine(settings, document, moment)
        assert ended == []
        expected = step(plain)
        assert step(restarted) == expected
        seen |= {(one.rule, str(one.new)) for one in expected}
    assert len(seen) >= 10
    assert {rule for rule, _ in seen} == {rule.name for rule in MIXED}


# After another boot, after changes of the settings, and what is damaged.

ONE = RuleSpec("r", metric="rss_bytes", above=100, do=("x",), cool_down_s=600, at_most=2)


def fired(spec=ONE, steady=5000.0):
    engine = RuleEngine(settings_with(spec))
    engine.begin(process(worker(), 1, steady - 10))
    assert engine.look(steady, [sample(steady, rss_bytes=150)])
    return engine


@pytest.mark.parametrize(
    ("passed", "withheld"),
    [
        (0, "cool-down: 10 min to go"),
        (240, "cool-down: 6 min to go"),
        (600, ""),
        (-1e9, "cool-down: 10 min to go"),
    ],
)
def test_after_another_boot_limits_go_by_the_time_of_day(passed, withheld):
    document = save_engine(fired(), Moment(5000, 1e9, BOOT))
    engine, ended = restore_engine(settings_with(ONE), document, Moment(20, 1e9 + passed, "other"))
    assert [(str(one.new), one.observation.text) for one in ended] == [
        ("resolved", "the machine was started again")
    ]
    assert engine.state.workers == {}
    (one,) = engine.look(20, [sample(20, rss_bytes=150)])
    assert one.withheld == withheld


def test_a_clock_set_back_in_the_same_boot_changes_nothing():
    document = save_engine(fired(), Moment(5000, 1e9, BOOT))
    engine, _ = restore_engine(settings_with(ONE), document, Moment(5060, 0, BOOT))
    engine.look(5060, [sample(5060, rss_bytes=50)])
    (one,) = engine.look(5065, [sample(5065, rss_bytes=150)])
    assert one.withheld == "cool-down: 8 min 55 s to go"


def test_a_steady_clock_that_began_anew_is_another_boot():
    document = save_engine(fired(), Moment(5000, 1e9, BOOT))
    engine, ended = restore_engine(settings_with(ONE), document, Moment(10, 1e9 + 60, BOOT))
    assert len(ended) == 1
    (one,) = engine.look(10, [sample(10, rss_bytes=150)])
    assert one.withheld == "cool-down: 9 min to go"


def test_a_rule_that_was_changed_begins_anew_within_its_limits():
    changed = RuleSpec("r", metric="rss_bytes", above=120, do=("x",), cool_down_s=600)
    document = save_engine(fired(), Moment(5000, 1e9, BOOT))
    engine, ended = restore_engine(settings_with(changed), document, Moment(5005, 1e9, BOOT))
    assert [one.observation.text for one in ended] == ["the rule was changed"]
    (one,) = engine.look(5005, [sample(5005, rss_bytes=150)])
    assert (one.old, one.withheld) == (RuleState.INACTIVE, "cool-down: 9 min 55 s to go")


@pytest.mark.parametrize(
    ("today", "text", "metric"),
    [
        (
            RuleSpec("new", metric="rss_bytes", above=100, do=("x",), cool_down_s=600),
            "the rule is called new now, and begins anew under that name",
            "rss_bytes",
        ),
        (
            RuleSpec("new", metric="rss_bytes", above=101, do=("x",), cool_down_s=600),
            "the rule is not in the settings any more",
            "",
        ),
    ],
)
def test_a_rule_that_is_gone_says_what_became_of_it(today, text, metric):
    document = save_engine(fired(), Moment(5000, 1e9, BOOT))
    engine, ended = restore_engine(settings_with(today), document, Moment(5005, 1e9, BOOT))
    assert [(one.rule, one.observation.text, one.observation.metric) for one in ended] == [
        ("r", text, metric)
    ]
    (one,) = engine.look(5005, [sample(5005, rss_bytes=150)])
    # Another name alone is no reason to act again at once.
    assert one.withheld == ("cool-down: 9 min 55 s to go" if metric else "")


def test_what_a_rule_does_may_change():
    changed = RuleSpec("r", metric="rss_bytes", above=100, do=("y",), cool_down_s=30)
    document = save_engine(fired(), Moment(5000, 1e9, BOOT))
    engine, ended = restore_engine(settings_with(changed), document, Moment(5005, 1e9, BOOT))
    assert ended == []
    assert engine.standings()[0].state is RuleState.FIRING


def test_a_rule_that_is_gone_is_resolved_and_forgotten():
    document = save_engine(fired(), Moment(5000, 1e9, BOOT))
    engine, ended = restore_engine(settings_with(), document, Moment(5005, 1e9, BOOT))
    assert [one.rule for one in ended] == ["r"]
    assert engine.state.limits == {}


def test_a_process_that_is_still_there_goes_on():
    document = save_engine(fired(), Moment(5000, 1e9, BOOT))
    engine, _ = restore_engine(settings_with(ONE), document, Moment(5005, 1e9, BOOT))
    assert engine.begin(process(worker(), 1, 4990, 5005)) == []
    assert len(engine.begin(process(worker(), 2, 5004, 5005))) == 1


@pytest.mark.parametrize(
    "change", [{"format": "x"}, {"version": 2}, {"version": True}, {"limits": 3}, {"steady": None}]
)
def test_what_is_no_saved_state(change):
    document = save_engine(fired(), Moment(5000, 1e9, BOOT)) | change
    with pytest.raises(HeapgraphError, match="cannot be used") as caught:
        restore_engine(settings_with(ONE), document, Moment(5000, 1e9, BOOT))
    assert len(caught.value.parts()) == 3


def spoiled(chance, value, depth=0):
    """A document with one part replaced by something else."""
    parts = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    key, inner = chance.choice(parts)
    if isinstance(inner, dict | list) and inner and chance.random() < 0.8:
        new = spoiled(chance, inner, depth + 1)
    else:
        new = chance.choice([None, True, -1, 1e308, 10**400, "", "x" * 10, [], {}, [[]], -0.5, 7])
    return (
        {**value, key: new}
        if isinstance(value, dict)
        else [new if number == key else one for number, one in enumerate(value)]
    )


def test_damage_is_never_a_traceback():
    chance, settings = random.Random(11), settings_with(*MIXED)
    engine = RuleEngine(settings)
    for _, step in steps(11, 60):
        step(engine)
    at = 1e6
    whole = save_engine(engine, Moment(at, 1e9, BOOT))
    refused = 0
    for _ in range(1500):
        document = spoiled(chance, whole)
        try:
            again, _ = restore_engine(settings, document, Moment(at, 1e9, BOOT))
        except HeapgraphError:
            refused += 1
            continue
        again.look(at + 5, [sample(at + 5, worker(slot), rss_bytes=5) for slot in range(2)])
        again.census(census(at + 6, {"app.A": 100}))
        save_engine(again, Moment(at + 6, 1e9, BOOT))
    assert refused > 500
