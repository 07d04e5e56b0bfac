"""From what the walker finds out about native memory to the rows of its table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from heapgraph.capture.cpython.root_set import RootSet
from heapgraph.capture.process.libraries import LibraryData
from heapgraph.capture.process.residency import Residency
from heapgraph.capture.regions.claims import Claims, Region
from heapgraph.capture.regions.native_owners import (
    LEAST_TABLE_BYTES,
    MOST_SMALL_BLOCKS,
    find_native_owners,
)
from heapgraph.capture.slabs.slabs import Slabs
from heapgraph.model import NO_ROW, NativeGrade, NativeKind, RegionKind
from heapgraph.native.native_memory import NativeRows
from heapgraph.native.walker_structs import NativeRow

PAGE = 4096
HEAP, LIBRARY, OTHER, STACK, CHUNK = (number << 20 for number in range(1, 6))
DIRECT, DOUBTFUL = int(NativeGrade.DIRECT), int(NativeGrade.DOUBTFUL)


def rows(*found: tuple[int, int, int, int, int, int], owners: tuple[int, ...] = ()) -> NativeRows:
    """Rows as (bytes, blocks, first, count, kind, grade)."""
    return NativeRows(
        np.array(list(found), np.dtype(NativeRow)), np.array(owners, np.uint64), 9, 8, 4, False
    )


def owners_of(
    found: NativeRows,
    heaps: tuple[tuple[int, int], ...] = ((HEAP, HEAP + PAGE),),
    block_size: int = 32,
    pool_size: int = 4 * PAGE,
    slabs: Slabs | None = None,
) -> Any:
    """What becomes of the walker's rows, and the places it was told of."""
    residency = Residency(
        [HEAP, CHUNK], [HEAP + 4 * PAGE, CHUNK + 8 * PAGE], np.ones(12, np.uint8), is_measured=True
    )
    claims = Claims(residency)
    claims.add([Region(STACK, STACK + PAGE, RegionKind.STACK, PAGE, PAGE)])
    claims.add([Region(CHUNK, CHUNK + 4 * PAGE, RegionKind.CHUNK, 4 * PAGE, 4 * PAGE)])
    claims.add(
        [Region(CHUNK + 4 * PAGE, CHUNK + 8 * PAGE, RegionKind.CHUNK, 4 * PAGE, 4 * PAGE, object=5)]
    )
    pools = SimpleNamespace(
        blocks=(np.array([OTHER]), np.array([block_size]), pool_size), in_use=np.array([96])
    )
    slabs = slabs or Slabs.none()
    survey = SimpleNamespace(
        heaps=list(heaps),
        claims=claims,
        residency=residency,
        unclaimed=lambda: list(claims.gaps(STACK, STACK + 2 * PAGE)),
        pools=pools,
        slabs=slabs,
    )
    libraries = [
        LibraryData(LIBRARY, 64, "libapp.so", LIBRARY - 0x100),
        LibraryData(OTHER, 64, "libother.so", OTHER),
    ]
    told: list[Any] = []

    def native_owners(places, most_bytes):
        assert most_bytes > LEAST_TABLE_BYTES
        told.append(places)
        return found

    walk = SimpleNamespace(native_owners=native_owners)
    named = RootSet()
    named.scan_ranges = [(LIBRARY + 32, 64, "runtime")]
    return find_native_owners(walk, survey, libraries, named), told


@pytest.mark.parametrize(("blocks", "told"), [(MOST_SMALL_BLOCKS, 0), (MOST_SMALL_BLOCKS + 1, 96)])
def test_small_blocks_of_a_heap_with_very_many_need_a_reason(blocks, told):
    """Given room for more than so many blocks, then more must be in use than objects need."""
    _, (places,) = owners_of(rows(), block_size=16, pool_size=16 * blocks)
    assert len(places.pools[0]) == 1
    assert places.pool_bytes == told


def test_each_owner_of_a_group_has_a_row():
    """Given one owner, three, and too many, then sizes stand in the first row of each group."""
    found, _ = owners_of(
        rows(
            (100, 2, 0, 1, NativeKind.OBJECT, DIRECT),
            (70, 3, 1, 3, NativeKind.SHARED, DOUBTFUL),
            (50, 1, 0, 0, NativeKind.SHARED, DIRECT),
            owners=(7, 1, 2, 3),
        )
    )
    columns = found.columns
    assert columns["object"].tolist() == [7, 1, 2, 3, NO_ROW]
    assert columns["group"].tolist() == [0, 1, 1, 1, 2]
    assert columns["bytes"].tolist() == [100, 70, 0, 0, 50]
    assert columns["blocks"].tolist() == [2, 3, 0, 0, 1]
    assert columns["grade"].tolist() == [DIRECT, *[DOUBTFUL] * 3, DIRECT]
    assert found.record() == {"chunks": 9, "pointers": 8, "small_bytes": 4, "left_out": ""}


@pytest.mark.parametrize(
    ("kind", "words", "name"),
    [
        (NativeKind.LIBRARY, (LIBRARY + 8,), "variable of libapp.so +0x108"),
        (NativeKind.LIBRARY, (LIBRARY, LIBRARY + 8), "variables of libapp.so"),
        (NativeKind.LIBRARY, (LIBRARY, OTHER), "several"),
        (NativeKind.LIBRARY, (LIBRARY + 72,), "runtime +0x28"),
        (NativeKind.STACK, (STACK + 8,), "a stack"),
        (NativeKind.STACK, (STACK + PAGE,), "private memory of no known allocator"),
        (NativeKind.STACK, (STACK, STACK + PAGE), "several"),
    ],
)
def test_words_are_named_by_where_they_are(kind, words, name):
    found, _ = owners_of(rows((10, 1, 0, len(words), kind, DOUBTFUL), owners=words))
    assert found.columns["name"] == [name]


def test_lost_memory_is_added_up_by_size():
    lost = int(NativeKind.LOST)
    found, _ = owners_of(
        rows((10, 1, 64, 0, lost, 2), (20, 2, 64, 0, lost, 2), (5, 1, 1024, 0, lost, 2))
    )
    assert found.columns["name"] == ["blocks of up to 64 B", "blocks of up to 1.00 KiB"]
    assert found.columns["bytes"].tolist() == [30, 5]


def test_blocks_of_other_allocators_are_told_and_named():
    """Given slabs and no heap of malloc, then these are looked through, and named by library."""
    ones = np.ones(1, np.uint32)
    ranges = np.array([[CHUNK, CHUNK + PAGE]])
    slabs = Slabs(
        *(np.array([number], np.uint64) for number in (CHUNK, 64)),
        *(64 * ones, ones, np.array([3], np.uint64), ranges, ("libother.so", "libjemalloc.so.2")),
    )
    unowned = int(NativeKind.UNOWNED)
    found, (places,) = owners_of(rows((128, 2, 1, 0, unowned, 2)), (), slabs=slabs)
    assert found.columns["name"] == ["libjemalloc.so.2"]
    assert found.columns["kind"].tolist() == [unowned]
    assert [column.tolist() for column in places.slabs] == [[CHUNK], [64], [64], [1], [3]]
    assert places.resident.tolist()[0] == [CHUNK, CHUNK + PAGE]


def test_places_overlap_nowhere_and_owned_chunks_are_left_out():
    """Given structs inside of data and a chunk of an object, then each place is told once."""
    _, (places,) = owners_of(rows())
    assert places.chunks.tolist() == [[CHUNK, CHUNK + 4 * PAGE]]
    assert places.libraries.tolist() == [
        [LIBRARY, LIBRARY + 64],
        [LIBRARY + 64, LIBRARY + 96],
        [OTHER, OTHER + 64],
    ]
    assert places.stacks.tolist() == [[STACK, STACK + PAGE], [STACK + PAGE, STACK + 2 * PAGE]]
    assert places.pools == ([OTHER], [32], 4 * PAGE)
    assert places.resident.tolist() == [[HEAP, HEAP + PAGE], [CHUNK, CHUNK + 4 * PAGE]]


def test_what_is_left_out_is_said():
    """Given more chunks than there is memory for, then no rows and the reason."""
    left_out = NativeRows(
        np.empty(0, np.dtype(NativeRow)), np.empty(0, np.uint64), 10**9, 0, 0, True
    )
    found, _ = owners_of(left_out)
    assert len(found.columns["group"]) == 0
    assert "1,000,000,000 blocks of C code" in found.record()["left_out"]


def test_without_a_heap_of_malloc_nothing_is_asked():
    found, told = owners_of(rows(), heaps=())
    assert told == []
    assert found.record()["left_out"] == ""
