"""Traverse functions run in the frozen clone, and whatever they do there, the target goes on."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.dump import dump
from heapgraph.capture.heap.traverse_budget import MAX_FAULTS_OF_FUNCTION
from heapgraph.cli.main import program
from heapgraph.graph.heap_graph import HeapGraph
from helpers.interpreters import each_interpreter
from helpers.running_target import TARGETS, RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heapgraph.capture.captured import DumpResult
    from helpers.interpreters import Interpreter

MIN_IDENTICAL = 0.9999
MAX_FAULTS = 10
"""Up to 3.12 the functions of struct sequences need a current thread, which a clone may lack."""

ODD_CLASSES = ("Faults", "Hangs", "Closes")


@pytest.fixture(scope="module")
def odd_target() -> Iterator[RunningTarget]:
    """A target with traverse functions that do what they should not."""
    offset = layout_for(sys.version_info[:2]).fields["tp.traverse"]
    with start_target("odd_traverse.py", offset, "classes") as target:
        yield target


@pytest.fixture(scope="module")
def odd_dump(odd_target: RunningTarget, tmp_path_factory: pytest.TempPathFactory) -> DumpResult:
    """It dumped and verified."""
    folder = tmp_path_factory.mktemp("odd")
    file = folder / "odd.heapgraph"
    return dump(odd_target.pid, file, method="clone", verify_with_traverse=True)


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_all_objects_agree_with_their_own_types(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given hundreds of kinds of objects, when all are traversed, references are identical."""
    with start_target(TARGETS / "kinds.py", python=str(interpreter.path)) as target:
        result = dump(target.pid, tmp_path / "kinds.heapgraph", verify_with_traverse=True)

    quality = result.quality
    compared = quality["traverse"]
    assert compared["identical"] >= MIN_IDENTICAL * compared["objects"], compared
    assert compared["objects"] > result.objects / 4
    assert compared["faults"] <= MAX_FAULTS
    assert compared["skipped"] == 0
    # Modules are always asked, and they are not the only ones.
    assert quality["traversed_objects"] > 200
    assert quality["grade"] == "good", quality["reasons"]


def test_extension_types_agree_with_their_snapshot(tmp_path: Path) -> None:
    """Given numpy and its Cython modules, when all are traversed, references are identical."""
    with start_target(TARGETS / "kinds.py", "--numpy") as target:
        result = dump(target.pid, tmp_path / "numpy.heapgraph", verify_with_traverse=True)

    compared = result.quality["traverse"]
    assert compared["identical"] >= MIN_IDENTICAL * compared["objects"], compared
    assert not [name for name in result.quality["scanned_types"] if "cython" in name]


def test_only_what_cannot_be_asked_is_scanned(tmp_path: Path) -> None:
    """Given types without a table, when cloned and when paused, as many are asked."""
    with start_target(TARGETS / "kinds.py") as target:
        cloned = dump(target.pid, tmp_path / "clone.heapgraph", method="clone")
        paused = dump(target.pid, tmp_path / "pause.heapgraph", method="pause")

    assert cloned.quality["traversed_objects"] > 200
    assert paused.quality["traversed_objects"] == cloned.quality["traversed_objects"]
    # What tells of itself need not be scanned; what the collector does not know still is.
    assert cloned.quality["scanned_types"]
    assert paused.quality["scanned_types"] == cloned.quality["scanned_types"]


def test_a_function_that_fails_costs_only_its_own_objects(odd_dump: DumpResult) -> None:
    """Given functions that fault, hang and close a file, when dumped, all others ran.

    Among those are functions that allocate memory, as extensions do when a thread first runs them.
    """
    faults = odd_dump.quality["traverse_faults"]
    assert faults == {"Faults": MAX_FAULTS_OF_FUNCTION, "Closes": 2, "Hangs": 1}
    assert odd_dump.quality["traversed_objects"] > 20
    assert odd_dump.quality["grade"] == "good"


def test_what_could_not_be_asked_is_read_from_memory(odd_dump: DumpResult) -> None:
    """Given objects whose function failed, when dumped, what they hold is known all the same."""
    graph = HeapGraph.open(odd_dump.path)
    for name in ODD_CLASSES:
        (item, *_) = graph.objects_of_type(f"__main__.{name}").tolist()
        held = {graph.type_name(reference.target) for reference in graph.referents(item)}
        assert "list" in held, name


def test_more_visits_than_the_buffer_holds_are_all_compared(odd_dump: DumpResult) -> None:
    """Given a list of 2.5 million items, when verified, it is compared to its end."""
    assert odd_dump.quality["traverse"]["disagreements"] == {}
    assert odd_dump.quality["traverse"]["identical"] > 1000


def test_the_target_does_not_notice(odd_target: RunningTarget, odd_dump: DumpResult) -> None:
    """Given a function that closes file 0, when it ran in the clone, the target still has it."""
    assert odd_dump.method == "clone"
    odd_target.send("are you there")
    assert odd_target.read_line() == "fine"


def test_without_memory_for_the_clone_words_are_scanned(tmp_path: Path) -> None:
    """Given a target at its limit of memory, when dumped, nothing runs and a note says so."""
    with start_target("odd_traverse.py", 0, "no-memory") as target:
        file = tmp_path / "limited.heapgraph"
        result = dump(target.pid, file, method="clone", verify_with_traverse=True)
        target.send("are you there")
        assert target.read_line() == "fine"

    assert result.method == "clone"
    assert result.quality["traversed_objects"] == 0
    assert result.quality["traverse"] == {}
    assert len([note for note in result.notes if "Cannot allocate memory" in note]) == 2


def test_the_command_reports_what_it_compared(tmp_path: Path) -> None:
    """Given --verify-with-traverse, when dumped, stderr has sentences and stdout one document."""
    options = ["-o", str(tmp_path / "x.heapgraph"), "--verify-with-traverse", "--json"]
    with start_target("odd_traverse.py", 0, "plain") as target:
        result = CliRunner().invoke(program, ["dump", str(target.pid), *options])

    assert result.exit_code == 0
    compared = json.loads(result.stdout)["quality"]["traverse"]
    assert f"{compared['faults']} faults, {compared['skipped']} skipped" in result.stderr
