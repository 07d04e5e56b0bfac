"""What fault drills stand on: harm is noticed, all that was started ends, skips say why."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.watch.drill import registry, run
from heapgraph.watch.drill.findings import Findings, NotAsExpectedError
from heapgraph.watch.drill.processes import command_line, descendants_of, processes_with
from heapgraph.watch.drill.registry import DRILLS, NAMESPACES, Drill
from heapgraph.watch.drill.stage import Stage
from helpers.as_root import needs_root
from helpers.cli import invoke
from helpers.drills import pass_drill
from helpers.processes import state_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.watch.drill.target import DrillTarget

MARKERS: list[str] = []


def failing_body(stage: Stage, findings: Findings) -> None:
    """A drill that starts a target, sees one thing, and not the other."""
    stage.target()
    MARKERS.append(stage.marker)
    findings.must(holds=True, text="one thing")
    findings.must(holds=False, text="the other", but="a third")


@contextmanager
def one_target() -> Iterator[tuple[Stage, DrillTarget]]:
    with Stage() as stage:
        yield stage, stage.target()


def test_a_target_that_nothing_was_done_to_is_unharmed():
    """Given a target, it beats, is as it was, and ends with 0; that is what is noted."""
    findings = Findings()
    with one_target() as (stage, target):
        stage.check_unharmed(findings)
        assert target.process.returncode == 0
    assert "target unharmed" in findings.lines[0]
    assert processes_with(stage.marker) == []
    assert not stage.folder.exists()


def test_a_target_that_is_left_stopped_is_harmed():
    """Given SIGSTOP that nobody took back, the drill fails, and the target is ended."""
    with one_target() as (stage, target):
        os.kill(target.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(target.pid) == "T", "it is stopped")
        with pytest.raises(NotAsExpectedError, match="runs or sleeps"):
            stage.check_unharmed(Findings())
    assert processes_with(stage.marker) == []


def test_a_target_with_a_child_more_is_harmed():
    """Given children that were not there before, the drill fails."""
    with one_target() as (stage, target):
        target.ask("crew 2")
        with pytest.raises(NotAsExpectedError, match="children"):
            stage.check_unharmed(Findings())


def test_a_target_that_is_gone_is_harmed():
    """Given a target that somebody else has killed, the drill fails."""
    with one_target() as (stage, target):
        os.kill(target.pid, signal.SIGKILL)
        with pytest.raises(NotAsExpectedError):
            stage.check_unharmed(Findings())


@needs_root
def test_a_drill_with_mounts_leaves_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Given a drill that mounts a disk in its folder, the folder is gone afterwards."""
    monkeypatch.setattr(run.tempfile, "tempdir", str(tmp_path))
    pass_drill("audit-full")
    assert list(tmp_path.iterdir()) == []


def test_a_receiver_that_is_down_refuses_until_it_comes_up():
    """Given a receiver that is down, its port is taken and refuses; then it accepts."""
    with Stage() as stage:
        hook = stage.receiver(is_up=False)
        port = int(hook.url.rpartition(":")[2].partition("/")[0])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
        hook.come_up()
        socket.create_connection(("127.0.0.1", port), 5).close()


def test_a_drill_that_fails_says_what_it_saw_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch):
    """Given a drill whose second expectation does not hold, it is failed with both in its lines."""
    monkeypatch.setattr(run, "_body", lambda _: failing_body)
    drill = Drill("a", "s", "f", "e", "killed:dump_child")
    result = run.run_drill(drill)
    assert result.outcome == "failed"
    assert result.seen == ("one thing", "not so: the other; but: a third")
    assert processes_with(MARKERS[-1]) == []


def test_what_cannot_run_here_is_skipped_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Given a machine without `unshare`, a drill of disks is skipped: neither passed nor failed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    skipped = invoke("drill", "disk-full")
    assert skipped.code == 0
    assert "disk-full: skipped" in skipped.stdout
    assert "needs the program unshare" in skipped.stdout
    assert skipped.stdout.splitlines()[-1] == "1 skipped"
    document = invoke("drill", "disk-full", "--json").document
    assert [row["outcome"] for row in document["drills"]] == ["skipped"]
    assert document["counts"] == {"passed": 0, "failed": 0, "skipped": 1}


def test_one_that_fails_is_an_exit_code(monkeypatch: pytest.MonkeyPatch):
    """Given a drill that fails, the command ends with 1 and names it."""
    monkeypatch.setattr(run, "_body", lambda _: failing_body)
    outcome = invoke("drill", "kill-dump")
    assert outcome.code == 1
    assert "seen: not so: the other; but: a third" in outcome.stdout
    assert outcome.error[0] == "1 of 1 drills failed: kill-dump"


def test_a_drill_that_there_is_not_is_an_error_of_usage():
    """Given a name that is misspelled, nothing runs."""
    outcome = invoke("drill", "kill-demon")
    assert outcome.code == 2
    assert "kill-demon" in outcome.error[0]


def test_every_drill_is_listed_has_a_body_and_a_row_in_the_docs():
    """Given the registry, its names are one of a kind, and all else knows them."""
    names = [drill.name for drill in DRILLS]
    assert len(set(names)) == len(names)
    listed = invoke("drill", "--list", "--json").document["drills"]
    assert [row["name"] for row in listed] == names
    page = (Path(__file__).resolve().parents[3] / "docs" / "watch-drills.md").read_text()
    for drill in DRILLS:
        assert callable(run._body(drill))
        row = f"| `{drill.name}` | {drill.fault} | {drill.expectation} |"
        assert row in page, row
        assert registry.find_drill(drill.name) is drill
        assert drill.needs in ("", NAMESPACES)


@pytest.mark.parametrize("name", ["webhook-slow", pytest.param("audit-full", marks=needs_root)])
def test_what_a_drill_has_started_ends_with_it(name: str, tmp_path: Path):
    """Given SIGKILL of the command, its targets and daemons end, in namespaces too."""
    command = [sys.executable, "-P", "-m", "heapgraph", "drill", name]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        try:
            wait_until(lambda: _roles(process.pid) >= {"watch", "target_program.py"}, "all run")
            started = descendants_of(process.pid)
        finally:
            process.kill()
    wait_until(lambda: all(state_of(pid) in ("", "Z") for pid in started), "all have ended")


def _roles(pid: int) -> set[str]:
    """Last parts of the arguments of all below a process."""
    below = descendants_of(pid)
    return {part.rpartition("/")[2] for one in below for part in command_line(one)}
