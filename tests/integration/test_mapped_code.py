"""The code of libraries is not read through the target: its pages would become resident there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.dump import dump
from helpers.methods import each_method
from helpers.running_target import start_target

if TYPE_CHECKING:
    from heapgraph.capture.live.freeze import Method

MIB = 1 << 20
SOURCE = Path(__file__).resolve().parents[2] / "fixtures" / "extensions" / "large_code.c"

ALLOWED = 4 * MIB
"""Names and tables of symbols are read, each with the 64 KiB that the kernel maps at once."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of 32 MiB of code, with pointers to all of it."""
    built = tmp_path_factory.mktemp("library") / "large_code.so"
    subprocess.run(["gcc", "-shared", "-o", built, SOURCE], check=True)
    built.read_bytes()  # what is not in the page cache would not be mapped beside what is read
    return built


def pages_of_files(pid: int) -> int:
    """Bytes of mapped files that are resident in a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile:"))


@pytest.mark.parametrize("method", each_method())
def test_a_dump_leaves_code_where_it_is(library: Path, tmp_path: Path, method: Method) -> None:
    """Given much code of which little was run, no more of it is resident after a dump."""
    with start_target("mapped_code.py", library, python=sys.executable) as target:
        before = pages_of_files(target.pid)
        dump(target.pid, tmp_path / "x.heapgraph", method=method)
        assert pages_of_files(target.pid) - before < ALLOWED
