"""`heapgraph capture`: the memory of a live process, in little memory, for another machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.capture_process import CAPTURE_HELPER, capture_process
from heapgraph.capture.core.target import inspect_core
from heapgraph.capture.dump import dump
from heapgraph.capture.dump_core import dump_core
from heapgraph.errors import CaptureInterrupted
from heapgraph.snapshot.reader import open_snapshot
from helpers.captures import (
    LARGE,
    LIMIT_S,
    assert_goes_on,
    await_clone,
    hold_capture,
    is_gone,
    living_children_of,
    start_large,
    write_capture,
    write_capture_measured,
)
from helpers.core_files import stopped
from helpers.interpreters import Interpreter, each_interpreter, some_interpreters
from helpers.processes import children_of, is_blocked, wait_until
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.captured import DumpResult
    from helpers.running_target import RunningTarget

HEAP_TABLES = ("objects", "references", "types", "names", "roots", "threads", "frames")
MEMORY_TABLES = ("regions", "pools")
SAME_FACTS = ("executable", "command_line", "python_version", "hostname", "started", "pid")
MAX_MEMORY = 64 << 20
TARGET_ERROR = 3
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)

SHARED_AND_STATIC = [it for it in each_interpreter() if it.id in ("py3.11", "debian-3.11")]
"""The runtime lies in a library of its own, or in the program."""


def python_home(python: Path) -> str:
    """Where an interpreter has its library."""
    code = "import sys; print(sys.base_prefix)"
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True, timeout=LIMIT_S
    ).stdout.strip()


def copied_python(python: Path, folder: Path) -> Path:
    """Copy a program, and the library that holds its runtime, into a folder."""
    folder.mkdir()
    program = python.resolve()
    for library in program.parent.parent.glob("lib/libpython3.*.so.1.0"):
        shutil.copy(library, folder)
    return Path(shutil.copy(program, folder))


def assert_same_tables(
    found: DumpResult, expected: DumpResult, tables: tuple[str, ...] = HEAP_TABLES
) -> None:
    one, other = open_snapshot(found.path), open_snapshot(expected.path)
    assert [name for name in tables if not one.table(name).equals(other.table(name))] == []


@pytest.fixture(name="large")
def large_target(tmp_path: Path) -> Iterator[RunningTarget]:
    """A target with 100 MiB that cannot be packed, which answers on its pipes."""
    with start_large(tmp_path) as target:
        yield target


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_a_capture_has_the_heap_of_the_process(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given a standing process, its capture and itself give the same tables, byte for byte."""
    with start_target("kinds.py", python=interpreter.path) as target, stopped(target.pid):
        live = dump(target.pid, tmp_path / "live.heapgraph", method="pause")
        result = capture_process(target.pid, tmp_path / "x.core.zst")
    # When the process is gone,
    found = dump_core(tmp_path / "x.core.zst", tmp_path / "x.heapgraph")

    assert_same_tables(found, live, HEAP_TABLES + MEMORY_TABLES)
    assert found.quality["reasons"] == live.quality["reasons"] == []
    assert (found.method, found.pause_s) == ("core", result.pause_s)
    manifest, of_live = (open_snapshot(it.path).manifest["target"] for it in (found, live))
    assert {key: manifest[key] for key in SAME_FACTS} == {key: of_live[key] for key in SAME_FACTS}
    columns = ["start", "end", "permissions", "offset", "path", "private_dirty"]
    maps, of_live = (open_snapshot(it.path).table("maps").select(columns) for it in (found, live))
    assert maps.equals(of_live)


def test_a_capture_has_what_a_clone_dump_has(tmp_path: Path) -> None:
    """Given a standing process, a dump of its clone differs only where traverse functions ran."""
    with start_target("idle.py") as target, stopped(target.pid):
        live = dump(target.pid, tmp_path / "live.heapgraph", method="clone")
        capture_process(target.pid, tmp_path / "x.core.zst")
    found = dump_core(tmp_path / "x.core.zst", tmp_path / "x.heapgraph")

    columns = ["address", "shallow_size", "getsizeof", "refcount"]
    tables = [open_snapshot(it.path).table("objects").select(columns) for it in (found, live)]
    rows = [{row["address"]: row for row in table.to_pylist()} for table in tables]
    only_traversed = live.quality["traversed_objects"]
    assert only_traversed > 0
    assert len(rows[0].keys() ^ rows[1].keys()) <= only_traversed
    shared = rows[0].keys() & rows[1].keys()
    assert [at for at in shared if rows[0][at] != rows[1][at]] == []


def test_the_helper_needs_little_memory(large: RunningTarget, tmp_path: Path) -> None:
    """Given a target of 100 MiB, the helper stays within the promised 64."""
    path = tmp_path / "x.core.zst"

    peak = write_capture_measured(large.pid, path)

    assert 0 < peak <= MAX_MEMORY

    assert path.stat().st_size >= LARGE
    assert dump_core(path, tmp_path / "x.heapgraph").quality["grade"] == "good"
    assert_goes_on(large)


def test_a_reservation_is_not_written(tmp_path: Path) -> None:
    """Given a terabyte that was reserved and hardly used, only what is used is written."""
    with start_target("sparse.py") as target, stopped(target.pid):
        result = capture_process(target.pid, tmp_path / "x.core.zst")
        place = json.loads(target.ready)
    assert result.stored < LARGE
    used = place["address"] + place["size"] // 2
    with inspect_core(tmp_path / "x.core.zst", None, tmp_path) as found:
        assert found.memory.read(used - 1, 3) == b"\0\7\7"
        assert found.memory.read(place["address"], 8) == bytes(8)
        (reserved,) = (it for it in found.target.maps if it.start <= used < it.end)
        assert reserved.end - reserved.start >= place["size"]
        assert reserved.rss < LARGE


def test_a_capture_by_the_other_method(large: RunningTarget, tmp_path: Path) -> None:
    """Given the method pause, the process stands while it is written, and then goes on."""
    result = capture_process(large.pid, tmp_path / "x.core.zst", method="pause")
    assert result.method == "pause"
    assert result.pause_s > 0
    assert dump_core(tmp_path / "x.core.zst", tmp_path / "x.heapgraph").objects > 1000
    assert_goes_on(large)


def test_a_pause_has_an_end(large: RunningTarget, tmp_path: Path) -> None:
    """Given more memory than can be written in the limit, the target is let go and no file is."""
    path = tmp_path / "x.core.zst"
    with pytest.raises(CaptureInterrupted, match="as long as it may") as caught:
        capture_process(large.pid, path, method="pause", max_pause_ms=1)
    assert len(caught.value.parts()) == 3
    assert list(tmp_path.glob("*.zst")) == []
    assert_goes_on(large)


def test_calls_in_progress_are_not_disturbed(tmp_path: Path) -> None:
    """Given a target in a blocked read, it still gets what it waits for."""
    with start_target("freeze_states.py", "read") as target:
        for _ in range(3):
            wait_until(lambda: is_blocked(target.pid), "blocked")
            assert write_capture(target.pid, tmp_path / "x.core.zst").returncode == 0
        assert living_children_of(target.pid) == []
        target.send("data")
        assert '"result": 5' in target.read_line()


def test_the_clone_ends_with_the_pipe(large: RunningTarget) -> None:
    """Given a reader that ends, the helper ends and its clone with it, and says why."""
    with hold_capture(large.pid) as held:
        held.pipe.close()
        assert held.process.wait(LIMIT_S) == TARGET_ERROR
        assert held.process.stderr is not None
        assert b"the program that read the output ended" in held.process.stderr.read()
        assert is_gone(held.clone)
    assert_goes_on(large)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_clone_ends_by_a_signal(large: RunningTarget, ending: signal.Signals) -> None:
    """Given a signal, the helper ends by it, and its clone with it."""
    with hold_capture(large.pid) as held:
        os.kill(held.process.pid, ending)
        assert held.process.wait(LIMIT_S) == -ending
        wait_until(lambda: is_gone(held.clone), "the end of the clone")
    assert_goes_on(large)


def test_the_clone_ends_with_heapgraph(large: RunningTarget) -> None:
    """Given a heapgraph that is killed while it captures, helper and clone end by themselves."""
    command = [sys.executable, "-m", "heapgraph", "capture", str(large.pid), "-o", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        try:
            wait_until(lambda: bool(children_of(program.pid)), "a helper")
            (helper,) = children_of(program.pid)
            clone = await_clone(helper, large.pid)
        finally:
            program.kill()
    wait_until(lambda: is_gone(helper) and is_gone(clone), "the end of both")
    assert_goes_on(large)


def in_chroot(root: Path, pid: int) -> list[str]:
    """A command line that runs the helper where there is nothing but it and /proc."""
    (root / "proc").mkdir(parents=True)
    shutil.copy(CAPTURE_HELPER, root / "capture")
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" /capture "$1"'
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        script,
        str(root),
        str(pid),
    ]


def may_unshare() -> bool:
    """Whether this user may make a mount namespace and mount in it."""
    if shutil.which("unshare") is None:
        return False
    test = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(test, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(
    not may_unshare(), reason="no right to make mount and pid namespaces (CAP_SYS_ADMIN)"
)


@needs_namespaces
def test_the_helper_alone_in_an_empty_folder(tmp_path: Path) -> None:
    """Given a chroot with only the helper and /proc, the capture is that of any other place."""
    path = tmp_path / "x.core.zst"
    with start_target("kinds.py") as target, stopped(target.pid):
        live = dump(target.pid, tmp_path / "live.heapgraph", method="pause")
        with path.open("wb") as file:
            command = in_chroot(tmp_path / "root", target.pid)
            subprocess.run(command, stdout=file, check=True, timeout=LIMIT_S)
    assert_same_tables(dump_core(path, tmp_path / "x.heapgraph"), live, HEAP_TABLES)


@needs_namespaces
def test_a_target_in_other_namespaces(tmp_path: Path) -> None:
    """Given a Python with its own process ids and mounts, it is captured from outside."""
    wrapper = tmp_path / "python"
    words = "unshare --mount --pid --fork --kill-child --mount-proc"
    wrapper.write_text(f'#!/bin/sh\nexec {words} {sys.executable} "$@"\n')
    wrapper.chmod(0o700)
    with start_target("idle.py", python=wrapper) as target:
        (inside,) = children_of(target.pid)
        live = dump(inside, tmp_path / "live.heapgraph", method="pause")
        result = capture_process(inside, tmp_path / "x.core.zst")
    assert result.stored > 1 << 20
    found = dump_core(tmp_path / "x.core.zst", tmp_path / "x.heapgraph")
    assert found.objects == live.objects


@pytest.mark.parametrize("interpreter", SHARED_AND_STATIC)
def test_binaries_that_are_gone_are_in_the_capture(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """Given the program and the library with the runtime deleted while it runs, all is there."""
    folder = tmp_path / "python"
    program = copied_python(interpreter.path, folder)
    environment = {"LD_LIBRARY_PATH": str(folder), "PYTHONHOME": python_home(interpreter.path)}
    with (
        start_target("kinds.py", python=program, env=environment) as target,
        stopped(target.pid),
    ):
        capture_process(target.pid, tmp_path / "before.core.zst")
        whole = dump_core(tmp_path / "before.core.zst", tmp_path / "before.heapgraph")
        shutil.rmtree(folder)
        done = write_capture(target.pid, tmp_path / "x.core.zst")
        assert done.returncode == 0, done.stderr

    found = dump_core(tmp_path / "x.core.zst", tmp_path / "x.heapgraph")

    assert_same_tables(found, whole, tuple(name for name in HEAP_TABLES if name != "roots"))
    names = [open_snapshot(it.path).strings("roots", "name").to_pylist() for it in (found, whole)]
    assert [name.replace(" (deleted)", "") for name in names[0]] == names[1]
    assert not any("not read" in note for note in found.notes)
    assert found.quality["grade"] == "good"


def test_a_capture_through_a_pipe(tmp_path: Path) -> None:
    """Given two commands in a pipeline, the snapshot is made without a file between them."""
    path = tmp_path / "x.heapgraph"
    with start_target("idle.py") as target:
        first, second = (
            [sys.executable, "-m", "heapgraph", *words]
            for words in (
                ("capture", str(target.pid), "-o", "-"),
                ("dump", "--core", "-", "-o", str(path)),
            )
        )
        with subprocess.Popen(first, stdout=subprocess.PIPE) as writer:
            done = subprocess.run(second, stdin=writer.stdout, timeout=LIMIT_S, check=False)
        assert (writer.returncode, done.returncode) == (0, 0)
    assert open_snapshot(path).manifest["quality"]["grade"] == "good"
