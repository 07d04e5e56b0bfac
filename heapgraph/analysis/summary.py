"""A snapshot at a glance: target, totals, roots by kind, what the resident memory is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.garbage.found import GarbageClass, garbage_of
from heapgraph.analysis.memory import MemoryAccount, account_memory
from heapgraph.analysis.resident.native import native_owners
from heapgraph.analysis.results import Result
from heapgraph.model import ROOT_KIND_NAMES, UNREACHABLE, RootKind
from heapgraph.units import Bytes, Count

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

MAX_CLASSES = 10
"""Classes of garbage that are counted one by one."""


@dataclass(frozen=True)
class Totals:
    """Counts and sizes of the whole heap; sizes are shallow, in bytes.

    Attributes:
        garbage: what is unreachable, by the classes that its cycles go through.
    """

    objects: Count
    references: Count
    types: Count
    size: Bytes
    reachable_size: Bytes
    unreachable_objects: Count
    unreachable_size: Bytes
    garbage: tuple[GarbageClass, ...]


@dataclass(frozen=True)
class RootCount:
    """The roots of one kind and what they explain.

    Attributes:
        kind: name of the kind.
        count: roots.
        reached_size: bytes that they reach and no root of a kind before them: `path` names these
            objects by them, and all kinds together reach what is reachable.
    """

    kind: str
    count: Count
    reached_size: Bytes


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
        progress: told when the dominator tree and the paths are computed.

    Cost: the dominator tree and the paths from the roots, once per snapshot.
    """
    if progress is not None:
        progress("dominator tree and paths", 0, 0)
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
        account_memory(graph, native_owners(graph)),
    )


def _totals(graph: HeapGraph) -> Totals:
    unreachable = graph.dominators.idom == UNREACHABLE
    return Totals(
        objects=graph.object_count,
        references=graph.reference_count,
        types=len(graph.type_names),
        size=graph.total_size,
        reachable_size=graph.reachable_size,
        unreachable_objects=int(np.count_nonzero(unreachable)),
        unreachable_size=graph.unreachable_size,
        garbage=garbage_of(graph).classes[:MAX_CLASSES],
    )


def _roots(graph: HeapGraph) -> tuple[RootCount, ...]:
    counts = np.bincount(graph.roots.kinds, minlength=len(RootKind))
    return tuple(
        RootCount(ROOT_KIND_NAMES[kind], int(counts[kind]), size)
        for kind, size in graph.root_paths.sizes_by_root_kind().items()
    )
