"""The parts of the resident memory: what the kernel counts, split by who uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.resident.native import is_known, native_parts
from heapgraph.analysis.resident.shared_memory import is_shared_memory
from heapgraph.model import MAPPING_TYPE, NO_ROW, NativeKind, ObjectFlags, RegionKind
from heapgraph.units import Bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.table_rows import MemoryMapping, MemoryRegion

OBJECTS, SLACK, NATIVE = "objects", "allocator slack", "other heap"
FILES, STACKS, UNKNOWN = "mapped files", "stacks", "unknown"
GROUPS = (OBJECTS, SLACK, NATIVE, FILES, STACKS, UNKNOWN)
"""What resident memory is, as everybody adds it up; each part belongs to one."""

PROGRAM, PROGRAM_DATA = "program and libraries", "zero-initialised data of programs"
ROUNDING, POOL_HEADERS = "rounding of small blocks", "pool headers of pymalloc"
DATA_FILES, SHARED, MAPPED_BY_OBJECTS = "data files", "shared memory", "private mmap objects"

NO_OBJECTS_CHUNKS = "chunks of malloc of no object"

LARGEST_SMALL_BLOCK = 512
"""pymalloc passes larger requests on to malloc (SMALL_REQUEST_THRESHOLD of Objects/obmalloc.c)."""

_BLOCK_STEP = 16  # ALIGNMENT of Objects/obmalloc.c
_POOL_HEADER = 48
_GC_HEAD = 16
_CHUNK_HEADER = 8  # malloc keeps the size of a chunk in front of it
_OBJECTS_A_STEP = 1 << 16
"""Few enough for the caches of a processor, and for malloc to use the same memory again."""


@dataclass(frozen=True)
class MemoryPart:
    """One part of the resident memory.

    Attributes:
        group: one of `GROUPS`.
        name: what it is.
        size: bytes in memory.
    """

    group: str
    name: str
    size: Bytes


def memory_parts(graph: HeapGraph) -> tuple[MemoryPart, ...]:
    """Split the resident memory; the parts add up to what the kernel says of all mappings.

    Args:
        graph: the snapshot.

    Cost: 0.5 s for 10 million objects.
    """
    regions = graph.regions
    kinds = {kind: [r for r in regions if r.kind is kind] for kind in RegionKind}
    anonymous = sum(mapping.rss for mapping in graph.maps if is_anonymous(mapping))
    rest = max(0, anonymous - _resident(regions))
    places = _Places(graph, kinds[RegionKind.ARENA], regions)
    heap, chunks = kinds[RegionKind.HEAP], kinds[RegionKind.CHUNK]
    headers = _CHUNK_HEADER * sum(region.blocks for region in heap)
    in_heap = sum(region.in_use for region in heap)
    headers = min(headers, in_heap)
    nobodys = _resident(region for region in chunks if region.object == NO_ROW)
    owned = _resident(chunks + kinds[RegionKind.OWNED]) - nobodys - places.mapped
    # Where the buffers of objects lie is not recorded; they can only be in what malloc has in use.
    objects_in_heap = min(places.outside, in_heap - headers)
    objects_in_chunks = min(places.outside - objects_in_heap, nobodys)
    outside = places.outside - objects_in_heap - objects_in_chunks
    in_slabs = sum(region.in_use for region in kinds[RegionKind.SLABS])
    objects_in_slabs = min(outside, in_slabs)
    elsewhere = min(outside - objects_in_slabs, rest)
    small = min(
        int(graph.manifest.get("native", {}).get("small_bytes", 0)), places.other_small_blocks
    )
    parts = [
        (OBJECTS, "in arenas of pymalloc", places.in_arenas),
        (OBJECTS, "in heaps of malloc", objects_in_heap),
        (OBJECTS, "in large blocks of their own", owned + objects_in_chunks),
        (OBJECTS, "in memory of another allocator", objects_in_slabs + elsewhere),
        *_arena_slack(graph, kinds[RegionKind.ARENA], places),
        (SLACK, "free chunks of malloc", _free(heap)),
        (SLACK, "free ends of heaps of malloc", _free_ends(heap)),
        (SLACK, "headers of chunks of malloc", headers),
        (SLACK, "free memory of other allocators", _free(kinds[RegionKind.SLABS])),
        (NATIVE, "small blocks of no object", places.other_small_blocks - small),
        *_native_parts(
            graph,
            in_heap - headers - objects_in_heap,
            nobodys - objects_in_chunks,
            small,
            in_slabs - objects_in_slabs,
        ),
        *file_parts(graph.maps),
        (FILES, PROGRAM_DATA, _resident(kinds[RegionKind.DATA])),
        (FILES, MAPPED_BY_OBJECTS, places.mapped),
        (STACKS, "stacks of threads", _resident(kinds[RegionKind.STACK])),
        (STACKS, "frames of Python functions", _resident(kinds[RegionKind.FRAMES])),
        *_unknown_parts(graph, rest - elsewhere),
    ]
    return tuple(MemoryPart(*part) for part in parts if part[2])


def sizes_by_group(parts: Iterable[MemoryPart]) -> dict[str, int]:
    """Bytes of each group, those without any too."""
    sizes = dict.fromkeys(GROUPS, 0)
    for part in parts:
        sizes[part.group] += part.size
    return sizes


def is_anonymous(mapping: MemoryMapping) -> bool:
    """Tell whether a mapping is private memory without a file."""
    is_file = mapping.path and not mapping.path.startswith(("[heap]", "[stack", "[anon"))
    return not is_file and mapping.permissions.endswith("p")


def file_parts(maps: Iterable[MemoryMapping]) -> list[tuple[str, str, int]]:
    """What is in memory of mapped files: a file with code in it is a part of the program."""
    mapped = [mapping for mapping in maps if not is_anonymous(mapping)]
    programs = {mapping.path for mapping in mapped if "x" in mapping.permissions}
    sizes = dict.fromkeys((PROGRAM, DATA_FILES, SHARED), 0)
    for mapping in mapped:
        no_program = SHARED if is_shared_memory(mapping) else DATA_FILES
        kind = PROGRAM if mapping.path in programs else no_program
        sizes[kind] += mapping.rss
    return [(FILES, name, size) for name, size in sizes.items()]


def _native_parts(
    graph: HeapGraph, in_heaps: int, large: int, small: int, in_slabs: int
) -> list[tuple[str, str, int]]:
    """Blocks that no object is known to have, by who leads to them where the snapshot says it."""
    if not is_known(graph):
        parts = [(NO_OBJECTS_CHUNKS, in_heaps), ("large blocks of no object", large)]
        parts.append(("blocks of other allocators of no object", in_slabs))
    else:
        everything = in_heaps + large + small + in_slabs
        parts = native_parts(graph, everything)
        parts.append((NO_OBJECTS_CHUNKS, everything - sum(size for _, size in parts)))
    return [(NATIVE, name, size) for name, size in parts]


def _unknown_parts(graph: HeapGraph, rest: int) -> list[tuple[str, str, int]]:
    """Memory that malloc does not know of, by the library whose variables lead there."""
    native = graph.native
    rows = np.flatnonzero(native.kinds == NativeKind.ALLOCATOR)
    parts = []
    for row in rows[np.argsort(~native.sizes[rows], kind="stable")].tolist():
        size = min(int(native.sizes[row]), rest)
        rest -= size
        parts.append((UNKNOWN, f"memory of an allocator of {native.names[row]}", size))
    return [*parts, (UNKNOWN, "anonymous memory of no known allocator", rest)]


def _resident(regions: Iterable[MemoryRegion]) -> int:
    return sum(region.resident for region in regions)


def _free(regions: Iterable[MemoryRegion]) -> int:
    return sum(region.free for region in regions)


def _free_ends(heaps: list[MemoryRegion]) -> int:
    return sum(max(0, heap.resident - heap.in_use - heap.free) for heap in heaps)


def _arena_slack(
    graph: HeapGraph, arenas: list[MemoryRegion], places: _Places
) -> list[tuple[str, str, int]]:
    """The free part of pymalloc's arenas, which is what is not in use of what is in memory."""
    pools = graph.pools
    resident = pools.resident.astype(np.int64)
    used = np.minimum(pools.used.astype(np.int64) * pools.block_sizes, resident)
    headers = np.minimum(resident - used, _POOL_HEADER)
    free = resident - used - headers
    is_empty = pools.used == 0
    left = sum(max(0, region.resident - region.in_use) for region in arenas)
    parts = []
    for name, size in (
        ("free blocks in pools of pymalloc", int(free[~is_empty].sum())),
        ("empty pools of pymalloc", int(free[is_empty].sum())),
        (POOL_HEADERS, int(headers.sum())),
        ("parts of arenas without pools", left),
    ):
        part = min(size, left)  # together never more than the kernel counts
        left -= part
        parts.append((SLACK, name, part))
    return [*parts, (SLACK, ROUNDING, places.rounding)]


class _Places:
    """How many bytes of the objects are where.

    Attributes:
        in_arenas: in blocks of pymalloc.
        rounding: what these blocks are longer than asked for.
        other_small_blocks: bytes of blocks in use that no object explains.
        outside: of objects and buffers that are neither there nor in a block of their own.
        mapped: resident in mappings that mmap objects stand for.
    """

    def __init__(
        self, graph: HeapGraph, arenas: list[MemoryRegion], regions: list[MemoryRegion]
    ) -> None:
        """Add them up."""
        ranges = _object_ranges(graph.addresses, arenas)
        wanted = rounding = outside = 0
        for first in range(0, graph.object_count, _OBJECTS_A_STEP):
            last = min(first + _OBJECTS_A_STEP, graph.object_count)
            in_arena = _run_in_ranges(first, last, ranges)
            inside, beyond = _split_sizes(graph, slice(first, last), in_arena)
            wanted += int(inside.sum())
            outside += int(beyond.sum())
            rounding += int((-inside & (_BLOCK_STEP - 1)).sum())
        used = sum(region.in_use for region in arenas)
        self.in_arenas = min(wanted, used)
        self.rounding = min(rounding, used - self.in_arenas)
        self.other_small_blocks = used - self.in_arenas - self.rounding
        self.outside = max(0, outside - _in_known_blocks(graph, regions, ranges))
        self.mapped = _resident(
            region
            for region in regions
            if region.object != NO_ROW and graph.type_name(region.object) == MAPPING_TYPE
        )


def _split_sizes(
    graph: HeapGraph, ids: NDArray[np.int64] | slice, in_arena: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bytes in blocks of pymalloc and elsewhere of some objects: int64 each.

    A small object is a block. A larger one in an arena has its head there, and a buffer that is
    there as well if it is short. Objects in the program's files are neither.
    """
    sizes = graph.shallow_sizes[ids].astype(np.int64)
    is_large = sizes > LARGEST_SMALL_BLOCK
    is_heap = (graph.flags[ids] & np.uint16(ObjectFlags.STATIC)) == 0
    inside = sizes * in_arena
    large = np.flatnonzero(in_arena & is_large)
    heads = np.minimum(graph.basic_sizes[graph.type_ids[ids][large]] + _GC_HEAD, sizes[large])
    is_split = sizes[large] - heads > LARGEST_SMALL_BLOCK
    inside[large[is_split]] = heads[is_split]
    return inside, (sizes - inside) * (in_arena | is_heap)


def _in_known_blocks(
    graph: HeapGraph, regions: list[MemoryRegion], ranges: NDArray[np.int64]
) -> int:
    """Bytes that lie outside of arenas, in regions whose owner is known."""
    lengths: dict[int, int] = {}
    for region in regions:
        if region.object != NO_ROW:
            length = region.end - region.start
            lengths[region.object] = lengths.get(region.object, 0) + length
    owners = np.array(sorted(lengths), np.int64)
    _, outside = _split_sizes(graph, owners, _in_ranges(owners, ranges))
    pairs = zip(owners.tolist(), outside.tolist(), strict=True)
    return sum(min(own, lengths[owner]) for owner, own in pairs)


def _object_ranges(addresses: NDArray[np.uint64], regions: list[MemoryRegion]) -> NDArray[np.int64]:
    """First object in each region and the one behind its last, in one rising row: int64."""
    bounds = (region_bounds(regions, "start"), region_bounds(regions, "end"))
    return np.stack([np.searchsorted(addresses, part) for part in bounds], axis=1).reshape(-1)


def _run_in_ranges(first: int, last: int, ranges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """`_in_ranges` of the objects from the first up to the last, which is not among them."""
    bounds = np.clip(ranges, first, last) - first
    lengths = np.diff(bounds, prepend=0, append=last - first)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def _in_ranges(ids: NDArray[np.int64], ranges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each object is in one of the ranges: behind an odd number of their bounds."""
    inside: NDArray[np.bool_] = np.searchsorted(ranges, ids, side="right") % 2 == 1
    return inside


def region_bounds(regions: list[MemoryRegion], which: str) -> NDArray[np.uint64]:
    """The starts or ends of regions: uint64."""
    return np.array([getattr(region, which) for region in regions], np.uint64)
