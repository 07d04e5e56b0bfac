"""Pools of pymalloc are found by their headers, and sorted into arenas."""

from __future__ import annotations

import numpy as np
import pytest

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.regions.page_scan import PageScan
from heapgraph.capture.regions.pools import PoolSizes
from heapgraph.model import RegionKind
from helpers.built_pages import BuiltPages

POOL = 1 << 14
ARENA = 1 << 20
OLD, NEW = (3, 9), (3, 13)


def scanned(pages: BuiltPages, version: tuple[int, int] = NEW) -> PageScan:
    scan = PageScan(pages.reads, layout_for(version))
    scan.look_at(pages.pages, pages.end)
    return scan


def places(pages: BuiltPages, addresses: np.ndarray) -> list[int]:
    return (addresses.astype(np.int64) - pages.start).tolist()


def test_pools_are_found_with_their_blocks():
    pages = BuiltPages(ARENA)
    pages.pool(0, 64, 200)
    pages.pool(2 * POOL, 512, 0)
    pools = scanned(pages).pools()
    assert places(pages, pools.starts) == [0, 2 * POOL]
    assert pools.block_sizes.tolist() == [64, 512]
    assert pools.in_use.tolist() == [64 * 200, 0]


def test_before_3_10_a_pool_is_a_page():
    pages = BuiltPages(1 << 18)
    pages.pool(4096, 32, 5, size=4096)
    pools = scanned(pages, OLD).pools()
    assert places(pages, pools.starts) == [4096]
    assert pools.sizes == PoolSizes(4096, 1 << 18)
    assert len(scanned(pages, NEW).pools().starts) == 0


@pytest.mark.parametrize(
    ("place", "word"),
    [
        (0, 256),  # more blocks in use than fit: 255 of 64 bytes
        (8, 0x1234),  # the first free block is elsewhere
        (32, 32 << 32),  # blocks of 528 bytes
        (40, (48 + 63) | (POOL - 64) << 32),  # the next block begins inside another
        (40, (48 + 64 * 255) | (POOL - 48) << 32),  # the last block does not end with the pool
        (40, 0),
    ],
)
def test_a_header_that_contradicts_itself_is_no_pool(place, word):
    pages = BuiltPages(ARENA)
    pages.pool(0, 64, 200)
    pages.put(place, word)
    assert len(scanned(pages).pools().starts) == 0


def test_a_pool_begins_where_pools_begin():
    pages = BuiltPages(ARENA)
    pages.pool(4096, 64, 1)
    assert len(scanned(pages).pools().starts) == 0


def test_arenas_are_told_apart_by_index_and_distance():
    """Two arenas side by side; a third has the index of the second, in another interpreter."""
    pages = BuiltPages(3 * ARENA)
    for place, arena in ((0, 4), (POOL, 4), (ARENA, 5), (2 * ARENA - POOL, 5), (2 * ARENA, 5)):
        pages.pool(place, 32, 1, arena=arena)
    pools = scanned(pages).pools()
    assert pools.arenas.tolist() == [0, 0, 1, 1, 2]
    assert places(pages, pools.arena_starts) == [0, ARENA, 2 * ARENA]


def test_an_arena_ends_before_what_may_be_somebody_elses():
    """The last place of a pool belongs to the arena only when a pool is there."""
    pages = BuiltPages(2 * ARENA)
    pages.pool(0, 32, 1, arena=0)
    pages.pool(ARENA, 32, 1, arena=1)
    pages.pool(2 * ARENA - POOL, 32, 1, arena=1)
    assert places(pages, scanned(pages).pools().arena_ends) == [ARENA - POOL, 2 * ARENA]


def test_large_blocks_are_found_one_behind_the_other():
    pages = BuiltPages(4 * ARENA)
    pages.put(0, 0, ARENA | 2)
    pages.put(ARENA, 0, 2 * ARENA | 2)
    pages.put(ARENA + 4096, 0, 1 << 18 | 2)  # inside a block: data that looks like a header
    blocks = scanned(pages).blocks
    assert blocks == [
        (pages.start, pages.start + ARENA, RegionKind.CHUNK),
        (pages.start + ARENA, pages.start + 3 * ARENA, RegionKind.CHUNK),
    ]


@pytest.mark.parametrize(
    "words",
    [
        (0, 1 << 19 | 3),  # another flag
        (8, 1 << 19 | 2),  # something in front
        (0, 1 << 17 | 2),  # too small to get a mapping
        (0, 5 * ARENA | 2),  # longer than the memory
        (0, (1 << 19) + 16 | 2),  # not whole pages
    ],
)
def test_what_cannot_be_a_large_block_is_none(words):
    pages = BuiltPages(2 * ARENA)
    pages.put(8192, *words)
    assert scanned(pages).blocks == []


def test_data_in_a_pool_is_no_block():
    pages = BuiltPages(ARENA)
    pages.pool(0, 512, 31)
    pages.put(8192, 0, 1 << 18 | 2)
    scan = scanned(pages)
    assert scan.blocks == []
    assert len(scan.pools().starts) == 1


def test_stacks_of_frames_are_known_since_3_11():
    pages = BuiltPages(ARENA)
    pages.put(1 << 15, 0, POOL, 12)
    assert [kind for _, _, kind in scanned(pages).blocks] == [RegionKind.FRAMES]
    assert scanned(pages, (3, 10)).blocks == []


def test_a_pool_by_chance_does_not_make_arenas_overlap():
    """Data that looks like a pool of another arena splits one in two parts, side by side."""
    pages = BuiltPages(ARENA)
    for place, arena in ((0, 7), (8 * POOL, 9), (16 * POOL, 7)):
        pages.pool(place, 32, 1, arena=arena)
    pools = scanned(pages).pools()
    assert places(pages, pools.arena_starts) == [0, 8 * POOL, 16 * POOL]
    assert places(pages, pools.arena_ends)[:2] == [8 * POOL, 16 * POOL]
