"""Each rule of growth with a life where it applies and one where it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heapgraph.analysis.ages.clock import AgeClock, Life
from heapgraph.analysis.ages.members import members_of
from heapgraph.analysis.ages.rules import Past, Trend, judge, order_of
from heapgraph.graph.ages import AGE_STEPS, CODES, PART_BITS
from heapgraph.model import EdgeKind, ObjectFlags
from helpers.app_heap import graph_of, module, set_global, store
from helpers.app_heap import items as fill
from helpers.heaps import HeapBuilder

BORN = 128
KEEPER = Past(400, never_removed=True)
SILENT = Past(400)
LOSER = Past(400, removed=60)


def codes_of(ages):
    """The byte of each age, as the walk makes it."""
    return np.array([int(math.log2(age + 1) * AGE_STEPS) + 1 for age in ages], np.uint8)


def life_of(ticks=2000, born=BORN, slows=False):
    """A life in which something else was made every ten objects."""
    counts = np.bincount(codes_of(10 * np.arange(ticks)), minlength=CODES).astype(float)
    return Life(counts, born, counts if slows else None)


def members_from(begin, end, count=400):
    """Codes of members made evenly between two parts of the life, oldest first."""
    total = 2.0 ** ((BORN - 1) / AGE_STEPS)
    return codes_of(total * (1 - np.linspace(begin, end, count)))


def trend_of(codes, past=SILENT, life=None, share=1.0, count=None):
    count = len(codes) if count is None else count
    life = life or life_of()
    order = order_of(codes) if len(codes) else None
    return judge(codes, count, life, past, order=order, share=lambda: share)[0]


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
    begin = 0 if expected is Trend.GROWING else 0.3
    assert trend_of(members_from(begin, 1), past) is expected


def test_as_many_members_of_the_oldest_times_as_of_later_ones_never_go():
    for past in (Past(300, removed=600, counts_all=True), Past(300, removed=300), LOSER):
        assert trend_of(members_from(0, 1), past) is Trend.UNKNOWN
    few = np.concatenate([members_from(0, 0.8, 40), members_from(0.8, 1, 400)])  # 5 % in a cache
    assert trend_of(few, Past(400, removed=500)) is Trend.UNKNOWN
    assert trend_of(few, Past(400, limit=400, removed=500)) is Trend.TURNING_OVER
    popular = np.concatenate([members_from(0, 0.2, 300), members_from(0.2, 1, 100)])
    assert trend_of(popular, Past(400, removed=500)) is Trend.TURNING_OVER


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


def test_a_silent_container_of_which_fewer_are_left_the_older_they_are_does_not_grow():
    """As of listeners who leave at random; also where a table was loaded before."""
    going = codes_of(2.0 ** ((BORN - 1) / AGE_STEPS) * np.geomspace(0.9, 0.02, 400))
    assert trend_of(going) is Trend.UNKNOWN
    loaded = np.concatenate([members_from(0, 0.001, 300), going])
    assert trend_of(loaded) is Trend.UNKNOWN
    grew = np.concatenate([members_from(0, 0.001, 300), members_from(0, 1)])
    assert trend_of(grew) is Trend.GROWING


def test_on_a_clock_that_slows_what_stays_must_look_older_than_even():
    """Sessions that end are no ticks any more: the longer ago, the fewer are left."""
    slow = life_of(slows=True)
    older = np.concatenate([members_from(0, 0.4, 300), members_from(0.4, 1, 100)])
    assert trend_of(members_from(0, 1), life=slow) is Trend.UNKNOWN
    assert trend_of(older, life=slow) is Trend.GROWING
    assert trend_of(older, KEEPER, life=slow, share=0.7) is Trend.UNKNOWN
    assert trend_of(older, KEEPER, life=slow, share=0.8) is Trend.GROWING


def test_on_a_clock_that_slows_a_time_is_later_than_it_seems():
    slow = life_of(slows=True)
    assert trend_of(members_from(0.4, 1), LOSER) is Trend.UNKNOWN
    assert trend_of(members_from(0.4, 1), LOSER, life=slow) is Trend.TURNING_OVER
    assert trend_of(members_from(0, 0.45), KEEPER) is Trend.LOADED_ONCE
    assert trend_of(members_from(0, 0.45), KEEPER, life=slow) is Trend.UNKNOWN
    assert trend_of(members_from(0, 0.2), KEEPER, life=slow) is Trend.LOADED_ONCE


def test_the_last_that_came_may_go_again_where_others_did():
    one_came = np.concatenate([members_from(0, 0.3, 600), members_from(0.99, 1, 1)])
    assert trend_of(one_came, Past(601, removed=90)) is Trend.LOADED_ONCE
    assert trend_of(one_came, Past(601, never_removed=True)) is not Trend.LOADED_ONCE


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


def clock_of_shared(type_name, metaclass="type"):
    """The clock of a program in which two modules' lists share some objects with an age."""
    heap = HeapBuilder()
    shared = [heap.object(type_name, age=50) for _ in range(60)]
    for name in ("app", "lib"):
        module(heap, name)
        holder = heap.object("list")
        set_global(heap, name, "HOLDER", holder)
        fill(heap, holder, *shared)
    set_global(heap, "app", "Kind", heap.type_object(type_name, metaclass=metaclass))
    return AgeClock(graph_of(heap))


def test_what_imports_make_is_no_clock():
    assert clock_of_shared("app.Session").is_known
    assert not clock_of_shared("re.Pattern").is_known
    assert not clock_of_shared("http.HTTPStatus", metaclass="enum.EnumType").is_known


def test_sessions_that_end_make_the_clock_slow():
    for removed, slows in ((0, False), (900, True)):
        heap = HeapBuilder()
        module(heap, "app")
        sessions = heap.object("dict", age=100)
        set_global(heap, "app", "SESSIONS", sessions)
        for number in range(60):
            store(heap, sessions, f"session {number}", heap.object("app.Session", age=50))
        heap.container(sessions, slots=128, removed=removed)
        made = np.array([60 << PART_BITS] * 20, np.uint16)
        life = AgeClock(graph_of(heap)).life(90 << PART_BITS, np.array([], np.uint32), made)
        assert (life.total, life.slows) == (60, slows)


def test_a_link_of_a_chain_is_as_old_as_the_first():
    """The newest link holds all others; they did not come from elsewhere."""
    heap = HeapBuilder()
    module(heap, "app")
    newer = heap.object("app.Link", age=1)
    set_global(heap, "app", "CHAIN", newer)
    for age in range(2, 62):
        older = heap.object("app.Link", age=age)
        heap.edge(newer, older, EdgeKind.FIELD, "previous")
        newer = older
    graph = graph_of(heap)
    chain = next(row for row in range(graph.object_count) if graph.age_codes[row] == 1)
    members = members_of(graph, chain)
    assert members.is_chain
    assert not members.came_from_elsewhere
    assert members.born == 61 << PART_BITS


def test_a_list_that_takes_each_new_member_in_front_uses_no_place_again():
    """As the list of what atexit calls, since 3.14."""
    assert trend_of(members_from(0.7, 1)[::-1]) is Trend.UNKNOWN
