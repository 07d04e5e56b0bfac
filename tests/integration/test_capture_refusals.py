"""Captures that cannot be made: exit code, three parts, no file, and a target that goes on."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.capture_process import CAPTURE_HELPER, capture_process
from heapgraph.errors import SnapshotWriteFailed
from helpers.captures import (
    LARGE,
    LIMIT_S,
    assert_goes_on,
    hold_capture,
    is_gone,
    start_large,
    write_capture,
)
from helpers.cli import invoke
from helpers.processes import wait_until
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from helpers.running_target import RunningTarget

USAGE_ERROR, TARGET_ERROR = 2, 3


@pytest.fixture(name="large")
def large_target(tmp_path: Path) -> Iterator[RunningTarget]:
    """A target with 100 MiB that cannot be packed, which answers on its pipes."""
    with start_large(tmp_path) as target:
        yield target


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "usage:"), (("0",), "usage:"), (("x",), "usage:"), (("--pause", "1"), "usage:")],
)
def test_the_helper_alone_explains_itself(arguments: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        [CAPTURE_HELPER, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (done.returncode, done.stdout) == (USAGE_ERROR, "")
    assert said in done.stderr


def refused_pid(kind: str) -> int:
    """A process id that no process has, or that is this process, or one of its threads."""
    if kind == "none":
        with subprocess.Popen(["true"]) as ended:
            return ended.pid
    return os.getpid()


@pytest.mark.parametrize("kind", ["none", "self"])
def test_what_is_refused(kind: str, tmp_path: Path) -> None:
    """Given what is no target, helper and command say so in three parts and write no file."""
    pid = refused_pid(kind)
    alone = write_capture(pid, tmp_path / "alone")
    assert alone.returncode == TARGET_ERROR
    assert [line.split(":")[0] for line in alone.stderr.splitlines()] == ["error", "cause", "next"]
    assert (tmp_path / "alone").stat().st_size == 0

    outcome = invoke("capture", pid, "-o", tmp_path / "x.core.zst")
    assert outcome.code == TARGET_ERROR
    assert len(outcome.error) == 3, outcome.stderr
    assert not (tmp_path / "x.core.zst").exists()


def test_a_process_without_python(tmp_path: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        try:
            outcome = invoke("capture", other.pid, "-o", tmp_path / "x.core.zst")
        finally:
            other.kill()
    assert outcome.code == TARGET_ERROR
    assert "is not a Python process" in outcome.error[0]


def test_a_process_that_is_traced(large: RunningTarget, tmp_path: Path) -> None:
    """Given a process that another program traces, it is left alone."""
    with hold_capture(large.pid) as held:
        alone = write_capture(held.clone, tmp_path / "x")
        assert alone.returncode == TARGET_ERROR
        assert "another program traces it" in alone.stderr
    wait_until(lambda: is_gone(held.clone), "the end of the clone")


def test_an_output_is_written_as_a_snapshot_is(large: RunningTarget, tmp_path: Path) -> None:
    """Given a name, the file is private, and never replaces another unasked."""
    path = tmp_path / "x.core.zst"
    outcome = invoke("capture", large.pid, "-o", path)
    assert outcome.code == 0, outcome.stderr
    assert f"heapgraph dump --core {path}" in outcome.stdout
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()

    assert invoke("capture", large.pid, "-o", path).code == TARGET_ERROR
    assert path.read_bytes() == before
    path.write_bytes(b"")
    assert invoke("capture", large.pid, "-o", path, "--force").code == 0
    assert path.stat().st_size > LARGE
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(SnapshotWriteFailed):
        capture_process(large.pid, tmp_path / "link", force=True)


def test_a_full_disk(large: RunningTarget) -> None:
    """Given a disk without room, the helper says so, and the target goes on."""
    alone = write_capture(large.pid, Path("/dev/full"))
    assert alone.returncode == TARGET_ERROR
    assert "the disk is full" in alone.stderr
    assert_goes_on(large)


def run_on_terminal(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command whose standard output is a terminal."""
    ours, theirs = pty.openpty()
    try:
        return subprocess.run(
            command, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    "command_of",
    [
        lambda pid: [str(CAPTURE_HELPER), str(pid)],
        lambda pid: [sys.executable, "-m", "heapgraph", "capture", str(pid), "-o", "-"],
    ],
    ids=["helper", "command"],
)
def test_a_terminal_is_refused(command_of: Callable[[int], list[str]]) -> None:
    with start_target("idle.py") as target:
        done = run_on_terminal(command_of(target.pid))
    assert done.returncode == USAGE_ERROR
    assert "is a terminal" in done.stderr
