"""Memory that malloc does not know of is its library's whose data lead there."""

from __future__ import annotations

import pytest

from heapgraph.capture.process.libraries import LibraryData
from heapgraph.capture.regions.allocators import LEAST_BYTES, name_allocators
from helpers.built_pages import BuiltPages

MIB = 1 << 20
DATA, FIRST, SECOND, NOBODYS = 0, 1 * MIB, 4 * MIB, 8 * MIB


def pages_with(*pointers: tuple[int, int]) -> tuple[BuiltPages, list[tuple[int, int]]]:
    """Data, then three mappings; (where, to) of the pointers, by places from the start."""
    pages = BuiltPages(10 * MIB)
    for where, to in pointers:
        pages.put(where, pages.start + to)
    gaps = [(FIRST, 3 * MIB), (SECOND, 7 * MIB), (NOBODYS, 10 * MIB)]
    return pages, [(pages.start + start, pages.start + end) for start, end in gaps]


def named(pages: BuiltPages, gaps: list[tuple[int, int]], library: str) -> dict:
    data = LibraryData(pages.start + DATA, MIB, library, pages.start)
    return name_allocators(pages.reads, pages.residency, gaps, [data])


def test_a_mapping_is_reached_at_once_or_over_another():
    pages, gaps = pages_with(
        (DATA + 64, FIRST), (DATA + 72, FIRST + 4096), (FIRST + 8, SECOND), (FIRST + 16, SECOND + 8)
    )
    assert named(pages, gaps, "libjemalloc.so.2") == {"libjemalloc.so.2": (5 * MIB, 2)}


def test_one_word_may_be_a_number():
    pages, gaps = pages_with((DATA + 64, FIRST))
    assert named(pages, gaps, "libmimalloc.so.2.0") == {}


@pytest.mark.parametrize("library", ["libc.so.6", "libpython3.12.so.1.0", "mylibarrow.so"])
def test_who_only_uses_such_memory_does_not_have_it(library):
    pages, gaps = pages_with((DATA + 64, FIRST), (DATA + 72, FIRST + 4096))
    assert named(pages, gaps, library) == {}


def test_little_memory_is_not_asked_about():
    pages = BuiltPages(2 * MIB)
    pages.put(0, pages.start + MIB)
    pages.put(8, pages.start + MIB)
    gap = (pages.start + MIB, pages.start + MIB + LEAST_BYTES - 4096)
    assert named(pages, [gap], "libjemalloc.so.2") == {}
