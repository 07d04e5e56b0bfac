#!/usr/bin/env python3
"""Fetches the extension packages whose objects the tests dump: nothing is installed.

    python scripts/fetch_packages.py [VERSION...]

Unless named these are 3.9, 3.12 and 3.14; with HEAPGRAPH_EXHAUSTIVE=1 3.11 and 3.13 as well.

Each CPython gets a folder `.interpreters/packages/VERSION/` for its PYTHONPATH (the variable
HEAPGRAPH_INTERPRETERS names another place for `.interpreters`). `install_packages.sh` unpacks the
wheels, so the target needs no pip; two small modules of fixtures/extensions, bound
with pybind11 and with nanobind, are compiled with its headers. Does nothing, at once, when all is
there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from helpers.interpreters import find_python, header_folders  # noqa: E402 - found by the line above
from helpers.packages import fetched_packages, wanted_minors  # noqa: E402

STEP_LIMIT_S = 900

PACKAGES = (
    *(
        "aiohttp",
        "contourpy",
        "frozenlist",
        "gevent",
        "greenlet",
        "lxml",
        "multidict",
        "numpy",
        "pandas",
        "pyarrow",
    ),
    *("pydantic", "sqlalchemy", "tzdata", "yarl"),
    *("guppy3", "objgraph", "Pympler"),  # the peers of benchmarks/truth.py
    *("nanobind", "pybind11"),
    # pip chooses by the version asked for, but reads markers of the one it runs on
    *("annotated-types<0.8", "typing-inspection<0.4.3"),
)
SOURCES = {
    "holder_pybind11": ("{package}/pybind11/include",),
    "holder_nanobind": ("{package}/nanobind/include", "{package}/nanobind/ext/robin_map/include"),
}
MORE_SOURCES = {"holder_nanobind": ("{package}/nanobind/src/nb_combined.cpp",)}
IMPORTED = (
    *("contourpy", "frozenlist", "greenlet", "lxml.etree", "multidict", "numpy", "pandas"),
    *("pyarrow", "pydantic", "sqlalchemy.orm", "yarl"),
)
"""What the truth test imports, and finds as byte code."""

STAMP = "packages.txt"
"""File in the folder that says which packages it has."""

COMPILER = (
    *("c++", "-std=c++17", "-O0", "-shared", "-fPIC", "-fvisibility=hidden"),
    "-fno-strict-aliasing",
)


class FetchError(Exception):
    """The packages cannot be fetched here: what and why."""


def run(command: list[str], **variables: str) -> None:
    """Run a program to its end, with some variables added to its environment.

    Raises:
        FetchError: it is missing, fails, or takes too long.
    """
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=STEP_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{command[0]} could not be run: {error}") from error
    if done.returncode:
        raise FetchError(f"{' '.join(command[:4])} ... failed:\n{done.stderr.strip()[-2000:]}")


def download(minor: int, folder: Path) -> None:
    """Unpack the wheels for CPython 3.`minor` into a folder.

    Not compiled: the byte code would be that of the Python which runs this.
    """
    install = [str(REPOSITORY / "scripts/install_packages.sh"), sys.executable]
    wheels = ["--only-binary", ":all:", "--python-version", f"3.{minor}", "--target", str(folder)]
    run([*install, *wheels, *PACKAGES])


def compile_holders(minor: int, folder: Path) -> None:
    """Compile the modules of fixtures/extensions for CPython 3.`minor` into its folder.

    Raises:
        FetchError: its headers are missing, or the compiler fails.
    """
    headers = header_folders(minor)
    if not headers:
        raise FetchError(f"the headers of CPython 3.{minor} are missing")
    # Debian's name their pyconfig.h by a folder next to their own
    includes = [f"-I{part}" for part in (headers[0], headers[0].parent)]
    for name, folders in SOURCES.items():
        includes_of_binding = [f"-I{part.format(package=folder)}" for part in folders]
        sources = [str(REPOSITORY / "fixtures/extensions" / f"{name}.cpp")]
        sources += [part.format(package=folder) for part in MORE_SOURCES.get(name, ())]
        output = ["-o", str(folder / f"{name}.so")]
        run([*COMPILER, *includes, *includes_of_binding, *sources, *output])


def write_byte_code(minor: int, folder: Path) -> None:
    """Import the packages once: a target that traces its memory takes three times as long for it.

    Raises:
        FetchError: there is no such interpreter, or it cannot import them.
    """
    program = find_python(minor)
    if program is None:
        raise FetchError(f"there is no CPython 3.{minor}")
    code = f"import {', '.join(IMPORTED)}"
    run([str(program), "-c", code], PYTHONPATH=str(folder), PYTHONDONTWRITEBYTECODE="")


def fetch(minor: int) -> None:
    """Make the folder of one CPython; it appears under its name only when it is complete."""
    destination = fetched_packages(minor)
    destination.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        download(minor, building)
        compile_holders(minor, building)
        write_byte_code(minor, building)
        (building / STAMP).write_text("\n".join(PACKAGES))
        building.chmod(0o755)
        shutil.rmtree(destination, ignore_errors=True)
        building.rename(destination)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def is_complete(minor: int) -> bool:
    """Whether the folder of one CPython has what is listed here."""
    stamp = fetched_packages(minor) / STAMP
    return stamp.exists() and stamp.read_text() == "\n".join(PACKAGES)


def main() -> int:
    """Fetch what is missing; 1 with the reason on standard error when that is not possible."""
    names = sys.argv[1:] or [f"3.{minor}" for minor in wanted_minors()]
    wrong = [name for name in names if not name.removeprefix("3.").isdecimal()]
    if wrong:
        print(f"not a version like 3.14: {wrong[0]}", file=sys.stderr)
        return 2
    minors = [int(name.removeprefix("3.")) for name in names]
    missing = [minor for minor in minors if not is_complete(minor)]
    if not missing:
        return 0
    shown = " and ".join(f"3.{minor}" for minor in missing)
    print(f"fetching extension packages of CPython {shown} for the tests", file=sys.stderr)
    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(fetch, missing))
    except (FetchError, OSError) as error:
        print(f"packages of CPython {shown} cannot be fetched: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
