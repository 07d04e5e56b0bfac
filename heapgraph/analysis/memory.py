"""The account of resident memory: what the kernel counts, and who uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from heapgraph.analysis.execution.greenlets import greenlets
from heapgraph.analysis.resident.arenas import (
    ArenaRow,
    ArenaTotals,
    Pin,
    SizeClass,
    arena_totals,
    describe_arenas,
)
from heapgraph.analysis.resident.native import NativeOwner, native_owners
from heapgraph.analysis.resident.parts import (
    GROUPS,
    SHARED,
    MemoryPart,
    is_anonymous,
    memory_parts,
    sizes_by_group,
)
from heapgraph.analysis.resident.shared_memory import is_shared_memory, shared_memory_name
from heapgraph.analysis.resident.verdict import MemoryVerdict, ProcessFacts, judge_memory
from heapgraph.analysis.results import TableResult, not_serialized
from heapgraph.model import NO_ROW, REGION_KIND_NAMES, ObjectFlags
from heapgraph.units import Address, Bytes, ObjectId, Share, TypeName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

_NAMED_TYPES = 3
_OBJECTS_A_STEP = 1 << 16  # few enough for the caches of a processor


@dataclass(frozen=True)
class MemoryGroup:
    """One term of the sum; `share` is of what is accounted for, 0..1."""

    name: str
    size: Bytes
    share: Share


@dataclass(frozen=True)
class MemoryAccount(TableResult):
    """Resident memory and its parts, in bytes; as a table, the parts.

    Attributes:
        rss: what the kernel said in `/proc/PID/status` when the dump began.
        accounted_size: the sum of the parts: private memory as it was at the frozen moment, mapped
            files as `/proc/PID/smaps` had them just before.
        private_size: of it, what would be given back if the target ended.
        verdict: what most of it is; see `MemoryVerdict.kind`.
        share: how much, without the program and its libraries, 0..1.
        reason: the numbers behind the verdict, and what to do.
        groups: the terms of the sum.
        parts: what they consist of, the largest of each group first.
    """

    rows_field: ClassVar[str] = "parts"

    rss: Bytes
    accounted_size: Bytes
    private_size: Bytes
    verdict: str
    share: Share
    reason: str
    groups: tuple[MemoryGroup, ...]
    parts: tuple[MemoryPart, ...]

    def group(self, name: str) -> int:
        """Bytes of one group."""
        return sum(group.size for group in self.groups if group.name == name)


@dataclass(frozen=True)
class LargeBlock:
    """A large block or mapping.

    Attributes:
        address: where it begins.
        size: bytes in memory.
        reserved_size: bytes of addresses.
        kind: what it is.
        path: of the mapped file or shared memory, as the kernel lists it, else empty.
        name: the same in plain words: the path of a file, the name of shared memory or "anonymous".
        object: id of the object it belongs to, None for none.
        type: that object's type.
    """

    address: Address
    size: Bytes
    reserved_size: Bytes
    kind: str
    path: str
    name: str
    object: ObjectId | None
    type: TypeName


@dataclass(frozen=True)
class MemoryReport(MemoryAccount):
    """The account with what `heapgraph memory` shows besides.

    Attributes:
        pins: what keeps nearly empty arenas, by type.
        nearly_empty: arenas that could give most back.
        size_classes: blocks of pymalloc by size, most free bytes first.
        large_blocks: mapped files, heaps, blocks and mappings that take most memory.
        native_owners: who leads to memory of C code, in estimates.
        arenas: totals of pymalloc's arenas.
        native_owners_left_out, pins_left_out, nearly_empty_left_out, size_classes_left_out,
            large_blocks_left_out: how many more there are.
    """

    pins: tuple[Pin, ...]
    nearly_empty: tuple[ArenaRow, ...]
    size_classes: tuple[SizeClass, ...]
    large_blocks: tuple[LargeBlock, ...]
    native_owners: tuple[NativeOwner, ...]
    arenas: ArenaTotals
    native_owners_left_out: int = not_serialized()
    pins_left_out: int = not_serialized()
    nearly_empty_left_out: int = not_serialized()
    size_classes_left_out: int = not_serialized()
    large_blocks_left_out: int = not_serialized()


def account_memory(graph: HeapGraph, owners: Sequence[NativeOwner] = ()) -> MemoryAccount:
    """Add up the resident memory.

    Args:
        graph: the snapshot.
        owners: of memory of C code, for the verdict to name: what `native_owners` returns.

    Cost: 0.5 s for 10 million objects.
    """
    parts = memory_parts(graph)
    accounted = sum(part.size for part in parts)
    sums = sizes_by_group(parts)
    verdict = _judged(graph, parts, owners)
    return MemoryAccount(
        rss=int(graph.manifest.get("target", {}).get("rss", 0)),
        accounted_size=accounted,
        private_size=sum(mapping.private_dirty for mapping in graph.maps),
        verdict=verdict.kind,
        share=verdict.share,
        reason=verdict.reason,
        groups=tuple(
            MemoryGroup(name, size, size / accounted if accounted else 0.0)
            for name, size in sums.items()
        ),
        parts=tuple(sorted(parts, key=lambda part: (GROUPS.index(part.group), -part.size))),
    )


def memory_verdict(graph: HeapGraph) -> MemoryVerdict:
    """What most of the resident memory is, without the names of those who own it.

    Args:
        graph: the snapshot.

    Cost: 0.5 s for 10 million objects.
    """
    return _judged(graph, memory_parts(graph), ())


def other_than_objects(graph: HeapGraph) -> str:
    """What most of the resident memory is where that is not objects; "" where it is, or is mixed.

    Args, cost: as of `memory_verdict`.
    """
    verdict = memory_verdict(graph)
    return "" if verdict.is_of_objects else verdict.kind


def _judged(
    graph: HeapGraph, parts: Sequence[MemoryPart], owners: Sequence[NativeOwner]
) -> MemoryVerdict:
    facts = _process_facts(graph, owners)
    return judge_memory(parts, arena_totals(graph), _largest_types(graph), facts)


def report_memory(
    graph: HeapGraph, *, progress: Progress | None = None, limit: int | None = None
) -> MemoryReport:
    """Account for the resident memory, and say what keeps nearly empty arenas.

    Args:
        graph: the snapshot.
        progress: told when the dominator tree is computed.
        limit: rows of each list, None for all.

    Cost: the dominator tree and the root paths, once per snapshot.
    """
    if progress is not None:
        progress("dominator tree", 0, 0)
    arenas = describe_arenas(graph, limit)
    large_blocks = _large_blocks(graph)
    owners = native_owners(graph)
    return MemoryReport(
        **vars(account_memory(graph, owners)),
        pins=arenas.pins,
        nearly_empty=arenas.nearly_empty,
        size_classes=arenas.size_classes,
        large_blocks=large_blocks[:limit],
        native_owners=owners[:limit],
        arenas=arenas.totals,
        native_owners_left_out=len(owners) - len(owners[:limit]),
        pins_left_out=arenas.pins_left_out,
        nearly_empty_left_out=arenas.totals.nearly_empty - len(arenas.nearly_empty),
        size_classes_left_out=arenas.size_classes_left_out,
        large_blocks_left_out=len(large_blocks) - len(large_blocks[:limit]),
    )


def _process_facts(graph: HeapGraph, owners: Sequence[NativeOwner]) -> ProcessFacts:
    shared = 0
    for mapping in graph.maps:
        if is_anonymous(mapping) and mapping.pss:  # a core file says nothing of it
            # A page of n processes is one nth of each: what they have together is at most twice
            # what is missing. A clean private page is neither dirty nor missing.
            missing = mapping.rss - mapping.pss
            shared += max(0, min(mapping.rss - mapping.private_dirty, 2 * missing))
    return ProcessFacts(len(graph.threads), len(greenlets(graph)), shared, owners)


def _largest_types(graph: HeapGraph) -> list[tuple[str, int]]:
    """Types and what their objects have in memory, the largest first.

    Objects in the program's files are left out, and what was never touched of large blocks.
    """
    totals = np.zeros(len(graph.type_names))
    for first in range(0, graph.object_count, _OBJECTS_A_STEP):
        some = slice(first, first + _OBJECTS_A_STEP)
        is_heap = (graph.flags[some] & np.uint16(ObjectFlags.STATIC)) == 0
        sizes = np.where(is_heap, graph.shallow_sizes[some], 0)
        totals += np.bincount(graph.type_ids[some], sizes, len(totals))
    for region in graph.regions:
        if region.object != NO_ROW:
            untouched = region.end - region.start - region.resident
            size = int(graph.shallow_sizes[region.object])
            totals[graph.type_ids[region.object]] -= min(untouched, size)
    rows = np.argsort(-totals, kind="stable")[:_NAMED_TYPES].tolist()
    return [(graph.type_names[row], int(totals[row])) for row in rows if totals[row] > 0]


def _large_blocks(graph: HeapGraph) -> tuple[LargeBlock, ...]:
    """Regions that are no arenas, and files with all their mappings, the largest first."""
    sizes: dict[str, tuple[int, int, int]] = {}
    shared: set[str] = set()
    for mapping in graph.maps:
        if mapping.rss and not is_anonymous(mapping):
            start, size, length = sizes.get(mapping.path, (mapping.start, 0, 0))
            length += mapping.end - mapping.start
            sizes[mapping.path] = (start, size + mapping.rss, length)
            if is_shared_memory(mapping):
                shared.add(mapping.path)
    blocks = [
        LargeBlock(*place, SHARED, path, shared_memory_name(path), None, "")
        if path in shared
        else LargeBlock(*place, "mapped file", path, path, None, "")
        for path, place in sizes.items()
    ]
    for region in graph.regions:
        name = REGION_KIND_NAMES[region.kind]
        if region.resident and name != "arena":
            owner = None if region.object == NO_ROW else region.object
            owner_type = "" if owner is None else graph.type_name(owner)
            length = region.end - region.start
            blocks.append(
                LargeBlock(region.start, region.resident, length, name, "", "", owner, owner_type)
            )
    return tuple(sorted(blocks, key=lambda block: (-block.size, block.address)))
