"""Rules about holders and types: what a census says, and what it does not."""

from __future__ import annotations

import random
import re

import pytest

from heapgraph.watch.rules.compiled import matches_pattern
from heapgraph.watch.rules.engine import RuleEngine
from heapgraph.watch.settings.model import Growth, RuleSpec
from helpers.watched import CENSUS, census, process, said, sample, settings_with, worker

GROWS = RuleSpec("g", holder="app.*", grows=Growth(3, bytes=100), do=("snapshot",))


def censuses(engine, sizes, start=0.0, **more):
    lines = []
    for number, holders in enumerate(sizes):
        at = start + CENSUS * number
        lines += [f"{number} {line}" for line in said(engine.census(census(at, holders, **more)))]
    return lines


def test_what_grows_in_three_censuses_by_enough_fires():
    engine = RuleEngine(settings_with(GROWS))
    sizes = [{"app.A": size, "lib.B": size * 9} for size in (1000, 1040, 1080, 1120, 1160)]
    assert censuses(engine, sizes) == ["3 web/0 inactive>firing snapshot"]
    (one,) = list(engine.state.standings.values())
    assert (one.subject, one.value, one.grown) == ("app.A", 160, 4)


def test_a_slow_growth_counts_from_where_its_row_began():
    engine = RuleEngine(settings_with(GROWS))
    sizes = [{"app.A": 1000 + 20 * number} for number in range(7)]
    assert censuses(engine, sizes) == ["5 web/0 inactive>firing snapshot"]


def test_a_census_without_growth_begins_a_new_row():
    engine = RuleEngine(settings_with(GROWS))
    sizes = [1000, 1100, 1200, 1200, 1300, 1400]
    assert censuses(engine, [{"app.A": size} for size in sizes]) == []


def test_growth_is_resolved_after_as_many_censuses_as_it_took():
    engine = RuleEngine(settings_with(GROWS))
    sizes = [1000, 1100, 1200, 1300, 1300, 1200, 1250, 1250]
    assert censuses(engine, [{"app.A": size} for size in sizes]) == [
        "3 web/0 inactive>firing snapshot",
        "6 web/0 firing>resolved",
    ]


def test_a_holder_missing_in_two_censuses_is_not_gone():
    engine = RuleEngine(settings_with(GROWS))
    sizes = [{"app.A": 1000}, {"app.A": 1100}, {}, {}, {"app.A": 1200}, {"app.A": 1300}]
    assert censuses(engine, sizes) == ["5 web/0 inactive>firing snapshot"]


def test_a_holder_that_is_gone_resolves():
    engine = RuleEngine(settings_with(RuleSpec("b", holder="app.*", bytes_above=100)))
    lines = [(0, {"app.A": 200}), (1, {}), (2, {}), (3, {})]
    found = [engine.census(census(number * CENSUS, sizes)) for number, sizes in lines]
    assert [said(one) for one in found] == [
        ["web/0 inactive>firing"],
        [],
        [],
        ["web/0 firing>resolved"],
    ]
    assert found[3][0].observation.text == (
        "holder app.A is no longer among the largest of a census"
    )


def test_growth_of_a_count():
    rule = RuleSpec("g", type="app.Session", grows=Growth(2, count=10))
    engine = RuleEngine(settings_with(rule))
    counts = [(100, 5000), (106, 5000), (112, 4000)]
    found = [
        engine.census(census(CENSUS * n, types={"app.Session": one}))
        for n, one in enumerate(counts)
    ]
    assert said(found[2]) == ["web/0 inactive>firing"]
    assert found[2][0].observation.text == (
        "type app.Session grew in 2 censuses one after another, by 12 objects in all"
    )


def test_names_that_come_twice_are_one_thing():
    engine = RuleEngine(settings_with(RuleSpec("b", type="app.S", bytes_above=100)))
    one = census(0, types={"app.S": (3, 60)})
    double = census(0, types={"app.S": (3, 60)})
    object.__setattr__(double, "types", one.types * 2)
    assert engine.census(one) == []
    assert said(engine.census(double)) == ["web/0 inactive>firing"]


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("app.*", "app.sessions.CACHE[*].history", True),
        ("app.*", "webapp.CACHE", False),
        ("app.CACHE[*]", "app.CACHE[*]", True),
        ("app.CACHE[*]", "app.CACHE", False),
        ("*CACHE*", "app.CACHE[*]", True),
        ("app.CACHE", "app.CACHE2", False),
        ("*", "a\nb", True),
    ],
)
def test_patterns(pattern, name, matches):
    engine = RuleEngine(settings_with(RuleSpec("b", holder=pattern, bytes_above=1)))
    assert bool(engine.census(census(0, {name: 5}))) is matches


def test_patterns_against_regular_expressions():
    chance = random.Random(5)
    found = 0
    for _ in range(20_000):
        pattern = "".join(chance.choice("ab*") for _ in range(chance.randrange(1, 7)))
        name = "".join(chance.choice("ab") for _ in range(chance.randrange(8)))
        plain = re.fullmatch(pattern.replace("*", ".*"), name) is not None
        assert matches_pattern(pattern.split("*"), name) is plain
        found += plain
    assert found > 1000


def test_a_pattern_of_many_stars_is_quick():
    rule = RuleSpec("b", holder="*" * 40 + "a*a*a" + "*" * 40 + "b", bytes_above=1)
    engine = RuleEngine(settings_with(rule))
    assert engine.census(census(0, {"a" * 100_000: 5})) == []


@pytest.mark.parametrize("change", [{"quality": "poor"}, {"pid": 2}])
def test_a_census_that_says_nothing(change):
    engine = RuleEngine(settings_with(RuleSpec("b", holder="app.*", bytes_above=100)))
    engine.begin(process(worker(), 1, 0))
    assert engine.census(census(0, {"app.A": 200}, **change)) == []
    assert said(engine.census(census(1, {"app.A": 200}))) == ["web/0 inactive>firing"]


def test_a_census_in_the_warm_up_says_nothing():
    engine = RuleEngine(settings_with(RuleSpec("b", holder="*", bytes_above=1), warm_up_s=60))
    engine.begin(process(worker(), 1, 0))
    assert engine.census(census(59, {"app.A": 200})) == []
    assert said(engine.census(census(60, {"app.A": 200}))) == ["web/0 inactive>firing"]


def test_metrics_of_a_census_are_seen_once_for_each():
    rule = RuleSpec("r", metric="unreachable_bytes", above=100, times=2)
    engine = RuleEngine(settings_with(rule))
    assert said(engine.census(census(0, unreachable_size=200))) == ["web/0 inactive>pending"]
    # A sample that repeats it is no second look.
    assert engine.look(5, [sample(5, unreachable_bytes=200)]) == []
    assert engine.look(10, [sample(10, unreachable_bytes=0)]) == []
    assert said(engine.census(census(900, unreachable_size=200))) == ["web/0 pending>firing"]


def test_names_in_texts_steer_nothing():
    engine = RuleEngine(settings_with(RuleSpec("b", holder="*", bytes_above=1)))
    (one,) = engine.census(census(0, {"app.\x1b[2J\u202e" + "x" * 5000: 5}))
    assert one.observation.text.isprintable()
    assert len(one.observation.text) < 300
