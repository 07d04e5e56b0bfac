"""A worker that follows one that ended takes its place."""

from __future__ import annotations

import random

from heapgraph.watch.sampling.slots import Slots


def test_a_restarted_worker_has_the_place_of_the_one_before():
    slots = Slots()
    assert [slots.take(pid) for pid in (100, 101, 102, 103)] == [0, 1, 2, 3]
    slots.free(2)
    assert slots.take(200) == 2
    assert slots.take(100) == 0


def test_places_never_clash_and_never_grow_beyond_the_workers_at_once():
    slots, alive, most = Slots(), {}, 0
    chance = random.Random(11)
    for pid in range(1, 2000):
        if alive and chance.random() < 0.5:
            slots.free(alive.pop(chance.choice(list(alive))))
        alive[pid] = slots.take(pid)
        most = max(most, len(alive))
        assert len(set(alive.values())) == len(alive)
        assert max(alive.values()) < most


def test_places_are_taken_over_from_before():
    slots = Slots({0: 10, 2: 12})
    assert slots.take(12) == 2
    assert slots.take(13) == 1
