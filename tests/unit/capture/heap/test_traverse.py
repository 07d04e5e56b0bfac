"""The Python side of running traverse functions, against a helper that plays the clone."""

from __future__ import annotations

import ctypes
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.capture.heap import traverse_budget
from heapgraph.capture.heap.traverse import BUFFER_WORDS, CloneTraversal
from heapgraph.capture.live.freeze_helper import HelperFailure
from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULT, HANG = -1, -2
"""Instead of a number of visits: what the function does."""

STOPS = -1
"""Instead of a word of the control block: the job runs into the stub's breakpoint."""


class PlayedClone:
    """Memory of this process, and a stub in Python: a job's function is how often it visits."""

    def __init__(self) -> None:
        self.runs = 0
        self.slow_job = -1
        self.always_slow = False
        self.overwrites: dict[int, tuple[int, int | None]] = {}
        self.sets_back: set[int] = set()
        self._visited = 0
        self._slept = False

    def map_memory(self, size: int) -> int:
        self._block = (ctypes.c_char * size)()
        self._address = ctypes.addressof(self._block)
        self._control = np.frombuffer(self._block, np.uint64, 6)
        return self._address

    def _words(self, address: int, count: int) -> np.ndarray:
        return np.frombuffer(self._block, np.uint64, count, int(address) - self._address)

    def run(self, control: int, _limit_s: float) -> tuple[str, int]:
        self.runs += 1
        if control:
            self._visited = 0
        current, count, jobs, ends, _, _ = self._control.tolist()
        pairs = self._words(jobs, 2 * count).astype(np.int64).reshape(-1, 2)
        while current < count:
            address, visits = pairs[current].tolist()
            if end := self._end_in(address, visits, current):
                return end
            self._words(ends, count)[current] = self._control[4]
            current = 0 if address in self.sets_back else current + 1
            self._control[0] = current
            self._visited = 0
        return "stub", 0

    def _end_in(self, address: int, visits: int, current: int) -> tuple[str, int] | None:
        """Run one job; None: to its end."""
        word, value = self.overwrites.get(address, (None, 0))
        if visits in (FAULT, HANG):
            return ("signal", 11) if visits == FAULT else ("limit", 0)
        if not self._visit(address, visits) or word == STOPS:
            return "stub", 0
        if word is not None:
            self._control[word] = self._control[word] + 1 if value is None else value
            return "signal", 11
        slow = current == self.slow_job or (self.always_slow and not self._slept)
        self._slept = slow
        if current == self.slow_job:
            self.slow_job = -1
        return ("limit", 0) if slow else None

    def _visit(self, address: int, visits: int) -> bool:
        """Write what fits; False: the buffer is full."""
        out, end = self._control[4:6].tolist()
        now = min(visits - self._visited, (end - out) // 8)
        self._words(out, now)[:] = address
        self._control[4] = out + 8 * now
        self._visited += now
        return self._control[4] < end


@pytest.fixture
def clone() -> PlayedClone:
    return PlayedClone()


@pytest.fixture
def traversal(clone: PlayedClone) -> Iterator[CloneTraversal]:
    with CloneTraversal(SimpleNamespace(helper=clone, code_pid=os.getpid())) as running:
        yield running


def jobs_of(*functions: int) -> np.ndarray:
    """Jobs whose objects are numbered from 100 on."""
    numbered = [(100 + place, function) for place, function in enumerate(functions)]
    return np.array(numbered, dtype=np.int64).astype(np.uint64).reshape(-1, 2)


def seen(traversal: CloneTraversal, jobs: np.ndarray) -> dict[int, int]:
    """Visits by object; every visit must be the object's own."""
    result = {}
    for visits in traversal.visits(jobs):
        start = 0
        for address, end in zip(visits.objects.tolist(), visits.ends.tolist(), strict=True):
            assert (visits.targets[start:end] == address).all()
            result[address] = end - start
            start = end
        assert start == len(visits.targets)
    return result


def test_each_object_gets_its_own_visits(traversal):
    assert seen(traversal, jobs_of(2, 0, 3)) == {100: 2, 101: 0, 102: 3}
    assert traversal.log.objects == 3


@pytest.mark.parametrize("extra", [-1, 0, 1, BUFFER_WORDS, BUFFER_WORDS + 5])
def test_visits_beyond_the_buffer_are_fetched_in_parts(traversal, extra):
    assert seen(traversal, jobs_of(3, BUFFER_WORDS + extra, 2)) == {
        100: 3,
        101: BUFFER_WORDS + extra,
        102: 2,
    }


def test_a_fault_leaves_out_one_object(traversal):
    assert seen(traversal, jobs_of(2, FAULT, 1)) == {100: 2, 102: 1}
    assert traversal.log.faulted == [101]


def test_a_fault_after_a_full_buffer_takes_no_visit_of_others(traversal):
    assert seen(traversal, jobs_of(BUFFER_WORDS + 1, FAULT, 1)) == {100: BUFFER_WORDS + 1, 102: 1}


def test_a_function_that_faults_often_is_not_run_again(traversal, clone):
    many = [FAULT] * (traverse_budget.MAX_FAULTS_OF_FUNCTION + 50)
    assert seen(traversal, jobs_of(*many, 4)) == {100 + len(many): 4}
    assert len(traversal.log.faulted) == traverse_budget.MAX_FAULTS_OF_FUNCTION
    assert traversal.log.skipped == 50
    assert clone.runs == traverse_budget.MAX_FAULTS_OF_FUNCTION + 1


def test_after_some_hangs_the_rest_is_left(traversal):
    hangs = [HANG] * traverse_budget.MAX_HANGS
    assert seen(traversal, jobs_of(1, *hangs, 1, 1)) == {100: 1}
    assert traversal.log.skipped == 2
    assert seen(traversal, jobs_of(1, 1)) == {}
    assert traversal.log.skipped == 4


def test_a_slow_function_that_moves_is_not_a_hang(traversal, clone):
    clone.slow_job = 1
    assert seen(traversal, jobs_of(5, 7, 1)) == {100: 5, 101: 7, 102: 1}
    assert traversal.log.faulted == []


def test_a_function_that_visits_without_end_is_left_out(clone):
    place = SimpleNamespace(helper=clone, code_pid=os.getpid())
    with CloneTraversal(place, most_visits=2 * BUFFER_WORDS) as traversal:
        assert seen(traversal, jobs_of(2, 5 * BUFFER_WORDS, 1)) == {100: 2, 102: 1}
        assert traversal.log.faulted == [101]


def test_a_function_that_sets_the_stub_back_is_found(clone):
    """Given a job after which the stub begins again and again, only that one is left out."""
    clone.sets_back = {133}
    place = SimpleNamespace(helper=clone, code_pid=os.getpid())
    with CloneTraversal(place, most_visits=BUFFER_WORDS) as traversal:
        visits = seen(traversal, jobs_of(*[1000] * 40))
    assert visits == {100 + job: 1000 for job in range(40) if job != 33}
    assert traversal.log.faulted == [133]


def test_a_clone_that_ended_is_told_apart_from_a_refusal(traversal, clone, monkeypatch):
    def gone(*_arguments: object) -> int:
        raise HelperFailure("gone", 3, "the clone has ended")

    monkeypatch.setattr(clone, "run", gone)
    with pytest.raises(UnreadableMemory, match="the frozen clone ended"):
        list(traversal.visits(jobs_of(1)))
    monkeypatch.setattr(clone, "map_memory", gone)
    with pytest.raises(UnreadableMemory, match="the frozen clone ended"):
        CloneTraversal(SimpleNamespace(helper=clone, code_pid=os.getpid()))


def test_a_clone_without_memory_is_a_refusal(clone, monkeypatch):
    def refuse(_size: int) -> int:
        raise HelperFailure("map", 12, "no memory of this kind in the clone")

    monkeypatch.setattr(clone, "map_memory", refuse)
    with pytest.raises(HelperFailure):
        CloneTraversal(SimpleNamespace(helper=clone, code_pid=os.getpid()))


@pytest.mark.parametrize("place", [0, 1, 499, 500, 998, 999])
@pytest.mark.parametrize(
    ("word", "value"),
    [(0, 2**64 - 1), (0, 1 << 40), (4, 0), (4, 2**64 - 8), (4, None)],
    ids=["next-negative", "next-beyond", "out-null", "out-beyond", "out-in-a-word"],
)
def test_a_function_that_overwrites_the_control_block(traversal, clone, place, word, value):
    """Given a job that makes the stub's own words nonsense, all others are told all the same."""
    clone.overwrites[100 + place] = (word, value)

    visits = seen(traversal, jobs_of(*[1] * 1000))

    assert traversal.log.faulted == [100 + place]
    assert visits == {100 + job: 1 for job in range(1000) if job != place}
    assert traversal.log.objects == 999


def test_a_function_that_stops_the_stub_itself(traversal, clone):
    """Given a job that runs into the stub's breakpoint with room in the buffer, no endless loop."""
    clone.overwrites[101] = (STOPS, 0)
    assert seen(traversal, jobs_of(2, 3, 4)) == {100: 2, 102: 4}
    assert traversal.log.faulted == [101]


def test_functions_that_overwrite_for_ever_end_the_traversal(traversal, clone):
    """Given more such objects than are looked for, of many types, the rest is left to the scan."""
    functions = [job % 50 for job in range(1000)]
    clone.overwrites = {100 + job: (0, 2**63) for job in range(1000)}
    assert seen(traversal, jobs_of(*functions)) == {}
    assert len(traversal.log.faulted) == traverse_budget.MAX_OVERWRITES
    assert traversal.log.skipped == 1000 - traverse_budget.MAX_OVERWRITES


def test_functions_that_are_always_slow_end_the_traversal(traversal, clone, monkeypatch):
    """Given objects that each take longer than patience lasts, not each is waited for."""
    monkeypatch.setattr(traverse_budget, "_TIME_S", 0.0)
    monkeypatch.setattr(traverse_budget, "_TIME_OF_OBJECT_S", 0.0)
    monkeypatch.setattr(traverse_budget, "_TIME_OF_VISIT_S", 0.0)
    clone.always_slow = True
    assert seen(traversal, jobs_of(*[1] * 100)) == {}
    assert len(traversal.log.faulted) + traversal.log.skipped == 100


def test_more_visits_than_there_are_words_end_the_traversal(clone):
    """Given objects that each visit as much as there can be, not all are run."""
    place = SimpleNamespace(helper=clone, code_pid=os.getpid())
    with CloneTraversal(place, most_visits=10_000) as traversal:
        for _ in range(3):
            list(traversal.visits(jobs_of(*[300] * 20)))
    assert traversal.log.objects == 40
    assert traversal.log.skipped == 20


def test_too_much_memory_is_a_refusal(traversal, clone, monkeypatch):
    """Given a twin that was ended for its memory, the reason is told."""
    monkeypatch.setattr(clone, "run", lambda *_: ("memory", 0))
    with pytest.raises(HelperFailure) as caught:
        list(traversal.visits(jobs_of(1)))
    assert caught.value.code == "memory"
