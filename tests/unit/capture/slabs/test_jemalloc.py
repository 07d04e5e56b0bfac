"""The blocks of a jemalloc are found by what its tree and its extents say of each other."""

from __future__ import annotations

import numpy as np
import pytest

from heapgraph.capture.process.libraries import LibraryData
from heapgraph.capture.slabs import jemalloc_tree
from heapgraph.capture.slabs.jemalloc import find_jemalloc
from heapgraph.capture.slabs.private_memory import PrivateMemory
from heapgraph.capture.slabs.slabs import Slabs, blocks_in_use
from helpers.built_pages import BuiltPages

PAGE = 4096
MIB = 1 << 20
SIZE = 16 * MIB
ROOT = 128
DATA_SIZE = 2 * MIB + PAGE
HEAP, LEAF, RECORDS, EXTENTS = 4 * MIB, 4 * MIB + 64, 7 * MIB, 8 * MIB
ACTIVE, DIRTY, NO_CLASS = 0, 1, 232
OF_64, OF_16_KIB, OF_32_KIB, OF_64_KIB = 4, 36, 40, 44  # size classes


class Jemalloc:
    """A tree of one leaf, and extents that are added to it."""

    def __init__(self) -> None:
        self.pages = BuiltPages(SIZE, alignment=SIZE)
        self.extents = 0
        key = self.pages.start >> 30
        self.pages.put(ROOT + 8 * key, self.pages.start + LEAF)

    def extent(
        self,
        place: int,
        size: int,
        index: int,
        *,
        free: int | None = None,
        state: int = ACTIVE,
        inside: int = 0,
        free_count: int | None = None,
    ) -> int:
        """Add one; `free`: bits of the free blocks of a slab. Returns the place of its record."""
        record = RECORDS + 128 * self.extents
        self.extents += 1
        bits = 1 << 13 | (free is not None) << 12 | state << 17 | index << 20
        bits |= ((free or 0).bit_count() if free_count is None else free_count) << 28
        address = self.pages.start + place
        self.pages.put(record, bits, address + inside, size | 5)
        self.pages.put(record + 64, *((free or 0) >> shift & 2**64 - 1 for shift in (0, 64, 128)))
        element = self.pages.start + record | index << 48 | state << 2 | (free is not None)
        steps = range(0, size, PAGE) if free is not None else (0, size - PAGE)
        for step in steps:
            self.pages.put(LEAF + 8 * ((address + step >> 12) & 0x3FFFF), element)
        return record

    def some(self) -> None:
        """Add three slabs, two large blocks, and memory that waits."""
        self.extent(EXTENTS, PAGE, OF_64, free=2**64 - 1 & ~0b101)
        self.extent(EXTENTS + PAGE, PAGE, OF_64, free=0)
        self.extent(EXTENTS + 2 * PAGE, 3 * PAGE, 7, free=1 << 100)  # 112 bytes
        self.extent(EXTENTS + MIB, 5 * PAGE, OF_16_KIB, inside=192)
        self.extent(EXTENTS + MIB + 5 * PAGE, 15 * PAGE, OF_64_KIB)  # rounded up to pages only
        self.extent(EXTENTS + MIB + 20 * PAGE, 8 * PAGE, NO_CLASS, state=DIRTY)

    def memory(self) -> PrivateMemory:
        start = self.pages.start
        gaps = [(start + HEAP, start + SIZE)]
        return PrivateMemory(self.pages.reads, self.pages.residency, gaps)

    def found(self, data_size: int = DATA_SIZE) -> list[Slabs]:
        data = LibraryData(self.pages.start, data_size, "libjemalloc.so.2", self.pages.start)
        return find_jemalloc(self.memory(), [data])


def test_slabs_and_large_blocks_are_found() -> None:
    """Each block has its size; those of slabs are in use where their bit is not set."""
    made = Jemalloc()
    made.some()
    (slabs,) = made.found()
    begin = made.pages.start + EXTENTS
    assert slabs.names == ("libjemalloc.so.2",)
    assert (slabs.starts - np.uint64(begin)).tolist() == [
        *(0, PAGE, 2 * PAGE),
        *(MIB + 192, MIB + 5 * PAGE),
    ]
    assert slabs.sizes.tolist() == [64, 64, 112, 16 << 10, 15 * PAGE]
    assert slabs.counts.tolist() == [64, 64, 109, 1, 1]
    assert slabs.used.tolist() == [2, 64, 108, 1, 1]
    assert slabs.words[0] == 0b101
    assert (slabs.ranges - begin).tolist() == [[0, 5 * PAGE], [MIB, MIB + 28 * PAGE]]
    in_use = blocks_in_use(slabs, made.pages.residency)
    assert in_use == [(66 * 64 + 108 * 112, 174), ((16 << 10) + 15 * PAGE, 2)]


def test_an_extent_that_contradicts_its_bits_refuses_all() -> None:
    """A slab whose count of free blocks is not that of its bits is of another version."""
    made = Jemalloc()
    made.some()
    made.extent(EXTENTS + 2 * MIB, PAGE, OF_64, free=1, free_count=7)
    assert made.found() == []


def test_extents_that_overlap_refuse_all() -> None:
    """Two large blocks cannot have one page."""
    made = Jemalloc()
    made.some()
    made.extent(EXTENTS + 2 * MIB, 9 * PAGE, OF_32_KIB)
    made.extent(EXTENTS + 2 * MIB + 4 * PAGE, 9 * PAGE, OF_32_KIB)
    assert made.found() == []


@pytest.mark.parametrize("where", [-8, 8 * (1 << 17), 8 * ((1 << 18) - 1)])
def test_a_root_has_nothing_where_no_address_leads(where: int) -> None:
    """A word in the upper half of what may be the root says that it is none."""
    made = Jemalloc()
    made.some()
    made.pages.put(ROOT + where, 1)
    assert len(made.found()) == (where < 0)


def test_a_library_with_few_variables_has_no_tree() -> None:
    """What has no room for a root is not looked at."""
    made = Jemalloc()
    made.some()
    assert made.found(data_size=1 * MIB) == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_memory_holds_blocks_lie_in_it(seed: int) -> None:
    """Given records and leaves of random words, then no block is outside of the memory."""
    random = np.random.default_rng(seed)
    made = Jemalloc()
    made.some()
    for _ in range(1 + seed % 4):
        record = RECORDS + 128 * int(random.integers(6)) + 8 * int(random.integers(16))
        made.pages.put(record, int(random.integers(2**63)))
        made.pages.put(LEAF + 8 * int(random.integers(1 << 18)), int(random.integers(2**63)))
    for slabs in made.found():
        ends = slabs.starts + slabs.sizes * slabs.counts
        assert made.memory().has(slabs.starts).all()
        assert made.memory().has(ends - np.uint64(1)).all()
        assert len(slabs.words) == sum(-(-count // 64) for count in slabs.counts.tolist())


def test_more_extents_than_there_is_memory_for_are_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given a limit below what there is, then the allocator stays unknown."""
    made = Jemalloc()
    made.some()
    monkeypatch.setattr(jemalloc_tree, "MOST_EXTENTS", 5)
    assert made.found() == []
