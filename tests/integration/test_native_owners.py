"""Who leads to memory of C code in live programs, beside the bytes that come back without them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.analysis.memory import report_memory
from heapgraph.capture.dump import dump
from heapgraph.capture.dump_core import dump_core
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import NativeKind
from helpers.core_files import stopped, write_core
from helpers.interpreters import each_interpreter, some_interpreters
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.analysis.memory import MemoryReport
    from heapgraph.capture.live.freeze import Method
    from helpers.interpreters import Interpreter

MIB = 1 << 20
LOST_SIZE = 10 * 2048 * 1008
"""What the payloads without an owner allocate: 20 MiB in chunks of 1,008 bytes."""

ALLOWED = 0.1
MOST_BESIDE = 0.01
"""Native memory of a program of objects alone, by their size."""

PAYLOADS = {
    "sqlite_connection": "sqlite3.Connection",
    "zlib_streams": "zlib.Compress",
    "bz2_streams": "_bz2.BZ2Compressor",
    "lzma_stream": "_lzma.LZMACompressor",
    "hashes": "_hashlib.HASH",
}


def graph_of(
    name: str, folder: Path, *options: str, method: Method = "auto", python: str | Path = ""
) -> tuple[HeapGraph, int, int]:
    """The graph of a payload, and the bytes of resident memory and of malloc that went with it."""
    graph, freed, from_malloc, _ = graph_and_counts(
        name, folder, *options, method=method, python=python
    )
    return graph, freed, from_malloc


def graph_and_counts(
    name: str, folder: Path, *options: str, method: Method = "auto", python: str | Path = ""
) -> tuple[HeapGraph, int, int, int]:
    """The same, and the bytes that went by pymalloc's count."""
    chosen = {"python": python} if python else {}
    with start_target("native_payloads.py", name, *options, **chosen) as target:
        result = dump(target.pid, folder / "payload.heapgraph", method=method)
        target.send("drop")
        freed, from_malloc, counted = map(int, target.read_line().split())
    return HeapGraph.open(result.path), freed, from_malloc, counted


def predicted(graph: HeapGraph) -> int:
    """What the list of items retains, objects and native memory."""
    items = resolve(graph, "__main__.ITEMS")
    return int(graph.dominators.retained_sizes[items]) + int(graph.native_retained[items])


def size_of(report: MemoryReport, kind: str, holder: str = "") -> int:
    return sum(
        owner.size
        for owner in report.native_owners
        if owner.kind == kind and owner.holder.startswith(holder)
    )


@pytest.mark.parametrize(("name", "type_name"), PAYLOADS.items())
def test_items_have_what_comes_back_without_them(name: str, type_name: str, tmp_path: Path) -> None:
    """Given items that own memory of C code, then it is theirs, as much as goes with them."""
    graph, freed, _ = graph_of(name, tmp_path)
    assert predicted(graph) == pytest.approx(freed, rel=ALLOWED)
    report = report_memory(graph)
    assert report.verdict == "native memory"
    assert report.native_owners[0].type == type_name
    assert type_name in report.reason
    assert "ITEMS" in report.reason
    assert "leaks" not in report.reason


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_each_python_has_owners(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given any CPython, then its streams own the memory of zlib."""
    graph, freed, _ = graph_of("zlib_streams", tmp_path, python=interpreter.path)
    assert predicted(graph) == pytest.approx(freed, rel=ALLOWED)


def test_small_blocks_of_a_library_are_its_objects(tmp_path: Path) -> None:
    """Given SSL contexts, whose blocks share pages with others, then malloc's own count agrees."""
    graph, _, from_malloc = graph_of("ssl_context", tmp_path)
    assert predicted(graph) == pytest.approx(from_malloc, rel=ALLOWED)


@pytest.mark.parametrize("method", ["clone", "pause"])
def test_a_heap_beside_changes_nothing(method: Method, tmp_path: Path) -> None:
    """Given 100 MiB of other heap and ten more items elsewhere, then these are not the items'."""
    options = ("--beside", "100", "--elsewhere")
    graph, freed, _ = graph_of("sqlite_connection", tmp_path, *options, method=method)
    assert 0.8 * freed < predicted(graph) < 1.05 * freed


def test_lost_memory_is_told(tmp_path: Path) -> None:
    """Given blocks that nobody leads to, then they are lost, of the size they have."""
    graph, _, _ = graph_of("lost", tmp_path, "--beside", "20")
    report = report_memory(graph)
    assert size_of(report, "lost", "blocks of up to 1.00 KiB") == pytest.approx(
        LOST_SIZE, rel=ALLOWED
    )
    assert "nothing leads to" in report.reason


def test_what_a_variable_of_a_library_keeps_is_named(tmp_path: Path) -> None:
    """Given a list that begins in a variable of the C library, then that variable has all of it."""
    graph, _, _ = graph_of("kept_by_library", tmp_path, "--beside", "20")
    report = report_memory(graph)
    kept = sum(
        each.size
        for each in report.native_owners
        if each.kind == "library"
        and re.match(r"variable (\w+ )?(\+0x\w+ )?of libc\.so\.6", each.holder)
    )
    assert kept == pytest.approx(LOST_SIZE, rel=ALLOWED)
    assert size_of(report, "lost") < MIB


def test_a_core_file_tells_the_same(tmp_path: Path) -> None:
    """Given the core file of such a process, then its connections own the memory as well."""
    with (
        start_target("native_payloads.py", "sqlite_connection") as target,
        stopped(target.pid),
    ):
        core = write_core(target.pid, tmp_path / "core")
        live = dump(target.pid, tmp_path / "live.heapgraph", method="clone")
    stored = dump_core(core, tmp_path / "core.heapgraph")
    sizes = [predicted(HeapGraph.open(path)) for path in (live.path, stored.path)]
    assert sizes[1] == pytest.approx(sizes[0], rel=ALLOWED)


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_nothing_is_counted_twice(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given a program of objects alone, then their buffers, small and large, are no native memory.

    What the interpreter itself has for them is: the parsed program, tables of its own.
    """
    with start_target("plain_objects.py", python=interpreter.path) as target:
        result = dump(target.pid, tmp_path / "objects.heapgraph")
    graph = HeapGraph.open(result.path)
    assert graph.total_size > 30 * MIB
    native = graph.native
    assert native.size_of(*NativeKind) < MOST_BESIDE * graph.total_size


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_memory_that_c_code_has_from_pymalloc_is_found(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """Given parsers whose tables lie in pools of pymalloc, then they own these.

    An arena stays in memory for one block of others: pymalloc itself says what went.
    """
    graph, _, from_malloc, counted = graph_and_counts(
        "xml_parser", tmp_path, python=interpreter.path
    )
    freed = from_malloc + counted
    assert from_malloc < 0.2 * freed
    assert predicted(graph) == pytest.approx(freed, rel=ALLOWED)
    report = report_memory(graph)
    assert report.native_owners[0].type == "pyexpat.xmlparser"
    parts = {part.name: part.size for part in report.parts}
    assert parts["blocks that objects lead to (estimate)"] == pytest.approx(freed, rel=ALLOWED)
    assert parts["small blocks of no object"] < MIB
