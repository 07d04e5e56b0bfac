"""Each rule of growth with a life where it applies and one where it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heapgraph.analysis.ages.clock import AgeClock, Life
from heapgraph.analysis.ages.rules import Past, Trend, judge, order_of
from heapgraph.graph.ages import AGE_STEPS, CODES
from heapgraph.model import EdgeKind, ObjectFlags
from helpers.app_heap import graph_of, module, set_global, store
from helpers.heaps import HeapBuilder

BORN = 128
KEEPER = Past(400, never_removed=True)
SILENT = Past(400)
LOSER = Past(400, removed=60)


def codes_of(ages):
    """The byte of each age, as the walk makes it."""
    return np.array([int(math.log2(age + 1) * AGE_STEPS) + 1 for age in ages], np.uint8)


def life_of(ticks=2000, born=BORN):
    """A life in which something else was made every ten objects."""
    counts = np.bincount(codes_of(10 * np.arange(ticks)), minlength=CODES).astype(float)
    return Life(counts, born)


def members_from(begin, end, count=400):
    """Codes of members made evenly between two parts of the life, oldest first."""
    total = 2.0 ** ((BORN - 1) / AGE_STEPS)
    return codes_of(total * (1 - np.linspace(begin, end, count)))


def trend_of(codes, past=SILENT, life=None, share=1.0, count=None):
    count = len(codes) if count is None else count
    life = life or life_of()
    order = order_of(codes) if len(codes) else None
    return judge(codes, count, life, past, order=order, share=share)[0]


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        (Past(1000, limit=1000), Trend.TURNING_OVER),
        (Past(100, limit=1000, never_removed=True), Trend.GROWING),
        (Past(300, removed=600, counts_all=True), Trend.TURNING_OVER),
        (Past(300, removed=300, counts_all=True), Trend.UNKNOWN),
        (Past(300, removed=300), Trend.TURNING_OVER),
        (Past(300, removed=290), Trend.UNKNOWN),
    ],
)
def test_what_a_container_says_of_its_past_comes_first(past, expected):
    assert trend_of(members_from(0, 1), past) is expected


def test_values_that_are_replaced_are_newer_than_their_keys():
    mixed = np.random.default_rng(1).permutation(members_from(0, 1))
    assert trend_of(mixed, KEEPER) is Trend.TURNING_OVER
    assert trend_of(mixed[:10], KEEPER) is Trend.UNKNOWN
    together = np.random.default_rng(1).permutation(members_from(0, 0.2))
    assert trend_of(together, KEEPER) is Trend.LOADED_ONCE
    assert trend_of(members_from(0, 1)[::-1], KEEPER) is Trend.UNKNOWN  # the collector did that
    swapped = members_from(0, 1).reshape(-1, 2)[:, ::-1].ravel()  # and that: neighbours are mixed
    assert trend_of(swapped, KEEPER) is Trend.GROWING


def test_without_ages_or_a_clock_nothing_is_said():
    evenly = members_from(0, 1)
    assert trend_of(evenly, KEEPER) is Trend.GROWING
    assert trend_of(evenly, KEEPER, count=1000) is Trend.UNKNOWN
    assert trend_of(evenly, KEEPER, life=life_of(ticks=30)) is Trend.UNKNOWN
    assert trend_of(np.array([], np.uint8), KEEPER, count=400) is Trend.UNKNOWN


def test_nothing_came_for_long_after_a_load():
    assert trend_of(members_from(0, 0.3), KEEPER) is Trend.LOADED_ONCE
    assert trend_of(members_from(0, 0.7), KEEPER) is Trend.UNKNOWN  # a leak may pause as well
    assert trend_of(members_from(0, 0.8), KEEPER) is Trend.UNKNOWN
    assert trend_of(members_from(0, 0.95), KEEPER) is Trend.GROWING
    thrice = np.concatenate([members_from(at, at + 0.01, 60) for at in (0, 0.33, 0.66)])
    assert trend_of(thrice, KEEPER) is Trend.UNKNOWN  # the last pause is like those before


def test_bursts_are_growth_while_the_last_pause_is_like_those_before():
    bursts = np.concatenate([members_from(at, at + 0.01, 60) for at in (0, 0.3, 0.55, 0.75, 0.88)])
    assert trend_of(bursts, KEEPER) is Trend.GROWING
    assert trend_of(bursts[:120], KEEPER) is not Trend.GROWING


def test_a_container_that_lost_some_turns_over_when_old_members_go():
    assert trend_of(members_from(0.6, 1), LOSER) is Trend.TURNING_OVER
    from_start = np.concatenate([members_from(0, 0.05, 200), members_from(0.8, 1, 200)])
    assert trend_of(from_start, LOSER) is Trend.TURNING_OVER
    assert trend_of(members_from(0, 1), LOSER) is Trend.UNKNOWN
    assert trend_of(members_from(0, 1), Past(400, had_more=True)) is Trend.UNKNOWN


def test_a_queue_that_kept_much_of_what_came_may_have_a_slow_consumer():
    queue = Past(400, removed=500, counts_all=True)
    assert trend_of(members_from(0.6, 1), queue) is Trend.UNKNOWN
    assert trend_of(members_from(0.6, 1), Past(400, removed=900, counts_all=True)) is (
        Trend.TURNING_OVER
    )


def test_a_container_that_never_lost_any_grows_unless_it_was_emptied():
    assert trend_of(members_from(0, 1), KEEPER) is Trend.GROWING
    assert trend_of(members_from(0.6, 1), KEEPER) is Trend.UNKNOWN


def test_places_that_are_used_again_hold_no_old_members():
    ring = np.roll(members_from(0.7, 1), 150)
    assert trend_of(ring) is Trend.TURNING_OVER
    assert trend_of(np.roll(members_from(0, 1), 150)) is Trend.UNKNOWN
    assert trend_of(members_from(0.7, 1)) is Trend.UNKNOWN


def test_a_list_that_never_became_longer_does_not_grow():
    mixed = np.random.default_rng(2).permutation(members_from(0, 1))
    assert trend_of(mixed, Past(400, is_fixed=True)) is Trend.TURNING_OVER
    assert trend_of(members_from(0, 0.2), Past(400, is_fixed=True)) is Trend.LOADED_ONCE
    assert trend_of(mixed) is Trend.UNKNOWN


def test_a_silent_container_grows_when_its_members_stay():
    assert trend_of(members_from(0, 1)) is Trend.GROWING
    assert trend_of(members_from(0.4, 1)) is Trend.UNKNOWN


def test_a_container_that_was_made_lately_is_not_called_growing():
    assert trend_of(members_from(0, 1), KEEPER, share=0.4) is Trend.UNKNOWN
    assert trend_of(members_from(0, 1), KEEPER, share=0.6) is Trend.GROWING


@pytest.mark.parametrize("seed", range(20))
def test_a_life_counts_as_one_counts_by_hand(seed):
    random = np.random.default_rng(seed)
    ticks, born = random.integers(0, 256, 500), int(random.integers(1, 256))
    life = Life(np.bincount(ticks, minlength=CODES).astype(float), born)
    ours = [tick for tick in ticks.tolist() if tick < born]
    assert life.total == len(ours)
    for code in random.integers(0, 256, 50).tolist():
        newer = sum(tick < code for tick in ours) + sum(tick == code for tick in ours) / 2
        place = min(max(1 - newer / max(len(ours), 1), 0), 1)
        assert life.place(np.array([code], np.uint8))[0] == pytest.approx(place)
        assert life.ticks_after(code) == sum(tick < code for tick in ours)
        other = int(random.integers(0, 256))
        between = sum(other < tick < code for tick in ours)
        assert life.ticks_between(code, other) == between


def test_what_a_class_has_is_no_clock_whatever_its_metaclass_is():
    """An import makes sixty members of an enum, and no time passes."""
    heap = HeapBuilder()
    kind = heap.object("enum.EnumType", flags=ObjectFlags.IS_TYPE, age=60)
    space = heap.object("dict", age=60)
    heap.edge(kind, space, EdgeKind.DICT)
    for number in range(60):
        store(heap, space, f"MEMBER_{number}", heap.object("enum.property", age=50))
    module(heap, "app")
    set_global(heap, "app", "Kind", kind)
    assert not AgeClock(graph_of(heap)).is_known


def test_a_list_that_takes_each_new_member_in_front_uses_no_place_again():
    """As the list of what atexit calls, since 3.14."""
    assert trend_of(members_from(0.7, 1)[::-1]) is Trend.UNKNOWN
