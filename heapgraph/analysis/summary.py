"""A snapshot at a glance: target, totals, roots by kind, what the resident memory is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.registry import Analysis, Progress
from heapgraph.analysis.results import Result
from heapgraph.model import ROOT_KIND_NAMES, UNREACHABLE, ObjectFlags, RootKind

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
class MemoryAccount:
    """Where the resident memory of the target is, in bytes.

    `anonymous` holds the objects; what they do not explain (`anonymous_rest`) is free space kept
    by allocators, rounding, and data of C libraries: it is no leak of Python objects.

    Attributes:
        rss: resident in all mappings.
        private_dirty: of it, what would be given back if the target ended.
        anonymous: resident in mappings without a file, stacks not included.
        stacks: resident in stacks.
        files: resident in mapped files, such as libraries.
        objects: shallow size of all objects that do not lie in mapped files.
        anonymous_rest: `anonymous` without `objects`.
    """

    rss: int
    private_dirty: int
    anonymous: int
    stacks: int
    files: int
    objects: int
    anonymous_rest: int


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
        target, _totals(graph), _roots(graph), dict(manifest.get("quality", {})), _memory(graph)
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


def _memory(graph: HeapGraph) -> MemoryAccount:
    sums = dict.fromkeys(("rss", "private_dirty", "anonymous", "stacks", "files"), 0)
    for mapping in graph.maps:
        resident, path = mapping.rss, mapping.path
        sums["rss"] += resident
        sums["private_dirty"] += mapping.private_dirty
        if path.startswith("[stack"):
            sums["stacks"] += resident
        elif not path or path.startswith(("[heap]", "[anon")):
            sums["anonymous"] += resident
        else:
            sums["files"] += resident
    in_memory = (graph.flags & ObjectFlags.STATIC) == 0
    objects = int(graph.shallow_sizes[in_memory].sum())
    return MemoryAccount(**sums, objects=objects, anonymous_rest=sums["anonymous"] - objects)


ANALYSIS = Analysis(
    "summary", "target, totals, roots by kind, quality, memory account", (), summarize
)
