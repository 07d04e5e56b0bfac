"""What nothing reaches, in targets of every version: garbage by its cycle, and lost objects.

Each program runs on every other build, and on each build two of the four; in the long form all do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.analysis.garbage.found import garbage_of
from heapgraph.analysis.suspects import find_suspects
from heapgraph.model import ObjectFlags, RootKind
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target
from helpers.turns import every_other_build

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.analysis.suspects import LeakSuspect
    from heapgraph.graph.heap_graph import HeapGraph
    from helpers.interpreters import Interpreter


def dumped(mode: str, interpreter: Interpreter, folder: Path) -> tuple[HeapGraph, LeakSuspect]:
    """The snapshot of a target, and its first suspect.

    A few dead objects are held by words that the interpreter left behind, and a few more are lost.
    """
    with start_target("dead_memory.py", mode, python=interpreter.path) as target:
        graph = dump_graph(target, folder / "x.heapgraph")
    assert graph.manifest["quality"]["grade"] == "good"
    assert graph.manifest["quality"]["attempts"] == 1
    return graph, find_suspects(graph).suspects[0]


@pytest.fixture(scope="module", params=every_other_build(0))
def cycles(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[HeapGraph, LeakSuspect]:
    """A program whose collector is off, and which loses nothing."""
    return dumped("cycles", request.param, tmp_path_factory.mktemp("cycles"))


def test_cycles_of_a_program_without_a_collector(cycles: tuple[HeapGraph, LeakSuspect]) -> None:
    graph, suspect = cycles
    assert suspect.kind == "garbage"
    assert re.fullmatch(r"<(1,9..|2,000) dead objects> __main__\.Node", suspect.expression)
    assert suspect.retained_size >= 1900 * 2000
    assert "Node.me -> Node" in suspect.reason
    assert "gc.disable" in suspect.reason
    assert garbage_of(graph).never_freed == 0


@pytest.mark.parametrize("interpreter", every_other_build(1))
def test_a_cycle_through_a_type_that_takes_no_part_in_collection(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    graph, suspect = dumped("blind", interpreter, tmp_path)
    assert suspect.kind == "garbage"
    assert re.fullmatch(r"<(1,9..|2,000) dead objects> __main__\.Zone", suspect.expression)
    assert garbage_of(graph).never_freed >= 1900 * 2000
    assert "can never be freed: a cycle goes through datetime.datetime" in suspect.reason
    assert "Zone.begin -> datetime.tzinfo -> Zone" in suspect.reason
    assert "gc.enable" not in suspect.reason


@pytest.mark.parametrize("interpreter", every_other_build(0))
def test_dead_sessions_are_named(interpreter: Interpreter, tmp_path: Path) -> None:
    _, suspect = dumped("sessions", interpreter, tmp_path)
    assert suspect.kind == "garbage"
    assert re.search(r"(9.|100) dead __main__\.Session", suspect.reason)


@pytest.mark.parametrize("interpreter", every_other_build(1))
def test_lost_objects_are_found_by_their_blocks(interpreter: Interpreter, tmp_path: Path) -> None:
    graph, suspect = dumped("lost", interpreter, tmp_path)
    assert suspect.kind == "c-held"
    assert re.fullmatch(r"<(19,99|20,00). lost objects> str", suspect.expression)
    assert re.search(r"lost str \(.*'Bearer 0.*\): nothing refers to them", suspect.reason)
    assert "A Py_DECREF is missing" in suspect.reason
    in_degree = np.diff(graph.reverse.offsets)
    floats = graph.objects_of_type("float")
    assert np.count_nonzero(in_degree[floats] == 0) in range(19_990, 20_010)


def test_nothing_is_lost_in_a_program_that_loses_nothing(
    cycles: tuple[HeapGraph, LeakSuspect],
) -> None:
    graph, _ = cycles
    held = graph.roots.targets[graph.roots.kinds == RootKind.C_HELD]
    held = held[(graph.flags[held] & ObjectFlags.IS_GC) == 0]
    lost = held[np.diff(graph.reverse.offsets)[held] == 0]
    assert len(lost) < 50, [(graph.type_name(each), graph.preview(each)) for each in lost.tolist()]
