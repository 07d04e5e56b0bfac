"""Memory that a C extension loses, or keeps in a variable of its own, beside other heap."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.memory import report_memory
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from helpers.running_target import start_target

if TYPE_CHECKING:
    from heapgraph.analysis.memory import MemoryReport

SOURCE = Path(__file__).resolve().parents[2] / "fixtures" / "extensions" / "careless.c"
LIBRARY = "careless.so"
MIB = 1 << 20
SIZE = 20 * MIB
"""What is lost or kept, and a little more: each block of 1,000 bytes has a header."""

ALLOWED = 0.1


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the built extension."""
    folder = tmp_path_factory.mktemp("extension")
    command = ["gcc", "-shared", "-fPIC", "-O1", f"-I{sysconfig.get_paths()['include']}"]
    subprocess.run([*command, "-o", folder / LIBRARY, SOURCE], check=True)
    return folder


def report_of(extension: Path, what: str, folder: Path) -> MemoryReport:
    with start_target("careless_extension.py", extension, what, python=sys.executable) as target:
        result = dump(target.pid, folder / "careless.heapgraph")
    return report_memory(HeapGraph.open(result.path))


def test_lost_memory_is_told(extension: Path, tmp_path: Path) -> None:
    """Given malloc without free, then as much is lost, in blocks of that size."""
    report = report_of(extension, "lose", tmp_path)
    lost = {each.holder: each.size for each in report.native_owners if each.kind == "lost"}
    assert lost["blocks of up to 1.00 KiB"] == pytest.approx(SIZE, rel=ALLOWED)
    assert sum(lost.values()) == pytest.approx(SIZE, rel=ALLOWED)
    assert "nothing leads to" in report.reason


def kept_by(extension: Path, folder: Path) -> tuple[MemoryReport, dict[str, int]]:
    report = report_of(extension, "keep", folder)
    assert sum(each.size for each in report.native_owners if each.kind == "lost") < MIB
    return report, {
        each.holder: each.size for each in report.native_owners if each.kind == "library"
    }


def test_the_variable_that_keeps_memory_is_named(extension: Path, tmp_path: Path) -> None:
    """Given a list that begins in a static variable, then that variable has all of it."""
    name = f"variable kept_blocks of {LIBRARY}"
    report, kept = kept_by(extension, tmp_path)
    assert kept[name] == pytest.approx(SIZE, rel=ALLOWED)
    assert f"only {name} leads to" in report.reason


def test_a_variable_without_a_name_is_told_by_its_place(extension: Path, tmp_path: Path) -> None:
    """Given a stripped library, then the place in the file is all there is to tell."""
    symbols = subprocess.run(
        ["nm", extension / LIBRARY], check=True, capture_output=True, text=True
    )
    place = re.search(r"^([0-9a-f]+) b kept_blocks$", symbols.stdout, re.MULTILINE)
    assert place is not None
    stripped = tmp_path / "stripped"
    stripped.mkdir()
    subprocess.run(["strip", extension / LIBRARY, "-o", stripped / LIBRARY], check=True)
    name = f"variable of {LIBRARY} +{int(place[1], 16):#x}"
    report, kept = kept_by(stripped, tmp_path)
    assert kept[name] == pytest.approx(SIZE, rel=ALLOWED)
    assert f"only {name} leads to" in report.reason
