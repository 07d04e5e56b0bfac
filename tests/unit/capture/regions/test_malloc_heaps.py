"""The heaps of glibc's malloc: chunks that are in use, free ones, and the free end."""

from __future__ import annotations

import numpy as np
import pytest

from heapgraph.capture.regions.malloc_heaps import (
    HEAP_ALIGNMENT,
    find_heaps,
    mapped_sizes,
    read_heap,
)
from helpers.built_pages import BuiltPages

PAGE = 4096
HEADER, MAPPED = 16, 2
INFO, STATE = 48, 0x8A0  # heap_info since glibc 2.35; malloc_state, rounded up


def test_chunks_add_up_and_the_end_is_free():
    """4 KiB used, 8 KiB free, 4 KiB used, 48 KiB at the end."""
    pages = BuiltPages(16 * PAGE)
    pages.chunk(0, PAGE)
    pages.chunk(PAGE, 2 * PAGE, free=True)
    pages.chunk(3 * PAGE, PAGE, before_free=2 * PAGE)
    pages.chunk(4 * PAGE, 12 * PAGE)
    heap = read_heap(pages.reads, pages.residency, pages.start, pages.end, pages.start)
    assert heap is not None
    assert (heap.blocks, heap.in_use) == (2, 2 * PAGE + 16 + 16)
    assert heap.free == 2 * PAGE - 16


def test_pages_given_back_inside_a_free_chunk_are_not_counted():
    pages = BuiltPages(16 * PAGE, absent=(3, 4, 5))
    pages.chunk(0, PAGE)
    pages.chunk(PAGE, 7 * PAGE, free=True)
    pages.chunk(8 * PAGE, PAGE, before_free=7 * PAGE)
    pages.chunk(9 * PAGE, 7 * PAGE)
    heap = read_heap(pages.reads, pages.residency, pages.start, pages.end, pages.start)
    assert heap is not None
    assert heap.free == 4 * PAGE - 16


def test_the_heap_of_another_allocator_is_none():
    pages = BuiltPages(4 * PAGE)
    pages.chunk(0, PAGE)
    pages.put(PAGE, 1, 2, 3)
    assert read_heap(pages.reads, pages.residency, pages.start, pages.end, pages.start) is None


def test_the_heap_of_a_threads_arena_is_found():
    pages = BuiltPages(16 * PAGE, alignment=HEAP_ALIGNMENT)
    first = INFO + STATE
    pages.put(0, pages.start + INFO, 0, 16 * PAGE, 16 * PAGE)
    pages.chunk(first, 2 * PAGE)
    pages.chunk(first + 2 * PAGE, 14 * PAGE - first)
    (heap,) = find_heaps(pages.reads, pages.residency, pages.start, pages.end)
    assert (heap.start, heap.end, heap.blocks) == (pages.start, pages.end, 1)


def test_a_further_heap_of_an_arena_is_found():
    """Its head names the first heap's arena, and its chunks follow at once."""
    pages = BuiltPages(16 * PAGE, alignment=HEAP_ALIGNMENT)
    home = pages.start - HEAP_ALIGNMENT
    pages.put(0, home + INFO, home, 8 * PAGE, 16 * PAGE)
    pages.chunk(INFO, PAGE)
    pages.chunk(INFO + PAGE, 7 * PAGE - INFO)
    (heap,) = find_heaps(pages.reads, pages.residency, pages.start, pages.end)
    assert (heap.end - heap.start, heap.blocks) == (8 * PAGE, 1)


def test_aligned_memory_that_is_no_heap_is_left_alone():
    pages = BuiltPages(16 * PAGE, alignment=HEAP_ALIGNMENT)
    pages.put(0, 5, 0, 8 * PAGE, 8 * PAGE)
    assert list(find_heaps(pages.reads, pages.residency, pages.start, pages.end)) == []


@pytest.mark.parametrize("beside", [0, HEADER])
def test_blocks_with_a_mapping_of_their_own(beside: int) -> None:
    """Given sizes of whole pages, or since glibc 2.43 of all behind the header, and others."""
    mapping = 256 << 10
    places = np.arange(4, dtype=np.uint64) * np.uint64(mapping)
    heads = np.array(
        [[0, mapping - beside | MAPPED], [0, mapping - 32 | MAPPED], [8, mapping | MAPPED], [0, 1]],
        np.uint64,
    )
    assert mapped_sizes(places, heads, 4 * mapping).tolist() == [mapping, 0, 0, 0]
