"""Who owns the memory of C code: blocks that no object is known to have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.regions.word_names import SEVERAL, WordNames
from heapgraph.model import NO_ROW, NativeGrade, NativeKind, RegionKind
from heapgraph.native.native_memory import Places
from heapgraph.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from heapgraph.capture.cpython.root_set import RootSet
    from heapgraph.capture.heap.walk import HeapWalk
    from heapgraph.capture.process.libraries import LibraryData
    from heapgraph.capture.process.variable_names import VariableNames
    from heapgraph.capture.regions.pools import Pools
    from heapgraph.capture.regions.regions import MemorySurvey
    from heapgraph.native.native_memory import NativeRows

Array: TypeAlias = npt.NDArray[Any]

LEAST_TABLE_BYTES = 64 << 20
"""What the tables for it may take in any case; of large heaps, half of what these have besides."""

MOST_SMALL_BLOCKS = 1_000_000
"""Blocks that have room in the pools of pymalloc, up to which those of no object are looked for in
any case; in larger heaps, where objects do not explain what is in use there."""

_COLUMNS = {
    "group": np.uint32,
    "object": np.uint32,
    "bytes": np.uint64,
    "blocks": np.uint64,
    "kind": np.uint8,
    "grade": np.uint8,
}


def _no_rows() -> dict[str, Any]:
    return {name: np.empty(0, dtype) for name, dtype in _COLUMNS.items()} | {"name": []}


@dataclass(frozen=True)
class NativeOwners:
    """Who leads to memory of C code.

    Attributes:
        columns: of the table `native`, see docs/file-format.md.
        chunks, pointers: how many were looked at.
        small_bytes: how much of it is in pools of pymalloc.
        left_out: why nothing is known, "" where something is.
    """

    columns: dict[str, Any] = field(default_factory=_no_rows)
    chunks: int = 0
    pointers: int = 0
    small_bytes: int = 0
    left_out: str = ""

    def with_objects(self, pairs: Sequence[tuple[int, int]]) -> NativeOwners:
        """The same, and memory that single objects have mapped.

        Args:
            pairs: object id and bytes.
        """
        rows = [(object_id, size, 1, NativeKind.MAPPED, "") for object_id, size in pairs]
        return self._with(rows)

    def with_allocators(self, found: Mapping[str, tuple[int, int]]) -> NativeOwners:
        """The same, and what other allocators than malloc have.

        Args:
            found: bytes and mappings by library.
        """
        rows = [
            (NO_ROW, size, count, NativeKind.ALLOCATOR, name)
            for name, (size, count) in found.items()
        ]
        return self._with(rows)

    def _with(self, rows: Sequence[tuple[int, int, int, NativeKind, str]]) -> NativeOwners:
        """The same with further groups of one row: object, bytes, blocks, kind, name."""
        if not rows:
            return self
        groups = self.columns["group"]
        begin = int(groups[-1]) + 1 if len(groups) else 0
        ids, sizes, blocks, kinds, names = zip(*rows, strict=True)
        more = {
            "group": range(begin, begin + len(rows)),
            "object": ids,
            "bytes": sizes,
            "blocks": blocks,
            "kind": kinds,
            "grade": [NativeGrade.DIRECT] * len(rows),
        }
        columns: dict[str, Any] = {
            name: np.concatenate([self.columns[name], np.array(more[name], dtype)])
            for name, dtype in _COLUMNS.items()
        }
        columns["name"] = [*self.columns["name"], *names]
        return replace(self, columns=columns)

    def record(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {
            "chunks": self.chunks,
            "pointers": self.pointers,
            "small_bytes": self.small_bytes,
            "left_out": self.left_out,
        }


def find_native_owners(
    walk: HeapWalk,
    survey: MemorySurvey,
    libraries: Sequence[LibraryData],
    named: RootSet,
    variables: VariableNames | None = None,
) -> NativeOwners:
    """Find out who owns the memory of C code; when all regions are claimed.

    Args:
        walk: over the heap, whose memory is not forgotten yet.
        survey: the regions.
        libraries: data of libraries.
        named: where the interpreter's own structs are.
        variables: names of variables of libraries; None where no file can be asked.

    Cost: see `native_memory.find_owners`; nothing where glibc's malloc has no heap.
    """
    if not survey.heaps and not len(survey.slabs.starts):
        return NativeOwners()
    names = WordNames(survey, libraries, named, variables)
    heaps = sorted(survey.heaps)
    chunks = [
        (region.start, region.end)
        for region in survey.claims.regions
        if region.kind is RegionKind.CHUNK and region.object == NO_ROW
    ]
    slabs = survey.slabs
    managed = [(start, end) for start, end in slabs.ranges.tolist()]
    resident = survey.residency.ranges(sorted([*heaps, *chunks, *managed]))
    places = Places(
        heaps=_ranges(heaps),
        chunks=_ranges(chunks),
        pools=survey.pools.blocks,
        pool_bytes=_bytes_to_explain(survey.pools),
        slabs=(slabs.starts, slabs.sizes, slabs.counts, slabs.sources, slabs.words),
        resident=resident,
        libraries=_ranges(names.libraries),
        stacks=_ranges(names.stacks),
    )
    in_memory = int((resident[:, 1] - resident[:, 0]).sum())
    most_bytes = LEAST_TABLE_BYTES + in_memory // 2
    found = walk.native_owners(places, most_bytes)
    if found.is_left_out:
        reason = (
            f"{found.chunks:,} blocks of C code with their pointers need more than"
            f" {format_size(most_bytes)} to be sorted"
        )
        return NativeOwners(chunks=found.chunks, left_out=reason)
    return _table(found, names, slabs.names)


def _bytes_to_explain(pools: Pools) -> int:
    """Bytes in use in the pools of a large heap; 0 for one whose blocks are looked at anyhow."""
    _, sizes, pool_size = pools.blocks
    if int((pool_size // np.maximum(sizes, 1)).sum()) <= MOST_SMALL_BLOCKS:
        return 0
    return int(pools.in_use.sum())


def _ranges(pairs: Iterable[tuple[int, int]]) -> Array:
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _table(found: NativeRows, names: WordNames, allocators: Sequence[str]) -> NativeOwners:
    """One row for each owner; the sizes of a group stand in its first row."""
    rows = found.rows
    of_objects = rows["kind"] <= NativeKind.SHARED
    parts = [_rows_of_objects(rows[of_objects], found.owners)]
    namer = _Namer(names, found.owners, allocators)
    parts.append(_rows_of_words(rows[~of_objects], namer, int(of_objects.sum())))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS}
    texts = [""] * len(parts[0]["group"]) + parts[1]["name"]
    return NativeOwners(columns | {"name": texts}, found.chunks, found.edges, found.small_bytes)


def _rows_of_objects(rows: Array, owners: Array) -> dict[str, Any]:
    counts = rows["count"].astype(np.int64)
    length = np.maximum(counts, 1)  # of too many owners, none is listed
    group = np.repeat(np.arange(len(rows), dtype=np.uint32), length)
    begins = np.cumsum(length) - length
    place = np.arange(len(group)) - begins[group]
    objects = np.full(len(group), NO_ROW, np.uint32)
    is_listed = counts[group] > 0
    objects[is_listed] = owners[rows["first"][group[is_listed]].astype(np.int64) + place[is_listed]]
    result = {"group": group, "object": objects}
    for name in ("bytes", "blocks"):
        result[name] = np.where(place == 0, rows[name][group], 0).astype(np.uint64)
    return result | {name: rows[name][group] for name in ("kind", "grade")}


@dataclass(frozen=True)
class _Namer:
    """How rows are called that no object leads to."""

    words: WordNames
    owners: Array
    allocators: Sequence[str]

    def name(self, kind: int, first: int, count: int, size: int) -> str:
        if kind == NativeKind.LOST:
            return f"blocks of up to {format_size(first)}"
        if kind == NativeKind.UNOWNED:
            return self.allocators[first]
        words = self.owners[first : first + count].tolist()
        if not words:
            return SEVERAL
        if kind == NativeKind.LIBRARY:
            return self.words.of_libraries(words, size)
        return self.words.of_others(words)


def _rows_of_words(rows: Array, namer: _Namer, first_group: int) -> dict[str, Any]:
    """What no object leads to, added up by what it is called."""
    sums: dict[tuple[int, int, str], list[int]] = {}
    for size, blocks, first, count, kind, grade in rows.tolist():
        total = sums.setdefault((kind, grade, namer.name(kind, first, count, size)), [0, 0])
        total[0] += size
        total[1] += blocks
    return {
        "group": np.arange(first_group, first_group + len(sums), dtype=np.uint32),
        "object": np.full(len(sums), NO_ROW, np.uint32),
        "bytes": np.array([size for size, _ in sums.values()], np.uint64),
        "blocks": np.array([blocks for _, blocks in sums.values()], np.uint64),
        "kind": np.array([kind for kind, _, _ in sums], np.uint8),
        "grade": np.array([grade for _, grade, _ in sums], np.uint8),
        "name": [name for _, _, name in sums],
    }
