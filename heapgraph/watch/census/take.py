"""Counts a heap that was taken: types, holders, suspects, parts of memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.ages.growth import growth_of, prepare_growth
from heapgraph.analysis.expressions import expression
from heapgraph.analysis.holders import holder_ids, is_own_table
from heapgraph.analysis.resident.parts import memory_parts, sizes_by_group
from heapgraph.analysis.suspects import find_suspects
from heapgraph.capture.captured import captured_tables
from heapgraph.capture.tables import OF_PREVIEWS
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.graph.object_sets import count_by_group, sum_by_group
from heapgraph.snapshot.memory_snapshot import MemorySnapshot
from heapgraph.watch.census.chain import chain_below
from heapgraph.watch.census.names import general_name
from heapgraph.watch.how_taken import why_paused

if TYPE_CHECKING:
    from heapgraph.analysis.suspects import LeakSuspect
    from heapgraph.capture.dump import TakenHeap

TYPES, HOLDERS, SUSPECTS = 20, 20, 5
"""Rows of each kind: what an alert, a metric or a rule can be about."""

LEFT_OUT = {"objects": ("getsizeof", "refcount")}
"""Columns of a snapshot that nothing in a census asks for, by table."""

MAX_PLACES = 3
"""Functions that are named for a suspect."""


def count_heap(taken: TakenHeap) -> tuple[dict[str, Any], HeapGraph]:
    """Count what is in a heap that was taken; nothing is written.

    Args:
        taken: of `capture_heap`; most of what it holds is given up meanwhile.

    Returns:
        The document (`census.record` reads it) but for `seconds`, and the heap for who wants more
        of it.

    Cost: 0.4 s per million objects.
    """
    manifest, tables = captured_tables(
        taken.target, taken.captured, taken.clock, pause_s=taken.pause_s, attempts=taken.attempts
    )
    taken.captured.columns.keep_only(OF_PREVIEWS)
    source = MemorySnapshot(manifest, tables, LEFT_OUT)
    tables.clear()
    graph = HeapGraph(source)
    memory, types = _search(graph, source)
    suspects = find_suspects(graph, limit=SUSPECTS, with_steady=False).suspects
    document = {
        "pid": taken.target.pid,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "pause_ms": round(taken.pause_s * 1000, 3),
        "method": taken.captured.method,
        "why_paused": why_paused(taken.captured.method, taken.captured.passed_over),
        "quality": manifest["quality"]["grade"],
        "objects": graph.object_count,
        "objects_size": int(graph.total_size),
        "unreachable_size": int(graph.unreachable_size),
        "memory": memory,
        "types": types,
        "holders": _holders(graph),
        "suspects": [_suspect(graph, each) for each in suspects],
    }
    return document, graph


def _search(
    graph: HeapGraph, source: MemorySnapshot
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Find dominators and paths, on two processors; then all that is asked of one or the other.

    The parts of memory and the types need memory for a moment, so that they come before the tree
    is there; its order, and the clock of all verdicts on growth, are made at one time.
    """
    # What both read must be there: columns are not to be made by two threads at once.
    _ = graph.offsets, graph.targets, graph.weak_references, graph.shallow_sizes, graph.roots
    source.forget("objects", "out_degree")
    with ThreadPoolExecutor(1) as beside:
        dominators = beside.submit(lambda: graph.dominators)
        order = beside.submit(lambda: graph.dominators.order)
        _ = graph.root_paths
        memory, types = sizes_by_group(memory_parts(graph)), _types(graph)
        dominators.result()
        prepare_growth(graph)
        order.result()
    return memory, types


def _types(graph: HeapGraph) -> list[dict[str, Any]]:
    """The largest types by the bytes of their objects."""
    names = graph.type_names
    counts = count_by_group(graph.type_ids, len(names))
    sizes = sum_by_group(graph.type_ids, graph.shallow_sizes, len(names))
    present = np.flatnonzero(counts)
    largest = present[np.argsort(~sizes[present], kind="stable")][:TYPES].tolist()
    return [
        {
            "name": general_name(names[row]),
            "objects": int(counts[row]),
            "shallow_size": int(sizes[row]),
        }
        for row in largest
    ]


def _holders(graph: HeapGraph) -> list[dict[str, Any]]:
    """Where bytes gather, one row for each name: a thousand sessions are one holder."""
    rows: dict[str, dict[str, Any]] = {}
    for holder in holder_ids(graph.weighed, HOLDERS):
        if is_own_table(graph, holder):
            continue
        name = general_name(expression(graph, holder))
        growth = growth_of(graph, holder)
        found = rows.setdefault(
            name, {"expression": name, "retained_size": 0, "count": 0, "growth": growth.trend}
        )
        found["retained_size"] += graph.folded.retained_size(holder)
        found["count"] += growth.members
        if growth.trend != found["growth"]:
            found["growth"] = "unknown"
    return list(rows.values())


def _suspect(graph: HeapGraph, suspect: LeakSuspect) -> dict[str, Any]:
    point = suspect.accumulation_point
    return {
        "kind": suspect.kind,
        "holder": general_name(suspect.expression),
        "path": [] if point is None else chain_below(graph, point.id),
        "code": [general_name(place) for place in suspect.code[:MAX_PLACES]],
        "retained_size": suspect.retained_size,
        "share": round(suspect.share, 6),
        "growth": suspect.growth.trend,
        "fingerprint": suspect.fingerprint,
    }
