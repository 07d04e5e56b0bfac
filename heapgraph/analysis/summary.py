"""A snapshot at a glance: target, totals, roots by kind, what the resident memory is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.memory import MemoryAccount, account_memory
from heapgraph.analysis.registry import Analysis, Progress
from heapgraph.analysis.results import Result
from heapgraph.model import ROOT_KIND_NAMES, UNREACHABLE, RootKind

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph


@dataclass(frozen=True)
class Totals:
    """Counts and sizes of the whole heap; sizes are shallow, in bytes."""

    objects: int
    references: int
    types: int
    size: int
    reachable_size: int
    unreachable_objects: int
    unreachable_size: int


@dataclass(frozen=True)
class RootCount:
    """The roots of one kind and what would go without them.

    Attributes:
        kind: name of the kind.
        count: roots.
        retained_size: bytes that only they keep alive, as a minimum.
    """

    kind: str
    count: int
    retained_size: int


@dataclass(frozen=True)
class Summary(Result):
    """What `heapgraph summary` shows.

    Attributes:
        target: facts of the manifest: the process, the time, how it was captured.
        totals: counts and sizes.
        roots: by kind, the one that explains best first.
        quality: the quality record of the capture.
        memory: the account of resident memory.
    """

    target: dict[str, Any]
    totals: Totals
    roots: tuple[RootCount, ...]
    quality: dict[str, Any]
    memory: MemoryAccount


def summarize(graph: HeapGraph, *, progress: Progress | None = None) -> Summary:
    """Sum up a snapshot.

    Args:
        graph: the snapshot.
        progress: told when the dominator tree is computed.

    Cost: the dominator tree, once per snapshot.
    """
    if progress is not None:
        progress("dominator tree", 0, 0)
    manifest = graph.manifest
    target = dict(manifest.get("target", {}))
    target["created"] = manifest.get("created")
    target["capture"] = dict(manifest.get("capture", {}))
    target["redacted"] = manifest.get("redacted")
    return Summary(
        target,
        _totals(graph),
        _roots(graph),
        dict(manifest.get("quality", {})),
        account_memory(graph),
    )


def _totals(graph: HeapGraph) -> Totals:
    unreachable = graph.dominators.idom == UNREACHABLE
    return Totals(
        objects=graph.object_count,
        references=graph.reference_count,
        types=len(graph.type_names),
        size=graph.reachable_size + graph.unreachable_size,
        reachable_size=graph.reachable_size,
        unreachable_objects=int(np.count_nonzero(unreachable)),
        unreachable_size=graph.unreachable_size,
    )


def _roots(graph: HeapGraph) -> tuple[RootCount, ...]:
    counts = []
    for kind in RootKind:
        targets = graph.roots.targets[graph.roots.kinds == kind]
        if len(targets):
            retained = graph.dominators.minimum_retained_size(targets)
            counts.append(RootCount(ROOT_KIND_NAMES[kind], len(targets), retained))
    return tuple(counts)


ANALYSIS = Analysis(
    "summary", "target, totals, roots by kind, quality, memory account", (), summarize
)
