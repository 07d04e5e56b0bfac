"""Programs whose memory another allocator has than glibc's malloc."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.analysis.memory import report_memory
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import NativeKind, RegionKind
from helpers.running_target import start_target

JEMALLOC = next(iter(sorted(Path("/usr/lib").glob("*-linux-gnu/libjemalloc.so.2"))), None)
AT_ONCE = "dirty_decay_ms:0,muzzy_decay_ms:0"
"""Freed pages go back, so that the memory that comes back is what was freed."""

ALLOWED = 0.1
MIB = 1 << 20

pytestmark = pytest.mark.skipif(
    JEMALLOC is None and "CI" not in os.environ, reason="no libjemalloc.so.2: package libjemalloc2"
)


def graph_of(name: str, folder: Path, *options: str) -> tuple[HeapGraph, int]:
    """The graph of a payload with jemalloc preloaded, and the resident bytes that went with it."""
    environment = {"LD_PRELOAD": str(JEMALLOC), "MALLOC_CONF": AT_ONCE}
    with start_target("native_payloads.py", name, *options, env=environment) as target:
        result = dump(target.pid, folder / "payload.heapgraph")
        target.send("drop")
        freed = int(target.read_line().split()[0])
    return HeapGraph.open(result.path), freed


def predicted(graph: HeapGraph) -> int:
    """What the list of items retains, objects and native memory."""
    items = resolve(graph, "__main__.ITEMS")
    return int(graph.dominators.retained_sizes[items]) + int(graph.native_retained[items])


@pytest.mark.parametrize(
    ("name", "type_name"),
    [("sqlite_connection", "sqlite3.Connection"), ("zlib_streams", "zlib.Compress")],
)
def test_blocks_of_jemalloc_are_their_owners(name: str, type_name: str, tmp_path: Path) -> None:
    """Given jemalloc instead of malloc, then items have what comes back without them."""
    graph, freed = graph_of(name, tmp_path)
    assert predicted(graph) == pytest.approx(freed, rel=ALLOWED)
    report = report_memory(graph)
    assert report.native_owners[0].type == type_name
    assert "ITEMS" in report.reason


def test_the_account_knows_what_is_in_use(tmp_path: Path) -> None:
    """Given jemalloc, then its memory is not unknown, and objects in it are counted once."""
    graph, _ = graph_of("sqlite_connection", tmp_path, "--beside", "20")
    report = report_memory(graph)
    parts = {part.name: part.size for part in report.parts}
    assert parts["in memory of another allocator"] == pytest.approx(20 * MIB, rel=ALLOWED)
    assert parts.get("anonymous memory of no known allocator", 0) < 2 * MIB
    assert any(region.kind is RegionKind.SLABS for region in graph.regions)
    assert graph.native.size_of(NativeKind.ALLOCATOR) < 2 * MIB  # its own books


def test_what_somebody_else_has_as_well_is_not_the_items(tmp_path: Path) -> None:
    """Given connections that another list has too, then nothing goes with the items."""
    graph, _ = graph_of("sqlite_connection", tmp_path, "--shared")
    assert int(graph.native_retained[resolve(graph, "__main__.ITEMS")]) < MIB
