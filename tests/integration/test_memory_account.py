"""The account of resident memory of live programs: it adds up, and its verdict is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.memory import report_memory
from heapgraph.capture.dump import dump
from heapgraph.capture.dump_core import dump_core
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import RegionKind
from helpers.core_files import stopped, write_core
from helpers.interpreters import each_interpreter, some_interpreters
from helpers.running_target import start_target

if TYPE_CHECKING:
    from heapgraph.analysis.memory import MemoryAccount, MemoryReport
    from heapgraph.capture.live.freeze import Method
    from helpers.interpreters import Interpreter
    from helpers.running_target import RunningTarget

    Reports = dict[str, tuple[MemoryReport, int]]

KIB, MIB = 1 << 10, 1 << 20

ALLOWED_ERROR = 0.02
"""Of the kernel's figure: what the account may miss or have too much."""

HALF = 0.5
"""Of the objects, where many Pythons run: still ten times what a Python needs for itself."""

PAUSED = {"memory_objects.py": "objects", "memory_threads.py": "thread stacks"}
ON_THIS_PYTHON = {
    "memory_arrays.py": "objects",
    "memory_mapped.py": "mapped files",
    "memory_native.py": "native memory",
}


def kernel_rss(pid: int) -> int:
    """Resident bytes as the kernel counts them, page by page."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * KIB
    raise AssertionError("the kernel has no figure")


def account_of(
    target: RunningTarget, folder: Path, method: Method = "auto"
) -> tuple[MemoryReport, int]:
    """The report on a running target, and the kernel's figure."""
    expected = kernel_rss(target.pid)
    result = dump(target.pid, folder / "memory.heapgraph", method=method)
    return report_memory(HeapGraph.open(result.path), limit=None), expected


def assert_adds_up(account: MemoryAccount, expected: int) -> None:
    allowed = ALLOWED_ERROR * expected
    assert abs(account.accounted_size - expected) <= allowed
    assert abs(account.rss - expected) <= allowed
    assert sum(part.size for part in account.parts) == account.accounted_size
    assert account.group("unknown") <= allowed


def sizes(account: MemoryAccount) -> dict[str, int]:
    return {part.name: part.size for part in account.parts}


@pytest.fixture(name="fragmented", scope="module", params=each_interpreter())
def report_on_fragmented(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MemoryReport, int]:
    """One report of each Python on a program that has freed most of its objects."""
    with start_target("memory_fragmented.py", python=request.param.path) as target:
        return account_of(target, tmp_path_factory.mktemp("account"))


def test_a_fragmented_heap_adds_up_on_every_python(fragmented: tuple[MemoryReport, int]) -> None:
    report, expected = fragmented
    assert_adds_up(report, expected)
    assert report.verdict == "fragmentation"


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_objects_add_up(interpreter: Interpreter, tmp_path: Path) -> None:
    with start_target("memory_objects.py", HALF, python=interpreter.path) as target:
        report, expected = account_of(target, tmp_path)
    assert_adds_up(report, expected)
    assert report.verdict == "objects"


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_stacks_add_up(interpreter: Interpreter, tmp_path: Path) -> None:
    """Stacks are the C library's: all builds have the same, a program with its own one included."""
    with start_target("memory_threads.py", python=interpreter.path) as target:
        report, expected = account_of(target, tmp_path)
    assert_adds_up(report, expected)
    assert report.verdict == "thread stacks"


@pytest.fixture(scope="module")
def on_this_python(
    tmp_path_factory: pytest.TempPathFactory,
) -> Reports:
    """One report on each of these programs."""
    reports = {}
    for program in ON_THIS_PYTHON:
        with start_target(program) as target:
            reports[program] = account_of(target, tmp_path_factory.mktemp("account"))
    return reports


@pytest.mark.parametrize(("program", "verdict"), ON_THIS_PYTHON.items())
def test_the_account_adds_up(program: str, verdict: str, on_this_python: Reports) -> None:
    report, expected = on_this_python[program]
    assert_adds_up(report, expected)
    assert report.verdict == verdict


@pytest.mark.parametrize(("program", "verdict"), PAUSED.items())
def test_a_paused_target_gives_the_same_account(program: str, verdict: str, tmp_path: Path) -> None:
    with start_target(program) as target:
        report, expected = account_of(target, tmp_path, "pause")
    assert_adds_up(report, expected)
    assert report.verdict == verdict


def test_what_keeps_nearly_empty_arenas_is_named(fragmented: tuple[MemoryReport, int]) -> None:
    report, _ = fragmented
    arenas = report.arenas
    assert arenas.nearly_empty > 0.9 * arenas.count
    assert arenas.nearly_empty_size > 40 * MIB
    assert arenas.pinning_size < 2 * MIB
    pin = report.pins[0]
    assert pin.type == "str"
    assert 6500 < pin.count < 7500  # of 7,000, some share an arena with what the program needs
    assert pin.holder == "__main__.KEPT"
    assert any("__main__.KEPT[" in arena.expression for arena in report.nearly_empty)
    free = sizes(report)["free blocks in pools of pymalloc"]
    assert sum(row.free_size for row in report.size_classes) == free


def test_arrays_are_objects_as_far_as_they_are_in_memory(
    on_this_python: Reports,
) -> None:
    """Ten arrays of 8 MB, 2,000 of 4 kB; 400 MB that nobody has touched, 2.4 MB only read."""
    report, _ = on_this_python["memory_arrays.py"]
    found = sizes(report)
    assert found["in large blocks of their own"] == pytest.approx(10 * 8_000_000, rel=0.02)
    assert found["in heaps of malloc"] >= 2000 * 4000
    owned = [block for block in report.large_blocks if block.type == "numpy.ndarray"]
    assert sum(block.size > 7 * MIB for block in owned) == 10
    (untouched,) = (block for block in owned if block.reserved_size > 300 * MIB)
    assert untouched.size < MIB
    (read,) = (block for block in owned if 2 * MIB < block.reserved_size < 7 * MIB)
    assert read.size < MIB // 4


def test_mappings_are_told_apart(on_this_python: Reports) -> None:
    report, _ = on_this_python["memory_mapped.py"]
    found = sizes(report)
    assert found["data files"] == pytest.approx(60 * MIB, rel=0.02)
    assert found["shared memory"] == pytest.approx(20 * MIB, rel=0.02)
    assert found["private mmap objects"] == pytest.approx(10 * MIB, rel=0.02)


def test_native_memory_is_told_apart_by_size(
    on_this_python: Reports,
) -> None:
    """20,000 blocks of 1 KiB in the heap, 40 of 1 MiB with mappings of their own."""
    report, _ = on_this_python["memory_native.py"]
    found = sizes(report)
    lost = found["blocks that nothing leads to (estimate)"]
    assert lost == pytest.approx(20_000 * KIB + 40 * MIB, rel=0.05)
    by_size = {row.holder: row.size for row in report.native_owners if row.kind == "lost"}
    assert by_size.get("blocks of up to 1.00 KiB", 0) < MIB
    assert by_size["blocks of up to 2.00 KiB"] == pytest.approx(20_000 * KIB, rel=0.05)
    assert by_size["blocks of up to 2.00 MiB"] == pytest.approx(40 * MIB, rel=0.05)


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_a_target_without_pymalloc_adds_up_too(interpreter: Interpreter, tmp_path: Path) -> None:
    """Every block comes from malloc then: the objects are in its heap."""
    environment = {"PYTHONMALLOC": "malloc"}
    python = interpreter.path
    with start_target("memory_objects.py", HALF, python=python, env=environment) as target:
        report, expected = account_of(target, tmp_path)
    assert_adds_up(report, expected)
    assert report.verdict == "objects"
    assert report.arenas.count == 0
    assert sizes(report)["in heaps of malloc"] > 30 * MIB


def arenas_with_untouched_pages(live: Path, stored: Path) -> int:
    """How many arenas have more pages in a core file, which cannot know what was never touched.

    What is in use is the same in all. Of more pages it may be so little that an arena becomes a
    nearly empty one; whether it does depends on where the target's first objects happen to lie.
    """
    snapshots = [HeapGraph.open(path).regions for path in (live, stored)]
    pairs = zip(
        *([one for one in regions if one.kind is RegionKind.ARENA] for regions in snapshots),
        strict=True,
    )
    untouched = 0
    for before, after in pairs:
        assert (after.start, after.in_use, after.blocks) == (
            before.start,
            before.in_use,
            before.blocks,
        )
        assert after.resident >= before.resident
        untouched += after.resident > before.resident
    return untouched


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        ("memory_objects.py", "objects"),
        ("memory_fragmented.py", "fragmentation"),
        ("memory_native.py", "native memory"),
    ],
)
def test_a_core_file_has_the_same_verdict(program: str, verdict: str, tmp_path: Path) -> None:
    """It has no pages of programs, no names of mappings, and zeros for what was never touched."""
    core = tmp_path / "core"
    with start_target(program) as target, stopped(target.pid):
        report, _ = account_of(target, tmp_path, "pause")
        write_core(target.pid, core)
    result = dump_core(core, tmp_path / "core.heapgraph")
    stored = report_memory(HeapGraph.open(result.path))
    assert stored.verdict == verdict
    assert stored.arenas.count == report.arenas.count
    untouched = arenas_with_untouched_pages(tmp_path / "memory.heapgraph", result.path)
    assert 0 <= stored.arenas.nearly_empty - report.arenas.nearly_empty <= untouched
    assert abs(stored.accounted_size - stored.rss) <= ALLOWED_ERROR * stored.rss
    for name in ("in arenas of pymalloc", "in heaps of malloc"):
        assert sizes(stored)[name] == pytest.approx(sizes(report)[name], rel=ALLOWED_ERROR)
