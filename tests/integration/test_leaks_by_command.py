"""The demonstration program is dumped while it runs, as a user does it, command by command.

__main__ -> MONITOR -> unfinished -> [i] -> response -> fp -> raw -> _sock
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.analysis.expressions import expression
from heapgraph.graph.heap_graph import HeapGraph
from helpers.leak_programs import leak_programs
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = next(program for program in leak_programs() if program.name == "http_response")
TOP = 5


@dataclass(frozen=True)
class LeakDump:
    """A snapshot of a leak program, taken while it ran, and what must be found in it."""

    snapshot: Path
    expected: dict[str, Any]


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


@pytest.fixture(scope="module")
def leak(tmp_path_factory) -> LeakDump:
    """One dump, taken while the program goes on leaking."""
    snapshot = tmp_path_factory.mktemp("leak") / "leak.heapgraph"
    with start_target(PROGRAM.path) as target:
        assert target.ready == f"ready {target.pid}"
        heapgraph("dump", target.pid, "-o", snapshot, "--json")
        assert target.process.poll() is None, "the target must survive its dump"
    return LeakDump(snapshot, PROGRAM.expected)


def test_the_holder_is_among_the_biggest_objects(leak):
    answer = json.loads(heapgraph("dominators", leak.snapshot, "--limit", TOP, "--json"))
    assert leak.expected["holder"] in [row["expression"] for row in answer["objects"]]


def test_a_leaked_object_is_reached_by_name_from_the_holder(leak):
    """The labels of the path, read from the root on, contain the known chain in its order."""
    graph = HeapGraph.open(leak.snapshot)
    object_ids = graph.objects_of_type(leak.expected["leaked_type"])
    assert len(object_ids) >= leak.expected["objects_at_ready"]

    holder = leak.expected["holder"]
    leaked = next(o for o in object_ids.tolist() if expression(graph, o).startswith(holder))
    answer = json.loads(heapgraph("path", leak.snapshot, f"@{leaked}", "--json"))
    path = answer["paths"][0]
    assert path["root"]["kind"] == "module"
    assert path["root"]["name"] == "__main__"
    assert path["expression"].startswith(holder)
    labels = iter([str(step["label"]) for step in path["steps"]])
    missing = [label for label in leak.expected["chain"] if label not in labels]
    assert not missing, path


def test_the_first_suspect_is_the_holder(leak):
    answer = json.loads(heapgraph("suspects", leak.snapshot, "--json"))
    assert list(answer) == ["suspects", "steady"]
    first = answer["suspects"][0]
    assert first["expression"] == leak.expected["holder"]
    assert first["accumulation_point"]["expression"] == leak.expected["holder"]
    assert first["path"]["root"] == {"kind": "module", "name": "__main__"}
    text = heapgraph("suspects", leak.snapshot)
    assert text.startswith(f"1. {first['expression']}: ")
    assert first["fingerprint"] in text


def test_the_chain_is_drawn(leak, tmp_path):
    picture = tmp_path / "chain.svg"
    heapgraph("svg", leak.snapshot, leak.expected["holder"], "-o", picture)
    drawing = picture.read_text()
    assert "<svg" in drawing
    assert leak.expected["chain"][0] in drawing
