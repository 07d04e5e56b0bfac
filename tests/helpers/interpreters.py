"""The CPython interpreters that tests run their targets on, one per minor version.

    @pytest.mark.parametrize("interpreter", each_interpreter())
    def test_something(interpreter: Interpreter) -> None:
        with start_target("idle.py", python=interpreter.path) as target: ...

They come from pyenv, from the search path, or from the folder that `scripts/fetch_interpreters.py`
fills. One that is missing skips its tests with the reason, and fails them where CI is set.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.cpython.layouts import NEWEST_MINOR, OLDEST_MINOR

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

MINORS = range(OLDEST_MINOR, NEWEST_MINOR + 1)

_REPOSITORY = Path(__file__).resolve().parents[2]
_SYSTEM_PYTHON = Path("/usr/bin/python3.11")
_ASK_LIMIT_S = 20.0
_ASK = "import sys; print(sys.version_info[:2] == {version}, sys.executable)"


def is_exhaustive() -> bool:
    """Tell whether HEAPGRAPH_EXHAUSTIVE asks for the long form of tests that have two."""
    return bool(os.environ.get("HEAPGRAPH_EXHAUSTIVE"))


@dataclass(frozen=True)
class Interpreter:
    """One CPython.

    Attributes:
        name: the id of its tests: "py3.13", "debian-3.11".
        version: (major, minor).
    """

    name: str
    version: tuple[int, int]
    _program: Path | None = field(repr=False)

    @property
    def is_missing(self) -> bool:
        """Tell whether this machine lacks it."""
        return self._program is None

    @property
    def path(self) -> Path:
        """Its program; fails the test when it is missing."""
        if self._program is None:
            pytest.fail(_missing(self.name), pytrace=False)
        return self._program


def fetched_folder() -> Path:
    """The folder of the fetched interpreters; HEAPGRAPH_INTERPRETERS names another one."""
    named = os.environ.get("HEAPGRAPH_INTERPRETERS")
    return Path(named) if named else _REPOSITORY / ".interpreters"


def each_interpreter() -> list[ParameterSet]:
    """Parameters of a test, each an Interpreter: 3.8 to 3.15, and Debian's builds of some.

    Debian's are stripped, static and at a fixed address, and of other micro versions.
    """
    found = [Interpreter(f"py3.{minor}", (3, minor), find_python(minor)) for minor in MINORS]
    builds = {11: _SYSTEM_PYTHON, 13: _fetched(13)}
    found += [
        Interpreter(f"debian-3.{minor}", (3, minor), program)
        for minor, program in builds.items()
        if program.exists() and program != find_python(minor)
    ]
    return [interpreter_parameter(interpreter) for interpreter in found]


def some_interpreters(*minors: int) -> list[ParameterSet]:
    """Of those of `each_interpreter`, as many as a test needs that asks nothing of a layout.

    The oldest, the newest, 3.11 in a library of its own and Debian's in a static program, and the
    `minors` at which what is tested does something else. All of them with HEAPGRAPH_EXHAUSTIVE=1.
    """
    wanted = {OLDEST_MINOR, NEWEST_MINOR, 11, *minors}
    found = each_interpreter()
    if is_exhaustive():
        return found
    return [
        one
        for one in found
        if isinstance(one.values[0], Interpreter) and one.values[0].version[1] in wanted
    ]


def interpreter_parameter(interpreter: Interpreter) -> ParameterSet:
    """A test parameter that skips when the interpreter is missing, except in CI."""
    may_skip = interpreter.is_missing and not os.environ.get("CI")
    marks = [pytest.mark.skip(reason=_missing(interpreter.name))] if may_skip else []
    return pytest.param(interpreter, id=interpreter.name, marks=marks)


@functools.cache
def find_python(minor: int) -> Path | None:
    """A default build of CPython 3.`minor`, None when this machine has none."""
    found = _from_pyenv(minor) or _from_search_path(minor)
    if found is None and _fetched(minor).exists():
        return _fetched(minor)
    return found


def _fetched(minor: int) -> Path:
    return fetched_folder() / f"3.{minor}" / "python"


def _pyenv_root() -> Path:
    return Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))


def _from_pyenv(minor: int) -> Path | None:
    root = _pyenv_root()
    micros = {
        int(match[1]): folder
        for folder in root.glob(f"versions/3.{minor}.*")
        if (match := re.fullmatch(rf"3\.{minor}\.(\d+)", folder.name))
    }
    for micro in sorted(micros, reverse=True):
        program = micros[micro] / "bin" / f"python3.{minor}"
        if program.exists():
            return program
    return None


def _from_search_path(minor: int) -> Path | None:
    """The program itself: what is found may be a script that chooses among several versions."""
    found = shutil.which(f"python3.{minor}")
    if found is None:
        return None
    answer = subprocess.run(
        [found, "-I", "-c", _ASK.format(version=(3, minor))],
        capture_output=True,
        text=True,
        timeout=_ASK_LIMIT_S,
        check=False,
    )
    is_right, _, program = answer.stdout.strip().partition(" ")
    return Path(program) if is_right == "True" and program else None


def _missing(name: str) -> str:
    return (
        f"no interpreter {name} on this machine: install it with pyenv, or run "
        "scripts/fetch_interpreters.py for 3.13 to 3.15"
    )


def unsupported_pythons() -> list[ParameterSet]:
    """Parameters of a test: (program, version) of the CPythons here that are too old."""
    programs = [*_pyenv_root().glob("versions/2.7.*"), *_pyenv_root().glob("versions/3.[67].*")]
    return [
        pytest.param(folder / "bin" / "python", folder.name.rpartition(".")[0], id=folder.name)
        for folder in sorted(programs)
    ]


def each_version_with_headers() -> list[ParameterSet]:
    """Parameters of a test, each a minor version; one without headers here skips, except in CI."""
    parameters = []
    for minor in MINORS:
        name = f"headers-3.{minor}"
        may_skip = not header_folders(minor) and not os.environ.get("CI")
        marks = [pytest.mark.skip(reason=_missing(name))] if may_skip else []
        parameters.append(pytest.param(minor, id=name, marks=marks))
    return parameters


def header_folders(minor: int) -> list[Path]:
    """Folders with the headers of each CPython 3.`minor` that tests use."""
    programs = [find_python(minor), _fetched(minor)]
    roots = [program.resolve().parent for program in programs if program and program.exists()]
    return [
        include
        for root in dict.fromkeys(roots)
        for include in (
            root.parent / f"include/python3.{minor}",
            root / f"usr/include/python3.{minor}",
        )
        if (include / "Python.h").exists()
    ]
