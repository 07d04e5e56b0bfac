"""Who has which part of private memory: every byte once, never more than the kernel counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.heap.columns import HeapColumns
from heapgraph.capture.process.maps import Mapping, is_anonymous, with_sizes
from heapgraph.capture.regions.claims import Claims, Region
from heapgraph.capture.regions.regions import MemoryRegions, find_regions, survey_memory
from heapgraph.capture.regions.thread_stacks import find_stacks
from heapgraph.model import NO_ROW, RegionKind
from heapgraph.native.walked_type import WalkedType
from helpers.built_pages import BuiltPages

PAGE = 4096
POOL = 1 << 14
ARENA = 1 << 20


def columns_of(*objects: tuple[int, int], tp_name: str = "bytearray") -> HeapColumns:
    """Objects of one type, (address, shallow size) each."""
    arrays = {
        "address": np.array([address for address, _ in objects], np.uint64),
        "shallow_size": np.array([size for _, size in objects], np.uint64),
        "type": np.zeros(len(objects), np.uint32),
        "flags": np.zeros(len(objects), np.uint16),
    }
    walked = WalkedType(0, tp_name, 56, 1, 0, 0, False, True, 0, 0)
    return HeapColumns(arrays, [walked], [], {})


def survey(
    pages: BuiltPages,
    *maps: Mapping,
    threads: tuple[int, ...] = (),
    columns: HeapColumns | None = None,
) -> MemoryRegions:
    found = survey_memory(
        pages.reads,
        pages.residency,
        maps or (pages.mapping(),),
        layout=layout_for((3, 13)),
        thread_ids=threads,
    )
    return find_regions(found, columns or columns_of())


def kinds(found: MemoryRegions) -> list[tuple[RegionKind, int]]:
    return [(region.kind, region.resident) for region in found.regions]


def test_arenas_and_blocks_share_a_mapping():
    """The kernel joins neighbours: an arena, then a block that begins in its last place."""
    pages = BuiltPages(3 * ARENA)
    pages.pool(0, 64, 100)
    pages.pool(POOL, 128, 10)
    pages.put(ARENA - POOL, 0, ARENA | 2)
    found = survey(pages)
    assert kinds(found) == [(RegionKind.ARENA, ARENA - POOL), (RegionKind.CHUNK, ARENA)]
    arena = found.regions[0]
    assert (arena.blocks, arena.in_use) == (110, 64 * 100 + 128 * 10)
    assert arena.free == arena.resident - arena.in_use
    assert found.pool_rows.tolist() == [0, 0]
    assert found.pool_resident.tolist() == [POOL, POOL]


def test_a_block_of_which_a_part_has_other_advice_is_one():
    """Advice to use huge pages splits the mapping behind the block's header."""
    pages = BuiltPages(2 * ARENA)
    pages.put(0, 0, 2 * ARENA | 2)
    found = survey(pages, pages.mapping(0, PAGE), pages.mapping(PAGE))
    assert kinds(found) == [(RegionKind.CHUNK, 2 * ARENA)]


def test_a_block_whose_rest_was_never_touched_is_known_by_its_header():
    pages = BuiltPages(64 * PAGE, absent=range(1, 64))
    pages.put(0, 0, 64 * PAGE | 2)
    (region,) = survey(pages, pages.mapping(0, PAGE), pages.mapping(PAGE)).regions
    assert (region.end - region.start, region.resident) == (64 * PAGE, PAGE)


def test_pages_of_zeros_are_not_counted():
    """Present, says the page table; not resident, says the kernel's sum."""
    pages = BuiltPages(2 * ARENA)
    pages.put(0, 0, 2 * ARENA | 2)
    mapping = replace(pages.mapping(), rss=ARENA // 2)
    (region,) = survey(pages, mapping).regions
    assert (region.resident, region.in_use) == (ARENA // 2, ARENA // 2)


def test_pages_of_zeros_are_taken_to_be_in_large_blocks_then_in_what_is_free():
    """An arena of which 4 KiB are in use, and a block; together more than the kernel counts."""
    pages = BuiltPages(2 * ARENA)
    pages.pool(0, 64, 64)
    pages.put(ARENA - POOL, 0, ARENA | 2)
    found = survey(pages, replace(pages.mapping(), rss=ARENA))
    assert kinds(found) == [(RegionKind.ARENA, ARENA - POOL), (RegionKind.CHUNK, POOL)]
    found = survey(pages, replace(pages.mapping(), rss=POOL))
    assert kinds(found) == [(RegionKind.ARENA, POOL), (RegionKind.CHUNK, 0)]
    assert found.regions[0].in_use == 64 * 64


def test_a_block_belongs_to_the_object_that_points_to_it():
    pages = BuiltPages(2 * ARENA)
    pages.put(0, 0, ARENA | 2)
    holder, small = pages.start + ARENA + 64, pages.start + ARENA + 256
    pages.put(ARENA + 64, 3, 0, ARENA - 32, pages.start + 16)
    pages.put(ARENA + 256, 3, 0, 8, pages.start + 32)
    found = survey(pages, columns=columns_of((holder, ARENA), (small, 64)))
    assert [region.object for region in found.regions if region.kind == RegionKind.CHUNK] == [0]


def test_an_mmap_object_owns_memory_whatever_its_size():
    pages = BuiltPages(2 * ARENA)
    elsewhere = BuiltPages(PAGE)
    address = pages.start
    pages.put(0, 3, 0, pages.start + PAGE)
    found = survey(pages, columns=columns_of((address, 96), tp_name="mmap.mmap"))
    assert [(region.kind, region.object) for region in found.regions] == [(RegionKind.OWNED, 0)]
    found = survey(elsewhere, columns=columns_of((elsewhere.start, 96), tp_name="mmap.mmap"))
    assert found.regions == []


def test_stacks_are_known_by_descriptor_by_name_and_by_guard():
    pages = BuiltPages(64 * PAGE)
    descriptor = 31 * PAGE
    pages.put(descriptor + 0x690, pages.start + 16 * PAGE, 16 * PAGE)
    joined = pages.mapping(16 * PAGE, 40 * PAGE)
    guard = Mapping(joined.end, joined.end + PAGE, "---p", 0, "")
    other = pages.mapping(41 * PAGE, 44 * PAGE)
    main = pages.mapping(48 * PAGE, 50 * PAGE, "[stack]")
    found = survey(pages, joined, guard, other, main, threads=(pages.start + descriptor,))
    assert kinds(found) == [
        (RegionKind.STACK, 16 * PAGE),
        (RegionKind.STACK, 3 * PAGE),
        (RegionKind.STACK, 2 * PAGE),
    ]


def test_a_thread_without_a_descriptor_has_no_known_stack():
    pages = BuiltPages(PAGE)
    assert find_stacks(pages.reads, [pages.start, 0xDEAD_0000]) == []
    assert find_stacks(pages.reads, []) == []


def test_zero_initialised_data_ends_where_an_arena_begins():
    pages = BuiltPages(4 * ARENA)
    pages.pool(2 * ARENA, 64, 1)
    file = Mapping(pages.start - ARENA, pages.start, "rw-p", 0, "/lib/libx.so", PAGE)
    found = survey(pages, file, pages.mapping())
    assert [region.kind for region in found.regions] == [RegionKind.DATA, RegionKind.ARENA]
    assert found.regions[0].end == pages.start + 2 * ARENA


def test_the_named_heap_is_read_from_its_start():
    pages = BuiltPages(8 * PAGE)
    pages.chunk(0, PAGE)
    pages.chunk(PAGE, 7 * PAGE)
    (region,) = survey(pages, pages.mapping(path="[heap]")).regions
    assert (region.kind, region.blocks, region.free) == (RegionKind.HEAP, 1, 0)
    assert region.in_use == PAGE + 16
    assert region.object == NO_ROW


@pytest.mark.parametrize("path", ["/lib/libx.so", "/dev/zero (deleted)", "[vdso]"])
def test_memory_of_files_has_no_regions(path):
    pages = BuiltPages(ARENA)
    pages.pool(0, 64, 1)
    assert survey(pages, pages.mapping(path=path)).regions == []


def test_nothing_is_claimed_twice():
    pages = BuiltPages(16 * PAGE)
    claims = Claims(pages.residency)
    at = pages.start
    claims.add([Region(at + 4 * PAGE, at + 8 * PAGE, RegionKind.HEAP, 4 * PAGE, 0)])
    claims.claim(at, at + 16 * PAGE, RegionKind.DATA)
    assert [(r.start - at, r.resident) for r in claims.regions] == [
        (0, 4 * PAGE),
        (4 * PAGE, 4 * PAGE),
        (8 * PAGE, 8 * PAGE),
    ]
    assert list(claims.gaps(at, at + 16 * PAGE)) == []
    assert list(claims.within(at + 5 * PAGE, at + 6 * PAGE)) == [1]


def test_a_clone_keeps_what_it_knows_and_takes_the_rest_from_its_original():
    heap = Mapping(0x1000, 0x3000, "rw-p", 0, "[heap]", 4096, 2048, 0)
    file = Mapping(0x9000, 0xA000, "r-xp", 0, "/lib/libx.so", 0, 0, 0)
    before = [
        replace(heap, rss=8192, pss=8192, private_dirty=8192),
        replace(file, rss=4096, pss=100, private_dirty=0),
    ]
    completed = with_sizes([heap, file], before, is_anonymous)
    assert [(mapping.rss, mapping.private_dirty) for mapping in completed] == [
        (4096, 8192),
        (4096, 0),
    ]
