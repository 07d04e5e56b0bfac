"""Who is counted, and how often: one of each target, and who is suspected."""

from __future__ import annotations

from heapgraph.watch.daemon.schedule import CensusSchedule
from heapgraph.watch.model import ProcessKey, Sample, Worker, WorkerName

MIB = 2.0**20


def fleet(
    sizes: dict[WorkerName, float],
) -> tuple[dict[WorkerName, Worker], dict[WorkerName, Sample]]:
    workers = {
        name: Worker(name, ProcessKey(100 + name.slot, 1, "b"), "3.12.1", "/p", 0.0, 0.0)
        for name in sizes
    }
    samples = {name: Sample(name, 0.0, {"rss_bytes": size}) for name, size in sizes.items()}
    return workers, samples


A, B, C = (WorkerName("web", slot) for slot in range(3))
OTHER = WorkerName("jobs", 0)


def test_the_largest_of_each_target_is_counted_at_the_interval():
    schedule = CensusSchedule(900, 120)
    workers, samples = fleet({A: 10 * MIB, B: 30 * MIB, OTHER: MIB})
    assert schedule.due(100, workers, samples, ()) == []  # they are too young
    assert schedule.due(121, workers, samples, ()) == [OTHER, B]
    for name in (OTHER, B):
        schedule.begun(name, 121)
    assert schedule.due(1000, workers, samples, ()) == []
    assert schedule.due(1021, workers, samples, ()) == [OTHER, B]
    assert schedule.next_s(B, 521) == 500
    assert schedule.next_s(A, 521) is None


def test_the_choice_stays_until_another_one_has_outgrown_it():
    """Growth is told by censuses of one process: small differences do not change who it is."""
    schedule = CensusSchedule(10, 0)
    workers, samples = fleet({A: 20 * MIB, B: 19 * MIB})
    assert schedule.due(0, workers, samples, ()) == [A]
    schedule.begun(A, 0)
    workers, samples = fleet({A: 20 * MIB, B: 25 * MIB})
    assert schedule.due(10, workers, samples, ()) == [A]
    workers, samples = fleet({A: 20 * MIB, B: 31 * MIB})
    assert schedule.due(20, workers, samples, ()) == [B]


def test_who_is_suspected_is_counted_sooner_but_not_at_every_look():
    schedule = CensusSchedule(900, 0)
    workers, samples = fleet({A: 10 * MIB, B: 30 * MIB})
    schedule.begun(B, 0)
    counted = []
    for now in range(5, 305, 5):
        for name in schedule.due(now, workers, samples, {A}):
            schedule.begun(name, now)
            counted.append((now, name))
    assert counted == [(now, A) for now in (5, 65, 125, 185, 245)]


def test_what_was_over_budget_is_tried_when_it_may_be_not():
    schedule = CensusSchedule(900, 0)
    workers, samples = fleet({A: MIB})
    assert schedule.due(0, workers, samples, ()) == [A]
    schedule.refused(A, 0, retry_after_s=40)
    assert schedule.due(39, workers, samples, {A}) == []
    assert schedule.due(40, workers, samples, {A}) == [A]


def test_a_worker_that_ended_is_followed_by_another():
    schedule = CensusSchedule(10, 0)
    workers, samples = fleet({A: 30 * MIB, B: 10 * MIB})
    assert schedule.due(0, workers, samples, ()) == [A]
    schedule.begun(A, 0)
    schedule.forget(A)
    workers, samples = fleet({B: 10 * MIB})
    assert schedule.due(10, workers, samples, ()) == [B]
