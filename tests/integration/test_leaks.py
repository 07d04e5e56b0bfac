"""Each program of fixtures/leaks is dumped while it runs; its known answer must come out.

__main__ -> MONITOR -> unfinished -> [i] -> response -> fp -> raw -> _sock
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from heapgraph.graph.heap_graph import HeapGraph
from helpers.running_target import start_target

LEAKS = Path(__file__).resolve().parents[2] / "fixtures" / "leaks"
PROGRAMS = sorted(LEAKS.glob("*.py"))
TOP = 5


@dataclass(frozen=True)
class LeakDump:
    """A snapshot of a leak program, taken while it ran, and what must be found in it."""

    snapshot: Path
    expected: dict[str, Any]


def known_answer(program: Path) -> dict[str, Any]:
    """The EXPECTED constant of a leak program, read without running it."""
    for statement in ast.parse(program.read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "EXPECTED":
            return ast.literal_eval(statement.value)
    raise LookupError(f"{program.name} has no EXPECTED: every leak program carries its answer")


def heapgraph(*arguments: object) -> str:
    """Run the command line as a user does; its standard output."""
    completed = subprocess.run(
        [sys.executable, "-m", "heapgraph", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda program: program.stem)
def leak(request, tmp_path_factory) -> LeakDump:
    """One dump per program, taken while it goes on leaking."""
    snapshot = tmp_path_factory.mktemp("leak") / "leak.heapgraph"
    with start_target(request.param) as target:
        assert target.ready == f"ready {target.pid}"
        heapgraph("dump", target.pid, "-o", snapshot, "--json")
        assert target.process.poll() is None, "the target must survive its dump"
    return LeakDump(snapshot, known_answer(request.param))


def test_the_holder_is_among_the_biggest_objects(leak):
    answer = json.loads(heapgraph("dominators", leak.snapshot, "--limit", TOP, "--json"))
    assert leak.expected["holder"] in [row["expression"] for row in answer["objects"]]


def test_a_leaked_object_is_reached_by_name_from_the_holder(leak):
    """The labels of the path, read from the root on, contain the known chain in its order."""
    graph = HeapGraph.open(leak.snapshot)
    object_ids = graph.objects_of_type(leak.expected["leaked_type"])
    assert len(object_ids) >= leak.expected["objects_at_ready"]

    answer = json.loads(heapgraph("path", leak.snapshot, f"@{object_ids[-1]}", "--json"))
    path = answer["paths"][0]
    assert path["root"]["kind"] == "module"
    assert path["root"]["name"] == "__main__"
    assert path["expression"].startswith(leak.expected["holder"])
    labels = iter([str(step["label"]) for step in path["steps"]])
    missing = [label for label in leak.expected["chain"] if label not in labels]
    assert not missing, path


def test_the_chain_is_drawn(leak, tmp_path):
    picture = tmp_path / "chain.svg"
    heapgraph("svg", leak.snapshot, leak.expected["holder"], "-o", picture)
    drawing = picture.read_text()
    assert "<svg" in drawing
    assert leak.expected["chain"][0] in drawing
