"""What a snapshot says of collector, tracemalloc and flags, against what Python says itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.capture.dump import dump
from heapgraph.snapshot.reader import open_snapshot
from helpers.interpreters import each_interpreter
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter


def dumped(
    interpreter: Interpreter, tmp_path: Path, *arguments: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the target says, and the section of the manifest."""
    path = tmp_path / "a.heap"
    with start_target("interpreter_facts.py", *arguments, python=interpreter.path) as process:
        said = json.loads(process.ready)
        dump(process.pid, path)
    with open_snapshot(path) as snapshot:
        return said, snapshot.manifest["interpreter"]


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_what_was_switched_is_seen(interpreter: Interpreter, tmp_path: Path) -> None:
    said, found = dumped(interpreter, tmp_path, "disabled", "frozen", "tracing")
    assert found["gc_enabled"] is False
    assert found["gc_disabled_in"] == found["interpreters"] == 1
    assert found["gc_thresholds"] == said["thresholds"] == [1234, 7, 9]
    assert found["gc_frozen"] == said["frozen"] > 1000
    assert found["tracemalloc"] is True
    assert found["tracemalloc_frames"] == 3
    if interpreter.version >= (3, 12):
        # Two kinds of blocks are counted here or there only; both are near the truth.
        assert 0.6 * said["memory"] < found["tracemalloc_bytes"] < 2 * said["memory"]
    else:
        assert found["tracemalloc_bytes"] is None


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_a_plain_program_is_seen_as_it_is(interpreter: Interpreter, tmp_path: Path) -> None:
    said, found = dumped(interpreter, tmp_path)
    assert found["gc_enabled"] is True
    assert found["gc_disabled_in"] == 0
    assert found["gc_thresholds"] == said["thresholds"]
    assert found["gc_frozen"] == said["frozen"]  # some of 3.12 from its start
    assert found["tracemalloc"] is False
    assert found["tracemalloc_bytes"] == 0
    known = {name: value for name, value in said["flags"].items() if value >= 0}
    assert found["flags"] == known
    assert len(known) >= 14
