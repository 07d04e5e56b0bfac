"""What runs of a core file: the traverse functions of its types, in a twin, or nothing."""

from __future__ import annotations

import json
import os
import platform
import select
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.dump import dump
from heapgraph.capture.dump_core import dump_core
from heapgraph.capture.heap.traverse_budget import MAX_FAULTS_OF_FUNCTION
from heapgraph.capture.live import freeze_helper
from helpers.cli import invoke
from helpers.core_files import assert_same_heap, stopped, write_core
from helpers.processes import children_of
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDED_S = 20


@pytest.fixture(name="core", scope="module")
def core_of_kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A core file of many kinds of objects, on the interpreter of the tests."""
    path = tmp_path_factory.mktemp("core") / "core.kinds"
    with start_target("kinds.py") as target, stopped(target.pid):
        yield write_core(target.pid, path)


def test_a_core_of_which_nothing_is_to_run(core: Path, tmp_path: Path) -> None:
    """Given --no-run, types without a table are scanned, and a note says so."""
    ran = dump_core(core, tmp_path / "ran.heapgraph")
    outcome = invoke("dump", "--core", core, "--no-run", "-o", tmp_path / "x.heapgraph", "--json")

    assert outcome.code == 0
    quality = json.loads(outcome.stdout)["quality"]
    assert quality["traversed_objects"] == 0
    assert set(ran.quality["scanned_types"]) < set(quality["scanned_types"])
    assert "--no-run" in outcome.stderr


def test_a_core_without_the_helper(
    core: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a machine on which no twin can be made, types are scanned, and a note says why."""
    monkeypatch.setattr(freeze_helper, "HELPER", tmp_path / "no_helper")

    result = dump_core(core, tmp_path / "x.heapgraph", verify_with_traverse=True)

    assert result.quality["grade"] == "good"
    assert (result.quality["traversed_objects"], result.quality["traverse"]) == (0, {})
    assert len([note for note in result.notes if "no_helper cannot be started" in note]) == 2


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86_64")
def test_a_core_with_functions_that_do_what_they_should_not(tmp_path: Path) -> None:
    """Given functions that fault, hang, close files and allocate, a core is as the clone."""
    offset = layout_for(sys.version_info[:2]).fields["tp.traverse"]
    with start_target("odd_traverse.py", offset, "classes") as target, stopped(target.pid):
        path = write_core(target.pid, tmp_path / "core")
        live = dump(target.pid, tmp_path / "live.heapgraph", method="clone")
    result = dump_core(path, tmp_path / "core.heapgraph")

    assert_same_heap(result, live)
    assert result.quality["traverse_faults"] == {
        "Faults": MAX_FAULTS_OF_FUNCTION,
        "Closes": 2,
        "Hangs": 1,
    }


STANDS_IN_THE_TRAVERSAL = """
import sys
from heapgraph.capture.dump_core import dump_core
def progress(phase, done, total):
    if phase == "traverse":
        print("here", flush=True)
        sys.stdin.read()
dump_core(sys.argv[1], sys.argv[2], progress=progress)
"""


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_dump_is_ended(
    core: Path, tmp_path: Path, signal_number: signal.Signals
) -> None:
    """Given a dump that is ended while its twin runs, helper and twin end, and no file is left."""
    command = [sys.executable, "-c", STANDS_IN_THE_TRAVERSAL, core, tmp_path / "x.heapgraph"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes) as running, ExitStack() as cleanup:
        cleanup.callback(running.kill)
        assert running.stdout is not None
        assert running.stdout.readline() == b"here\n"
        (helper,) = children_of(running.pid)
        (twin,) = children_of(helper)
        ends = [os.pidfd_open(pid) for pid in (helper, twin)]
        for descriptor in ends:
            cleanup.callback(os.close, descriptor)
        running.send_signal(signal_number)
        for descriptor in ends:
            assert select.select([descriptor], [], [], ENDED_S)[0]
    assert list(tmp_path.iterdir()) == []
