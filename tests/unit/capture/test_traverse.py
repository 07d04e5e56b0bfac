"""The Python side of running traverse functions, against a helper that plays the clone."""

from __future__ import annotations

import ctypes
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.capture import traverse
from heapgraph.capture.freeze_helper import HelperFailure
from heapgraph.capture.memory import UnreadableMemory
from heapgraph.capture.traverse import BUFFER_WORDS, CloneTraversal

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULT, HANG = -1, -2
"""Instead of a number of visits: what the function does."""


class PlayedClone:
    """Memory of this process, and a stub in Python: a job's function is how often it visits."""

    def __init__(self) -> None:
        self.runs = 0
        self.slow_job = -1
        self._visited = 0

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
            if visits == FAULT:
                return "signal", 11
            if visits == HANG:
                return "limit", 0
            if not self._visit(address, visits):
                return "stub", 0
            if current == self.slow_job:
                self.slow_job = -1
                return "limit", 0
            self._words(ends, count)[current] = self._control[4]
            current += 1
            self._control[0] = current
            self._visited = 0
        return "stub", 0

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
    many = [FAULT] * (traverse.MAX_FAULTS_OF_FUNCTION + 50)
    assert seen(traversal, jobs_of(*many, 4)) == {100 + len(many): 4}
    assert len(traversal.log.faulted) == traverse.MAX_FAULTS_OF_FUNCTION
    assert traversal.log.skipped == 50
    assert clone.runs == traverse.MAX_FAULTS_OF_FUNCTION + 1


def test_after_some_hangs_the_rest_is_left(traversal):
    hangs = [HANG] * traverse.MAX_HANGS
    assert seen(traversal, jobs_of(1, *hangs, 1, 1)) == {100: 1}
    assert traversal.log.skipped == 2
    assert seen(traversal, jobs_of(1, 1)) == {}
    assert traversal.log.skipped == 4


def test_a_slow_function_that_moves_is_not_a_hang(traversal, clone):
    clone.slow_job = 1
    assert seen(traversal, jobs_of(5, 7, 1)) == {100: 5, 101: 7, 102: 1}
    assert traversal.log.faulted == []


def test_a_function_that_visits_without_end_is_left_out(traversal, monkeypatch):
    monkeypatch.setattr(traverse, "MAX_VISITS_OF_OBJECT", 2 * BUFFER_WORDS)
    assert seen(traversal, jobs_of(2, 5 * BUFFER_WORDS, 1)) == {100: 2, 102: 1}
    assert traversal.log.faulted == [101]


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
