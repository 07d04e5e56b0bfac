"""A dump that cannot be made: exit code, three short parts, no file, and a target that goes on."""

from __future__ import annotations

import importlib
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.dump import dump
from heapgraph.capture.heap.audit import Account, Verdict
from heapgraph.cli.main import run_program
from heapgraph.errors import CaptureInterrupted
from heapgraph.snapshot.reader import open_snapshot
from helpers.running_target import TARGETS, RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGET_ERROR = 3
NOBODY = 65534
LIMIT_S = 60

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can drop privileges against a target of another user"
)


@pytest.fixture(name="target")
def running_target() -> Iterator[RunningTarget]:
    """An idle program that answers on its pipes."""
    with start_target(TARGETS / "kinds.py") as target:
        yield target


def heapgraph(
    *arguments: object, limits: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "heapgraph", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        preexec_fn=limits,
    )


def assert_refused(done: subprocess.CompletedProcess[str], said: str, folder: Path) -> None:
    """The exit code of a target error, three parts without a traceback, and nothing written."""
    assert done.returncode == TARGET_ERROR, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line]
    assert [line.split(":")[0] for line in lines[-3:]] == ["error", "cause", "next"], done.stderr
    assert said in lines[-3], done.stderr
    assert "Traceback" not in done.stderr
    assert not list(folder.glob("*.heapgraph*")), "no file may be left"
    assert not list(folder.glob(".*partial*")), "no temporary file may be left"


def assert_unharmed(target: RunningTarget, folder: Path) -> None:
    """The target still does what it is told."""
    target.send(str(folder / "account"))
    assert target.read_line() == "described"


def test_a_process_that_does_not_exist(tmp_path: Path) -> None:
    """Given the pid of a process that has ended, the dump says so."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    assert_refused(
        heapgraph("dump", ended.pid, "-o", tmp_path / "x.heapgraph"), "no process", tmp_path
    )


def test_a_process_without_python(tmp_path: Path) -> None:
    """Given a process of another program, the dump names the program."""
    with ExitStack() as cleanup:
        other = cleanup.enter_context(subprocess.Popen(["cat"], stdin=subprocess.PIPE))
        cleanup.callback(other.kill)
        done = heapgraph("dump", other.pid, "-o", tmp_path / "x.heapgraph")

    assert_refused(done, str(other.pid), tmp_path)


@needs_root
def test_without_the_permission_to_trace(target: RunningTarget, tmp_path: Path) -> None:
    """Given a target of root and a caller without privileges, the dump is refused."""
    importlib.import_module("heapgraph.cli.commands.dump")  # its file may not be readable later
    with tempfile.TemporaryDirectory() as name, (tmp_path / "said").open("w+") as said:
        folder = Path(name)
        folder.chmod(0o777)
        arguments = ["dump", str(target.pid), "-o", str(folder / "x.heapgraph")]
        status = _in_unprivileged_child(lambda: run_program(arguments), said.fileno())
        errors = (tmp_path / "said").read_text()

        assert os.waitstatus_to_exitcode(status) == TARGET_ERROR, errors
        assert [line.split(":")[0] for line in errors.splitlines()] == ["error", "cause", "next"]
        assert str(target.pid) in errors
        assert not list(folder.iterdir())
    assert_unharmed(target, tmp_path)


def test_an_output_that_exists(target: RunningTarget, tmp_path: Path) -> None:
    """Given a file of the output's name, it stays as it is unless --force is given."""
    output = tmp_path / "precious"
    output.write_text("precious")

    done = heapgraph("dump", target.pid, "-o", output)

    assert_refused(done, "precious", tmp_path)
    assert output.read_text() == "precious"
    forced = heapgraph("dump", target.pid, "-o", output, "--force")
    assert forced.returncode == 0, forced.stderr
    open_snapshot(output).verify_all()


@needs_root
def test_a_disk_that_is_full(target: RunningTarget, tmp_path: Path) -> None:
    """Given a file system with room for 100 kB, the dump fails and leaves nothing behind."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)], check=False
    )
    assert mounted.returncode == 0, "this machine lets root mount nothing"
    try:
        done = heapgraph("dump", target.pid, "-o", disk / "x.heapgraph")
        assert_refused(done, "x.heapgraph", disk)
        assert not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert_unharmed(target, tmp_path)


def test_a_file_that_may_not_grow(target: RunningTarget, tmp_path: Path) -> None:
    """Given a limit of 100 kB for a file, the dump fails and leaves nothing behind."""

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = heapgraph("dump", target.pid, "-o", tmp_path / "x.heapgraph", limits=little_room)

    assert_refused(done, "x.heapgraph", tmp_path)
    assert_unharmed(target, tmp_path)


@pytest.mark.parametrize(("mib", "code"), [(160, TARGET_ERROR), (185, TARGET_ERROR), (260, 0)])
def test_too_little_memory_of_our_own(
    target: RunningTarget, tmp_path: Path, mib: int, code: int
) -> None:
    """Given a limit on our own memory, the dump fails with the reason, not with a crash.

    Some 205 MiB are needed. Where the last of them is missing, pyarrow may end the program itself.
    """

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (mib << 20, mib << 20))
        resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))

    done = heapgraph("dump", target.pid, "-o", tmp_path / "x.heapgraph", limits=little_memory)

    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    assert_unharmed(target, tmp_path)


@pytest.mark.parametrize("method", ["clone", "pause"])
def test_a_target_that_ends_in_the_middle(method: str, tmp_path: Path) -> None:
    """Given a target that is killed during the walk, there is a whole snapshot or a clear error."""
    output = tmp_path / "x.heapgraph"
    with start_target(TARGETS / "kinds.py") as target:
        killed = []

        def kill_once(_phase: str, _done: int, _total: int) -> None:
            if not killed:
                killed.append(target.pid)
                target.process.kill()

        try:
            dump(target.pid, output, method=method, progress=kill_once)  # type: ignore[arg-type]
        except CaptureInterrupted as error:
            assert all(error.parts())  # noqa: PT017 - both outcomes are right
            assert not output.exists()
        else:
            open_snapshot(output).verify_all()
        assert killed
    assert not list(tmp_path.glob(".*partial*"))


def test_a_poor_walk_is_kept_when_the_target_has_ended_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a walk that asks for another, and a target that ends before it, the first is kept."""
    output, verdict = tmp_path / "x.heapgraph", Account.verdict
    with start_target(TARGETS / "kinds.py") as target:

        def poor(account: Account) -> Verdict:
            target.process.kill()
            target.process.wait()
            found = verdict(account)
            found.record.update(grade="poor", reasons=["a test says so"])
            return found

        monkeypatch.setattr(Account, "verdict", poor)
        result = dump(target.pid, output, method="clone")
    open_snapshot(output).verify_all()
    notes = result.notes
    assert any(note.startswith("not frozen again: no process with pid") for note in notes), notes


def _in_unprivileged_child(command: Callable[[], int], errors: int) -> int:
    """Run it as nobody, in a fork: the interpreter's own files may be closed to others."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            sys.stderr = os.fdopen(errors, "w")
            code = command()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]
