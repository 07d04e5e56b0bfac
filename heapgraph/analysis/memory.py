"""The account of resident memory: what the kernel counts, and who uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.memory_arenas import (
    ArenaRow,
    ArenaTotals,
    Pin,
    SizeClass,
    arena_totals,
    describe_arenas,
)
from heapgraph.analysis.memory_parts import GROUPS, MemoryPart, is_anonymous, memory_parts
from heapgraph.analysis.memory_verdict import MemoryVerdict, judge_memory
from heapgraph.analysis.object_rows import check_limit
from heapgraph.analysis.registry import Analysis, Parameter, Progress
from heapgraph.analysis.results import Result
from heapgraph.model import NO_ROW, REGION_KIND_NAMES, ObjectFlags

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

DEFAULT_LIMIT = 10
_NAMED_TYPES = 3


@dataclass(frozen=True)
class MemoryGroup:
    """One term of the sum; `share` is of what is accounted for, 0..1."""

    name: str
    size: int
    share: float


@dataclass(frozen=True)
class MemoryAccount(Result):
    """Resident memory and its parts, in bytes.

    Attributes:
        rss: what the kernel said in `/proc/PID/status` when the dump began.
        accounted: the sum of the parts: private anonymous memory as it was at the frozen moment,
            mapped files as `/proc/PID/smaps` had them just before.
        private_dirty: of it, what would be given back if the target ended.
        groups: the terms of the sum.
        parts: what they consist of, the largest of each group first.
        verdict: what most of it is.
    """

    rss: int
    accounted: int
    private_dirty: int
    groups: tuple[MemoryGroup, ...]
    parts: tuple[MemoryPart, ...]
    verdict: MemoryVerdict

    def group(self, name: str) -> int:
        """Bytes of one group."""
        return sum(group.size for group in self.groups if group.name == name)


@dataclass(frozen=True)
class LargeBlock:
    """A large block or mapping.

    Attributes:
        start: its address.
        size: bytes in memory.
        length: bytes of addresses.
        kind: what it is.
        path: of the mapped file, else empty.
        object: id of the object it belongs to, None for none.
        type: that object's type.
    """

    start: int
    size: int
    length: int
    kind: str
    path: str
    object: int | None
    type: str


@dataclass(frozen=True)
class MemoryReport(Result):
    """What `heapgraph memory` shows.

    Attributes:
        account: the sum and the verdict.
        arenas: totals of pymalloc's arenas.
        size_classes: blocks of pymalloc by size, most free bytes first.
        nearly_empty: arenas that could give most back.
        pins: what keeps nearly empty arenas, by type.
        large_blocks: mapped files, blocks and mappings that take most memory.
    """

    account: MemoryAccount
    arenas: ArenaTotals
    size_classes: tuple[SizeClass, ...]
    nearly_empty: tuple[ArenaRow, ...]
    pins: tuple[Pin, ...]
    large_blocks: tuple[LargeBlock, ...]


def account_memory(graph: HeapGraph) -> MemoryAccount:
    """Add up the resident memory.

    Args:
        graph: the snapshot.

    Cost: 0.3 s for 10 million objects.
    """
    parts = memory_parts(graph)
    accounted = sum(part.size for part in parts)
    sums = {name: sum(p.size for p in parts if p.group == name) for name in GROUPS}
    return MemoryAccount(
        rss=int(graph.manifest.get("target", {}).get("rss", 0)),
        accounted=accounted,
        private_dirty=sum(mapping.private_dirty for mapping in graph.maps),
        groups=tuple(
            MemoryGroup(name, size, size / accounted if accounted else 0.0)
            for name, size in sums.items()
        ),
        parts=tuple(sorted(parts, key=lambda part: (GROUPS.index(part.group), -part.size))),
        verdict=judge_memory(parts, arena_totals(graph), _largest_types(graph), len(graph.threads)),
    )


def report_memory(
    graph: HeapGraph, *, progress: Progress | None = None, limit: int | None = DEFAULT_LIMIT
) -> MemoryReport:
    """Account for the resident memory, and say what keeps nearly empty arenas.

    Args:
        graph: the snapshot.
        progress: told when the dominator tree is computed.
        limit: rows of each list, None for all.

    Raises:
        UsageError: a limit below 1.

    Cost: the dominator tree and the root paths, once per snapshot.
    """
    check_limit(limit)
    if progress is not None:
        progress("dominator tree", 0, 0)
    arenas = describe_arenas(graph, limit)
    return MemoryReport(
        account_memory(graph),
        arenas.totals,
        arenas.size_classes,
        arenas.nearly_empty,
        arenas.pins,
        _large_blocks(graph)[:limit],
    )


def _largest_types(graph: HeapGraph) -> list[tuple[str, int]]:
    """Types and what their objects have in memory, the largest first.

    Objects in the program's files are left out, and what was never touched of large blocks.
    """
    is_heap = (graph.flags & np.uint16(ObjectFlags.STATIC)) == 0
    sizes = np.where(is_heap, graph.shallow_sizes, 0).astype(np.int64)
    for region in graph.regions:
        if region.object != NO_ROW:
            untouched = region.end - region.start - region.resident
            sizes[region.object] = max(0, sizes[region.object] - untouched)
    totals = np.bincount(graph.type_ids, sizes, len(graph.type_names))
    rows = np.argsort(-totals, kind="stable")[:_NAMED_TYPES].tolist()
    return [(graph.type_names[row], int(totals[row])) for row in rows if totals[row]]


def _large_blocks(graph: HeapGraph) -> tuple[LargeBlock, ...]:
    """Regions that are no arenas, and mapped files, what is most in memory first."""
    blocks = [
        LargeBlock(m.start, m.rss, m.end - m.start, "mapped file", m.path, None, "")
        for m in graph.maps
        if m.rss and not is_anonymous(m)
    ]
    for region in graph.regions:
        name = REGION_KIND_NAMES[region.kind]
        if region.resident and name != "arena":
            owner = None if region.object == NO_ROW else region.object
            owner_type = "" if owner is None else graph.type_name(owner)
            length = region.end - region.start
            blocks.append(
                LargeBlock(region.start, region.resident, length, name, "", owner, owner_type)
            )
    return tuple(sorted(blocks, key=lambda block: (-block.size, block.start)))


ANALYSIS = Analysis(
    "memory",
    "the account of resident memory, its verdict, and what keeps nearly empty arenas",
    (Parameter("limit", "rows of each list", DEFAULT_LIMIT),),
    report_memory,
)
