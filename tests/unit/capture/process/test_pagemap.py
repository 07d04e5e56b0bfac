"""Pages that hold something, found by the kernel's search and by reading every entry."""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import closing

import numpy as np
import pytest

from heapgraph.capture.process.maps import Mapping
from heapgraph.capture.process.pagemap import PAGE, PageMap
from heapgraph.capture.process.residency import filled_ranges, read_residency

PAGES = 4096
WRITTEN = [0, 1, 2, 9, 1500, 1501, PAGES - 1]
RANGES = [(0, 3), (9, 10), (1500, 1502), (PAGES - 1, PAGES)]


class Memory:
    """A mapping of which a few pages were written."""

    def __init__(self) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self.memory = mmap.mmap(-1, PAGES * PAGE, flags=flags)
        self.memory.madvise(mmap.MADV_NOHUGEPAGE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.end = self.start + PAGES * PAGE
        for page in WRITTEN:
            self.memory[page * PAGE] = 1

    def mapping(self) -> Mapping:
        return Mapping(self.start, self.end, "rw-p", 0, "", rss=len(WRITTEN) * PAGE)

    def addresses(self, pages: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(self.start + first * PAGE, self.start + end * PAGE) for first, end in pages]


@pytest.fixture(params=["search", "entries"])
def page_map(request, monkeypatch):
    """Both ways; a kernel that has no search takes the second for the first."""

    def refuse(*_):
        raise OSError(25, "Inappropriate ioctl for device")

    if request.param == "entries":
        monkeypatch.setattr("heapgraph.capture.process.pagemap.fcntl.ioctl", refuse)
    with closing(PageMap(os.getpid())) as opened:
        yield opened


@pytest.mark.parametrize("regions_a_scan", [1000, 1 << 14])
def test_no_page_is_told_of_twice(monkeypatch, regions_a_scan):
    """A kernel that is given room for so many regions tells of some behind where it says to be."""
    monkeypatch.setattr("heapgraph.capture.process.pagemap._REGIONS_A_SCAN", regions_a_scan)
    pages = 4000
    with mmap.mmap(-1, 2 * pages * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(pages):
            memory[2 * page * PAGE] = 1
        view = ctypes.c_char.from_buffer(memory)
        start = ctypes.addressof(view)
        del view
        with closing(PageMap(os.getpid())) as opened:
            found = opened.ranges(start, start + 2 * pages * PAGE, swapped=True)
        expected = start + 2 * PAGE * np.arange(pages)
        assert found[:, 0].tolist() == expected.tolist()
        assert found[:, 1].tolist() == (expected + PAGE).tolist()


def test_both_ways_find_the_pages_that_were_written(page_map):
    memory = Memory()
    for swapped in (True, False):
        found = page_map.ranges(memory.start, memory.end, swapped=swapped)
        assert list(map(tuple, found.tolist())) == memory.addresses(RANGES)
    assert page_map.ranges(memory.start, memory.start, swapped=True).tolist() == []
    within = page_map.ranges(memory.start + PAGE, memory.start + 10 * PAGE, swapped=True)
    assert list(map(tuple, within.tolist())) == memory.addresses([(1, 3), (9, 10)])


def test_more_ranges_than_one_answer_holds(page_map, monkeypatch):
    monkeypatch.setattr("heapgraph.capture.process.pagemap._REGIONS_A_SCAN", 1)
    monkeypatch.setattr("heapgraph.capture.process.pagemap._PAGES_A_READ", 2)
    memory = Memory()
    found = page_map.ranges(memory.start, memory.end, swapped=True)
    assert list(map(tuple, found.tolist())) == memory.addresses(RANGES)


def test_the_residency_is_that_of_every_page(page_map):
    del page_map
    memory = Memory()
    residency = read_residency(os.getpid(), [memory.mapping()])
    pages = memory.start + PAGE * np.arange(PAGES)
    resident = residency.resident(pages, pages + PAGE)
    assert np.flatnonzero(resident).tolist() == WRITTEN
    assert set(resident[WRITTEN].tolist()) == {PAGE}
    assert residency.total(memory.start - PAGE, memory.end + PAGE) == len(WRITTEN) * PAGE
    assert residency.total(memory.start + 100, memory.start + 2 * PAGE + 50) == 2 * PAGE - 50
    found = residency.resident_pages(memory.start, memory.end)
    assert ((found.astype(np.int64) - memory.start) // PAGE).tolist() == WRITTEN


def test_nothing_in_memory_is_no_residency():
    memory = Memory()
    empty = Mapping(memory.start + 20 * PAGE, memory.start + 900 * PAGE, "rw-p", 0, "")
    residency = read_residency(os.getpid(), [empty])
    assert residency.is_measured
    assert residency.total(memory.start, memory.end) == 0
    assert filled_ranges(os.getpid(), [empty]) == []
