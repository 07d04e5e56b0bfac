"""What is read of a collector's counters from outside is what the interpreter itself says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.cpython.collector_counters import find_collector
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.memory import ProcessMemory, UnreadableMemory
from helpers.interpreters import Interpreter, each_interpreter
from helpers.running_target import RunningTarget, start_target

if TYPE_CHECKING:
    from heapgraph.capture.cpython.collector_counters import CollectorCounters

OWN_OBJECTS = 8
"""What the target's own question adds to, or takes from, the objects that its collector knows."""


def answer(target: RunningTarget, order: str) -> tuple[bool, int, list[list[int]]]:
    target.send(order)
    enabled, tracked, stats = json.loads(target.read_line())
    return enabled, tracked, stats


def counters(target: RunningTarget) -> CollectorCounters:
    found = inspect_target(target.pid)
    with ProcessMemory(target.pid) as memory:
        place = find_collector(memory, found.layout, found.runtime_address)
        memory.forget()
        return place.read(memory.read)


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_counters_are_those_of_the_interpreter(interpreter: Interpreter) -> None:
    """Given collections, garbage and a disabled collector, each number is what gc says."""
    with start_target("collector_counts.py", python=interpreter.path) as target:
        for order in ("grow", "full", "cycle", "young", "full", "off", "grow", "full"):
            enabled, tracked, stats = answer(target, order)
            read = counters(target)
            assert read.enabled == enabled
            assert [list(one) for one in read.generations] == stats
            if order == "full":
                assert read.tracked == pytest.approx(tracked, abs=OWN_OBJECTS)


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_tracked_objects_are_not_guessed_before_they_were_counted(
    interpreter: Interpreter,
) -> None:
    """Given no full collection yet, the number is that of now, or none."""
    with start_target("collector_counts.py", python=interpreter.path) as target:
        _, tracked, stats = answer(target, "young")
        read = counters(target)
        if stats[-1][0] == 0 and read.tracked is not None:
            assert read.tracked == pytest.approx(tracked, abs=OWN_OBJECTS)


def test_a_process_that_ended_has_no_counters() -> None:
    """Given a place found before, reading it after the end is an error, not zeros."""
    with start_target("collector_counts.py") as target:
        found = inspect_target(target.pid)
        with ProcessMemory(target.pid) as memory:
            place = find_collector(memory, found.layout, found.runtime_address)
            target.kill()
            memory.forget()
            with pytest.raises(UnreadableMemory):
                place.read(memory.read)
