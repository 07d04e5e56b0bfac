"""The arenas of pymalloc: how full each size of blocks is, and what keeps nearly empty ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions import expression
from heapgraph.analysis.resident.holding import common_holder
from heapgraph.analysis.resident.parts import region_bounds
from heapgraph.model import RegionKind
from heapgraph.units import Address, Bytes, Count, Expression, TypeName

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.table_rows import MemoryRegion

NEARLY_EMPTY_SHARE = 0.25
"""An arena with less of it in use is nearly empty: the blocks of four such fit into one, so three
could be given back. pymalloc frees an arena only when its last block goes, and moves none."""

_POOL_HEADER = 48
_TYPES_OF_AN_ARENA = 3


@dataclass(frozen=True)
class SizeClass:
    """All pools of one size of blocks.

    Attributes:
        block_size: bytes of a block.
        pools: how many have blocks in use.
        used_blocks, free_blocks: blocks of these pools.
        used_size, free_size: their bytes in memory.
    """

    block_size: Bytes
    pools: Count
    used_blocks: Count
    free_blocks: Count
    used_size: Bytes
    free_size: Bytes


@dataclass(frozen=True)
class ArenaTotals:
    """All arenas together; sizes are bytes in memory.

    Attributes:
        count: arenas.
        size: of them in memory.
        used_size: of that in blocks in use.
        nearly_empty: how many arenas are.
        nearly_empty_size: what they take.
        pinning_blocks: blocks in use that keep them.
        pinning_size: bytes of these blocks.
    """

    count: Count
    size: Bytes
    used_size: Bytes
    nearly_empty: Count
    nearly_empty_size: Bytes
    pinning_blocks: Count
    pinning_size: Bytes


@dataclass(frozen=True)
class ArenaRow:
    """One nearly empty arena.

    Attributes:
        address: where it begins.
        size: bytes in memory.
        used_size: bytes of blocks in use.
        used_blocks: how many.
        objects: objects in it; the other blocks are buffers of objects elsewhere.
        types: names of the most frequent types.
        expression: how to reach one of the objects; empty when there is none.
    """

    address: Address
    size: Bytes
    used_size: Bytes
    used_blocks: Count
    objects: Count
    types: tuple[str, ...]
    expression: Expression


@dataclass(frozen=True)
class Pin:
    """Objects of one type that keep nearly empty arenas.

    Attributes:
        type: its name.
        count: objects in nearly empty arenas.
        size: their shallow size.
        arenas: how many arenas they are in.
        holder: how to reach the object that holds most of them.
    """

    type: TypeName
    count: Count
    size: Bytes
    arenas: Count
    holder: Expression


@dataclass(frozen=True)
class Arenas:
    """Everything about arenas that a report shows; lists are cut, totals are not."""

    totals: ArenaTotals
    size_classes: tuple[SizeClass, ...]
    nearly_empty: tuple[ArenaRow, ...]
    pins: tuple[Pin, ...]
    size_classes_left_out: int
    pins_left_out: int


def arena_totals(graph: HeapGraph) -> ArenaTotals:
    """Add up the arenas. Cost: microseconds per arena."""
    arenas = [region for region in graph.regions if region.kind is RegionKind.ARENA]
    empty = _nearly_empty(graph)
    return ArenaTotals(
        count=len(arenas),
        size=sum(arena.resident for arena in arenas),
        used_size=sum(arena.in_use for arena in arenas),
        nearly_empty=len(empty),
        nearly_empty_size=sum(arena.resident for arena in empty),
        pinning_blocks=sum(arena.blocks for arena in empty),
        pinning_size=sum(arena.in_use for arena in empty),
    )


def describe_arenas(graph: HeapGraph, limit: int | None) -> Arenas:
    """Describe arenas and size classes, those first that could give most back.

    Args:
        graph: the snapshot.
        limit: rows of each list, None for all.

    Cost: a path for each row, and 2,000 look-ups for each type that keeps arenas.
    """
    empty = _nearly_empty(graph)
    ranges = _object_ranges(graph, empty)
    rows = tuple(
        _arena_row(graph, arena, first, last)
        for arena, (first, last) in list(zip(empty, ranges, strict=True))[:limit]
    )
    classes = _size_classes(graph)
    pins, pins_left_out = _pins(graph, ranges, limit)
    return Arenas(
        totals=arena_totals(graph),
        size_classes=classes[:limit],
        nearly_empty=rows,
        pins=pins,
        size_classes_left_out=len(classes) - len(classes[:limit]),
        pins_left_out=pins_left_out,
    )


def _nearly_empty(graph: HeapGraph) -> list[MemoryRegion]:
    """Arenas with little in use, the one that keeps most free memory first."""
    found = [
        region
        for region in graph.regions
        if region.kind is RegionKind.ARENA
        and region.blocks > 0
        and region.in_use < NEARLY_EMPTY_SHARE * region.resident
    ]
    return sorted(found, key=lambda arena: arena.in_use - arena.resident)


def _size_classes(graph: HeapGraph) -> tuple[SizeClass, ...]:
    """Sums by size of blocks, the one with most free bytes first."""
    pools = graph.pools
    is_used = (pools.used > 0) & (pools.block_sizes > 0)
    sizes = pools.block_sizes[is_used].astype(np.int64)
    used = pools.used[is_used].astype(np.int64)
    resident = pools.resident[is_used].astype(np.int64)
    used_bytes = np.minimum(used * sizes, resident)
    free_bytes = np.maximum(resident - used_bytes - _POOL_HEADER, 0)
    found = []
    for size in np.unique(sizes).tolist():
        mine = sizes == size
        free = free_bytes[mine]
        found.append(
            SizeClass(
                block_size=size,
                pools=int(mine.sum()),
                used_blocks=int(used[mine].sum()),
                free_blocks=int((free // size).sum()),
                used_size=int(used_bytes[mine].sum()),
                free_size=int(free.sum()),
            )
        )
    return tuple(sorted(found, key=lambda row: (-row.free_size, row.block_size)))


def _object_ranges(graph: HeapGraph, arenas: list[MemoryRegion]) -> list[tuple[int, int]]:
    """First object in each arena and the one behind its last: ids rise with addresses."""
    firsts = np.searchsorted(graph.addresses, region_bounds(arenas, "start"))
    lasts = np.searchsorted(graph.addresses, region_bounds(arenas, "end"))
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _arena_row(graph: HeapGraph, arena: MemoryRegion, first: int, last: int) -> ArenaRow:
    rows, counts = np.unique(graph.type_ids[first:last], return_counts=True)
    common = rows[np.argsort(-counts, kind="stable")][:_TYPES_OF_AN_ARENA].tolist()
    example = ""
    if common:
        place = first + int(np.argmax(graph.type_ids[first:last] == common[0]))
        example = expression(graph, place)
    return ArenaRow(
        address=arena.start,
        size=arena.resident,
        used_size=arena.in_use,
        used_blocks=arena.blocks,
        objects=last - first,
        types=tuple(graph.type_names[row] for row in common),
        expression=example,
    )


def _pins(
    graph: HeapGraph, ranges: list[tuple[int, int]], limit: int | None
) -> tuple[tuple[Pin, ...], int]:
    """What is in nearly empty arenas by type, the most objects first, and how many types more."""
    if not any(first < last for first, last in ranges):
        return (), 0
    ids = np.concatenate([np.arange(first, last) for first, last in ranges])
    arenas = np.repeat(np.arange(len(ranges)), [last - first for first, last in ranges])
    types = graph.type_ids[ids]
    rows, counts = np.unique(types, return_counts=True)
    pins = []
    for row in rows[np.argsort(-counts, kind="stable")][:limit].tolist():
        mine = types == row
        pins.append(
            Pin(
                type=graph.type_names[row],
                count=int(mine.sum()),
                size=int(graph.shallow_sizes[ids[mine]].sum()),
                arenas=len(np.unique(arenas[mine])),
                holder=common_holder(graph, ids[mine]),
            )
        )
    return tuple(pins), len(rows) - len(pins)
