"""Dumps a running fixture and opens the snapshot as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.running_target import RunningTarget


def dump_graph(target: RunningTarget, file: Path) -> HeapGraph:
    """A snapshot of a live target, which must survive it, as a graph."""
    dump(target.pid, file)
    assert target.process.poll() is None, "the target must survive its dump"
    return HeapGraph.open(file)
