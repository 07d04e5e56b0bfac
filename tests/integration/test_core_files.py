"""Core files: the same snapshot as of the process itself, and clear errors for what is none."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import heapgraph
from heapgraph.capture.dump import dump
from heapgraph.capture.dump_core import dump_core
from heapgraph.capture.process.maps import read_maps
from heapgraph.errors import CoreFileUnusable, NotAPythonProcess, TargetError, UnsupportedPython
from heapgraph.snapshot.reader import open_snapshot
from helpers.cli import invoke
from helpers.core_files import assert_same_heap, stopped, write_core
from helpers.interpreters import (
    Interpreter,
    each_interpreter,
    some_interpreters,
    unsupported_pythons,
)
from helpers.running_target import TARGETS, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator


TARGET_ERROR = 3
GCORE = shutil.which("gcore")
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern").read_text().strip()
HARD_LIMIT = resource.getrlimit(resource.RLIMIT_CORE)[1]

needs_gcore = pytest.mark.skipif(GCORE is None, reason="gcore (Debian's gdb) is not installed")
needs_kernel_cores = pytest.mark.skipif(
    not CORE_PATTERN.isalnum() or HARD_LIMIT == 0,
    reason=f"the kernel writes core files to {CORE_PATTERN!r} here, at most {HARD_LIMIT} bytes",
)
LIMIT_S = 60


def run_gcore(pid: int, folder: Path) -> Path:
    """Have gdb write the core of a process."""
    done = subprocess.run(
        [str(GCORE), "-o", folder / "core", str(pid)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    path = folder / f"core.{pid}"
    assert path.exists(), done.stderr
    return path


@pytest.fixture(name="core", scope="module")
def core_of_kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A core file of many kinds of objects, on the interpreter of the tests."""
    path = tmp_path_factory.mktemp("core") / "core.kinds"
    with start_target("kinds.py") as target, stopped(target.pid):
        yield write_core(target.pid, path)


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_a_core_has_the_heap_of_the_process(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given a stopped process, its core and its clone give the same tables, byte for byte."""
    with start_target("kinds.py", python=interpreter.path) as target, stopped(target.pid):
        path = write_core(target.pid, tmp_path / "core")
        live = dump(
            target.pid, tmp_path / "live.heapgraph", method="clone", verify_with_traverse=True
        )
        pid = target.pid
    # When the process is gone,
    result = dump_core(path, tmp_path / "core.heapgraph", verify_with_traverse=True)

    assert_same_heap(result, live)
    assert result.notes == []
    assert result.quality["traversed_objects"] > 200
    compared = result.quality["traverse"]
    assert compared["objects"] > result.objects / 4
    assert (compared["identical"], compared["skipped"]) == (compared["objects"], 0)
    assert result.quality["reasons"] == []
    assert (result.method, result.pause_s) == ("core", 0.0)
    manifest, of_live = (open_snapshot(it.path).manifest["target"] for it in (result, live))
    for key in ("pid", "executable", "python_version", "python_build"):
        assert manifest[key] == of_live[key]
    assert manifest["pid"] == pid
    if interpreter.version >= (3, 10):  # before, the note has 80 characters
        assert manifest["command_line"][-1] == of_live["command_line"][-1]
    else:
        assert " ".join(of_live["command_line"]).startswith(" ".join(manifest["command_line"]))


def test_a_core_says_what_it_is(core: Path, tmp_path: Path) -> None:
    """Given a core, the snapshot has its mappings, and as resident what the core stores."""
    snapshot = open_snapshot(dump_core(core, tmp_path / "x.heapgraph").path)

    rows = snapshot.table("maps").to_pylist()
    assert snapshot.manifest["capture"]["method"] == "core"
    assert snapshot.manifest["capture"]["pause_ms"] == 0
    assert snapshot.manifest["target"]["rss"] == sum(row["rss"] for row in rows) > 1 << 20
    assert any("r-xp" in row["permissions"] and ".so" in row["path"] for row in rows)
    assert sum(row["path"] == "[stack]" for row in rows) == 1
    assert all(a["end"] <= b["start"] for a, b in pairwise(rows))


def test_a_core_without_clean_mappings(tmp_path: Path) -> None:
    """Given a core in the manner of gcore, without segments of clean mappings, nothing changes."""
    with start_target("kinds.py") as target, stopped(target.pid):
        whole = write_core(target.pid, tmp_path / "whole")
        short = write_core(target.pid, tmp_path / "short", only_stored=True)
    results = [dump_core(path, f"{path}.heapgraph") for path in (short, whole)]

    assert_same_heap(*results)
    maps = [
        {
            row["start"]: row["permissions"]
            for row in open_snapshot(it.path).table("maps").to_pylist()
        }
        for it in results
    ]
    files = {
        row["start"]
        for row in open_snapshot(results[0].path).table("maps").to_pylist()
        if row["path"].endswith(".so")
    }
    assert {at: maps[0][at] for at in files} == {at: maps[1][at] for at in files}


@needs_gcore
def test_a_core_that_gcore_made(tmp_path: Path) -> None:
    """Given a core made by gdb of a stopped process, the heap is that of the process."""
    with start_target("kinds.py") as target:
        path = run_gcore(target.pid, tmp_path)
        live = dump(target.pid, tmp_path / "live.heapgraph", method="clone")
    result = dump_core(path, tmp_path / "core.heapgraph")

    assert_same_heap(result, live)
    assert result.quality["traversed_objects"] > 200
    snapshot = heapgraph.dump_core(path, tmp_path / "again.heapgraph", redact=True)
    assert snapshot.manifest["counts"]["objects"] == live.objects
    assert snapshot.manifest["redacted"]


@needs_gcore
@pytest.mark.parametrize("interpreter", [it for it in each_interpreter() if it.id == "py3.8"])
def test_threads_that_python_does_not_describe(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given threads of _thread on 3.8, which has no native ids, the core's registers give them."""
    with start_target("kinds.py", python=interpreter.path) as target:
        path = run_gcore(target.pid, tmp_path)
        native_ids = {int(entry.name) for entry in Path(f"/proc/{target.pid}/task").iterdir()}
        pid = target.pid

    snapshot = open_snapshot(dump_core(path, tmp_path / "x.heapgraph").path)

    rows = snapshot.table("threads").to_pylist()
    assert {row["native_id"] for row in rows} == native_ids
    assert next(row for row in rows if row["name"] == "MainThread")["native_id"] == pid


@needs_kernel_cores
def test_a_core_that_the_kernel_made(tmp_path: Path) -> None:
    """Given a program that died of a signal, the kernel's core has its objects and its stack."""

    def allow_core() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (HARD_LIMIT, HARD_LIMIT))

    program = (
        "import os\nCACHE = {f'user:{n}': [n] for n in range(5000)}\ndef fall(): os.abort()\nfall()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        preexec_fn=allow_core,
        timeout=LIMIT_S,
        check=False,
    )
    assert ended.returncode == -signal.SIGABRT
    (core,) = tmp_path.glob(f"{CORE_PATTERN}*")  # "core" or "core.PID"

    result = dump_core(core, tmp_path / "x.heapgraph")

    assert result.quality["grade"] == "good"
    snapshot = heapgraph.open(result.path)
    assert len(snapshot.graph.objects_of_type("list")) > 5000
    cache = snapshot.show("__main__.CACHE['user:4711']")
    assert cache.row.type == "list"
    functions = [frame.function for frame in snapshot.threads().threads[0].frames]
    assert functions[:2] == ["fall", "<module>"]


@pytest.mark.parametrize("share", [0, 0.0001, 0.001, 0.2, 0.5, 0.9, 0.999999])
def test_a_core_that_is_cut_short(core: Path, share: float, tmp_path: Path) -> None:
    """Given the first part of a core, the command says how much is missing and writes nothing."""
    path = tmp_path / "cut"
    shutil.copyfile(core, path)
    os.truncate(path, int(core.stat().st_size * share))

    outcome = invoke("dump", "--core", path, "-o", tmp_path / "x.heapgraph")

    assert outcome.code == TARGET_ERROR
    assert len(outcome.error) == 3, outcome.stderr
    assert ("is empty" if share == 0 else "is cut short") in outcome.error[0]
    assert "Traceback" not in outcome.stderr
    assert list(tmp_path.iterdir()) == [path]


def test_a_core_of_another_program(tmp_path: Path) -> None:
    """Given the core of a program without Python, the error names the program."""
    with ExitStack() as cleanup:
        other = cleanup.enter_context(subprocess.Popen(["cat"], stdin=subprocess.PIPE))
        cleanup.callback(other.kill)
        with stopped(other.pid):
            path = write_core(other.pid, tmp_path / "core")
        with pytest.raises(NotAPythonProcess, match="cat") as caught:
            dump_core(path, tmp_path / "x.heapgraph")
    assert len(caught.value.parts()) == 3


@pytest.mark.parametrize(("program", "version"), unsupported_pythons())
def test_a_core_of_an_old_python(program: Path, version: str, tmp_path: Path) -> None:
    """Given the core of a CPython without a layout table, the error names the version."""
    code = "import sys; sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.read()"
    with ExitStack() as cleanup:
        old = cleanup.enter_context(
            subprocess.Popen(
                [program, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        cleanup.callback(old.kill)
        assert old.stdout is not None
        assert old.stdout.readline() == "ready\n"
        with stopped(old.pid):
            path = write_core(old.pid, tmp_path / "core")
        with pytest.raises(UnsupportedPython, match=version.rpartition(".")[0]) as caught:
            dump_core(path, tmp_path / "x.heapgraph")
    assert len(caught.value.parts()) == 3


class Moved:
    """A core whose program, or whose libraries, are at places that this machine does not have."""

    def __init__(self, folder: Path, *parts: str, python: str | Path = sys.executable) -> None:
        with start_target("kinds.py", python=python) as target, stopped(target.pid):
            self.program = str(Path(f"/proc/{target.pid}/exe").readlink())
            self.runtime = next(
                (m.path for m in read_maps(target.pid) if "/libpython" in m.path), self.program
            )
            wanted = [{"PROGRAM": self.program, "RUNTIME": self.runtime}.get(p, p) for p in parts]
            self.core = write_core(
                target.pid,
                folder / "core",
                name_of=lambda path: f"/gone{path}" if any(w in path for w in wanted) else path,
            )
            self.whole = write_core(target.pid, folder / "whole")


SHARED_AND_STATIC = [it for it in each_interpreter() if it.id in ("py3.11", "debian-3.11")]
"""The runtime lies in a library of its own, or in the program."""


@pytest.mark.parametrize("interpreter", SHARED_AND_STATIC)
def test_a_core_whose_runtime_is_not_here(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given a core from another machine, the error names the file that is needed."""
    moved = Moved(tmp_path, "PROGRAM", "RUNTIME", python=interpreter.path)

    with pytest.raises(CoreFileUnusable) as caught:
        dump_core(moved.core, tmp_path / "x.heapgraph")

    assert f"/gone{moved.runtime}" in caught.value.what
    assert "is not on this machine" in caught.value.what
    assert len(caught.value.parts()) == 3


@pytest.mark.parametrize("interpreter", SHARED_AND_STATIC)
def test_a_core_whose_program_is_named(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given the program at another place, --executable makes the snapshot whole."""
    moved = Moved(tmp_path, "PROGRAM", python=interpreter.path)
    there = tmp_path / "python"
    shutil.copyfile(moved.program, there)

    found = dump_core(moved.core, tmp_path / "x.heapgraph", executable=there)

    assert_same_heap(found, dump_core(moved.whole, tmp_path / "y.heapgraph"))
    assert not any("not read" in text for text in found.notes)


@pytest.mark.parametrize(
    ("executable", "said"),
    [
        ("/nowhere/python", "is not on this machine"),
        ("/bin/cat", "another build"),
        (str(TARGETS / "kinds.py"), "no ELF file"),
        (str(TARGETS), "no file"),
    ],
)
def test_an_executable_that_is_not_the_program(
    core: Path, executable: str, said: str, tmp_path: Path
) -> None:
    """Given a wrong --executable, the error says what is wrong with it."""
    arguments = ("dump", "--core", core, "--executable", executable)
    outcome = invoke(*arguments, "-o", tmp_path / "x.heapgraph")

    assert outcome.code == TARGET_ERROR
    assert len(outcome.error) == 3, outcome.stderr
    assert executable in outcome.error[0]
    assert said in outcome.error[0]


def test_a_core_whose_extensions_are_not_here(tmp_path: Path) -> None:
    """Given a core without the binaries of extensions, types have no names, and it says so."""
    moved = Moved(tmp_path, "lib-dynload")

    found = dump_core(moved.core, tmp_path / "x.heapgraph")
    whole = dump_core(moved.whole, tmp_path / "y.heapgraph")

    assert found.objects > 0.97 * whole.objects
    assert found.quality["grade"] == "poor"
    (reason,) = (text for text in found.quality["reasons"] if "have no name" in text)
    assert "/gone" in reason
    assert any("not read: /gone" in text for text in found.notes)
    names = open_snapshot(found.path).strings("types", "name").to_pylist()
    assert any(name.startswith("<type at 0x") for name in names)


def test_a_core_without_the_memory_of_the_process(tmp_path: Path) -> None:
    """Given a core made without private memory, the error says that no objects are in it."""
    with start_target("kinds.py") as target, stopped(target.pid):
        path = write_core(target.pid, tmp_path / "core", stores=lambda mapping: mapping.path == "")
    with pytest.raises(TargetError) as caught:
        dump_core(path, tmp_path / "x.heapgraph")
    assert len(caught.value.parts()) == 3
    assert "cannot be found" in caught.value.what


def test_a_core_that_is_damaged(tmp_path: Path) -> None:
    """Given words of a core's headers and data changed, there is a snapshot or a clear error."""
    with start_target("idle.py") as target, stopped(target.pid):
        whole = write_core(target.pid, tmp_path / "core").read_bytes()
    outcomes = set()
    for seed in range(12):
        chance, damaged = random.Random(seed), bytearray(whole)
        end = len(damaged) if seed % 2 else 64 << 10  # the headers and notes, or all of it
        for _ in range(5000 if seed % 2 else 4):
            at = chance.randrange(end // 8) * 8
            damaged[at : at + 8] = chance.randbytes(8)
        path = tmp_path / "damaged"
        path.write_bytes(damaged)
        try:
            result = dump_core(path, tmp_path / "x.heapgraph", force=True)
        except TargetError as error:
            outcomes.add(len(error.parts()))
        else:
            open_snapshot(result.path).verify_all()
    assert outcomes <= {3}
