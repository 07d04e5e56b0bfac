"""What is found out about a live process, on every version; and who is refused, with what words."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.cpython.probe import plausible
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.child_processes import python_children
from heapgraph.capture.process.maps import read_maps
from heapgraph.capture.process.memory import ProcessMemory
from heapgraph.errors import NotAPythonProcess, TargetNotFound, UnsupportedPython
from helpers.interpreters import each_interpreter, find_python, unsupported_pythons
from helpers.running_target import TARGETS, start_target

if TYPE_CHECKING:
    from helpers.interpreters import Interpreter

LIBRARIES = [
    library
    for minor in range(11, 16)
    if (program := find_python(minor))
    for library in program.parent.parent.glob("lib/libpython3.*.so")
]
STATIC_PYTHON = Path("/usr/bin/python3.11")
needs_map_files = pytest.mark.skipif(
    os.geteuid() != 0 or not STATIC_PYTHON.exists(),
    reason="only root may open a deleted program, and a program without libpython is needed",
)


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_target_is_described_as_it_describes_itself(interpreter: Interpreter) -> None:
    arguments = ["--option", "two words", "", "caf\u00e9"]
    with start_target("target_self.py", *arguments, python=interpreter.path) as process:
        said = json.loads(process.ready)
        target = inspect_target(process.pid)
        with ProcessMemory(process.pid) as memory:
            fields = target.layout.fields
            head = memory.u64(target.runtime_address + fields["rt.interp_main"])
            assert memory.u64(head + fields["is.sysdict"]) == said["sys_dict"]
    assert target.pid == process.pid
    assert list(target.version) == said["version"]
    assert target.version_text.startswith(".".join(map(str, said["version"])))
    assert target.build == " ".join(said["build"].split())
    assert target.layout.version == interpreter.version
    assert list(target.command_line[-4:]) == arguments
    assert said["arguments"] == arguments
    assert Path(target.executable).name.startswith("python3")
    assert target.rss > 1 << 20
    assert target.hostname == os.uname().nodename
    age = datetime.now(UTC) - datetime.fromisoformat(target.started)
    assert abs(age) < timedelta(minutes=1)


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_busy_target_is_found_out_every_time(interpreter: Interpreter) -> None:
    with start_target("target_churning.py", python=interpreter.path) as process:
        found = {inspect_target(process.pid).layout.headers_used for _ in range(25)}
    assert len(found) == 1


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_layout_with_the_lists_elsewhere_is_not_plausible(interpreter: Interpreter) -> None:
    with start_target("idle.py", python=interpreter.path) as process:
        target = inspect_target(process.pid)
        with ProcessMemory(process.pid) as memory:
            assert plausible(memory, target.layout, target.runtime_address)
            for field in ("gc.generations", "obj.type", "tp.name"):
                for distance in (-8, -4, 4, 8):
                    fields = {**target.layout.fields, field: target.layout.fields[field] + distance}
                    wrong = replace(target.layout, fields=fields)
                    assert not plausible(memory, wrong, target.runtime_address), (field, distance)


def test_mappings_are_those_of_the_kernel() -> None:
    with start_target("idle.py") as process:
        maps = inspect_target(process.pid).maps
        assert maps == read_maps(process.pid, sizes=False)
        assert any(m.path.endswith("[stack]") for m in maps)


def test_program_that_is_no_python_is_named() -> None:
    program = shutil.which("cat")
    assert program is not None
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"started\n")
        process.stdin.flush()
        process.stdout.readline()
        with pytest.raises(NotAPythonProcess) as caught:
            inspect_target(process.pid)
        process.kill()
    assert str(process.pid) in caught.value.what
    assert Path(program).resolve().name in caught.value.what
    assert len(caught.value.parts()) == 3


@pytest.mark.parametrize(("program", "version"), unsupported_pythons())
def test_python_that_is_too_old_is_refused_by_its_number(program: Path, version: str) -> None:
    with start_target("idle.py", python=program) as process, pytest.raises(UnsupportedPython) as e:
        inspect_target(process.pid)
    assert f"CPython {version} " in e.value.what


def test_process_that_has_ended_is_not_found() -> None:
    with start_target("idle.py") as process:
        pid = process.pid
    with pytest.raises(TargetNotFound, match=str(pid)):
        inspect_target(pid)


@needs_map_files
def test_program_that_was_deleted_is_read_from_the_mapping(tmp_path: Path) -> None:
    program = tmp_path / "python3.11"
    shutil.copy(STATIC_PYTHON, program)
    with start_target("idle.py", python=program, env={"PYTHONHOME": "/usr"}) as process:
        program.unlink()
        target = inspect_target(process.pid)
    assert target.version[:2] == (3, 11)
    assert target.executable == str(program)


@needs_map_files
def test_program_under_another_name_is_found(tmp_path: Path) -> None:
    program = tmp_path / "service worker"
    shutil.copy(STATIC_PYTHON, program)
    with start_target("idle.py", python=program, env={"PYTHONHOME": "/usr"}) as process:
        assert inspect_target(process.pid).executable == str(program)


def test_a_supervisor_is_told_which_of_its_children_run_python() -> None:
    """As with a program that unpacks itself and starts Python then."""
    shell = shutil.which("sh")
    assert shell is not None
    script = f"{sys.executable} {TARGETS / 'idle.py'}; exit 0"
    with subprocess.Popen(
        [shell, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (child,) = python_children(process.pid)
        with pytest.raises(NotAPythonProcess) as caught:
            inspect_target(process.pid)
        os.kill(child, signal.SIGKILL)
    assert str(child) in caught.value.cause
    assert caught.value.hint == f"heapgraph dump {child}"


def test_who_asks_about_its_own_shell_is_not_told_of_itself() -> None:
    """Given `heapgraph watch $$`: the shell runs a Python, heapgraph, which is not meant."""
    shell = shutil.which("sh")
    assert shell is not None
    command = f"{sys.executable} -m heapgraph watch $$; exit $?"
    done = subprocess.run(
        [shell, "-c", command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3
    assert "is not a Python process" in done.stderr
    assert "it started processes" not in done.stderr
    assert "heapgraph dump" not in done.stderr


@pytest.mark.skipif(not LIBRARIES, reason="no CPython with a shared library is here")
def test_a_library_that_was_never_started_is_no_running_python() -> None:
    program = shutil.which("cat")
    assert program is not None
    environment = {**os.environ, "LD_PRELOAD": str(LIBRARIES[-1])}
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"started\n")
        process.stdin.flush()
        process.stdout.readline()
        with pytest.raises(NotAPythonProcess) as caught:
            inspect_target(process.pid)
        process.kill()
    assert "was not started" in caught.value.cause


def test_a_program_whose_file_cannot_be_opened_is_read_from_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deleted or replaced one, for a user who may trace but not open what is mapped."""

    def refuse(_pid: int, _mapping: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with start_target("idle.py") as process:
        expected = inspect_target(process.pid)
        monkeypatch.setattr("heapgraph.capture.live.target.open_mapped_file", refuse)
        assert inspect_target(process.pid) == expected
