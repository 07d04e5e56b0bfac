"""Entries of pagemap: whose a page is, and where it was written to, on pages of this process."""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import closing

import numpy as np
import pytest

from heapgraph.capture.live.written_pages import (
    PAGE_TABLE_BYTES,
    WrittenPages,
    ZeroPages,
    first_pages,
    has_soft_dirty,
)
from heapgraph.capture.process.page_ranges import as_ranges
from heapgraph.capture.process.pagemap import PAGE
from helpers.soft_dirty import needs_soft_dirty

PRESENT, SWAPPED, OF_FILE, WRITTEN = 1 << 63, 1 << 62, 1 << 61, 1 << 55
FRAME = 0x12345
PAGES = 64


@pytest.fixture(params=["search", "entries"])
def pages(request, monkeypatch):
    if request.param == "entries":
        monkeypatch.setattr(WrittenPages, "_tries_search", lambda _: False)
    with closing(WrittenPages(os.getpid())) as opened:
        yield opened


class Memory:
    """Pages of which some are filled, some were only read and the others never touched."""

    def __init__(self):
        self.memory = mmap.mmap(-1, PAGES * PAGE, mmap.MAP_PRIVATE)
        self.memory.madvise(mmap.MADV_NOHUGEPAGE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        for page in (3, 4, 9):
            self.memory[page * PAGE] = 1
        assert self.memory[5 * PAGE] + self.memory[20 * PAGE] == 0

    def ranges(self, *rows):
        return as_ranges((self.start + a * PAGE, self.start + b * PAGE) for a, b in rows)


def test_entries_of_a_process_s_own_pages():
    with closing(ZeroPages()) as zeros:
        entries = [
            (0, False),
            (PRESENT | FRAME, True),
            (PRESENT | FRAME | OF_FILE, False),
            (SWAPPED | 5 << 5, True),
            (PRESENT | int(zeros.small), False),
            (PRESENT | int(zeros.huge), False),
            (SWAPPED | int(zeros.small), True),
            (WRITTEN, False),
        ]
        words = np.array([entry for entry, _ in entries], np.uint64)
        assert zeros.are_own(words, of_files=True).tolist() == [own for _, own in entries]
        assert zeros.are_own(words, of_files=False)[2]
        assert zeros.huge_end > zeros.huge


def test_both_ways_find_what_was_filled_and_not_what_was_only_read(pages):
    memory = Memory()
    own, written = pages.look(memory.ranges((0, PAGES)), of_files=False)
    assert own.tolist() == memory.ranges((3, 5), (9, 10)).tolist()
    if not has_soft_dirty():
        assert len(written) == 0


def test_a_range_read_in_several_pieces_is_found_whole(pages, monkeypatch):
    monkeypatch.setattr("heapgraph.capture.live.written_pages._READ_AT_ONCE", PAGE)
    memory = Memory()
    own, _ = pages.look(memory.ranges((0, 10), (12, PAGES)), of_files=False)
    assert own.tolist() == memory.ranges((3, 5), (9, 10)).tolist()


def test_a_frame_stays_the_same_while_the_content_is_where_it_was(pages):
    memory = Memory()
    places = np.array([memory.start + page * PAGE for page in (3, 4, 9, 30)], np.int64)
    before = pages.frames(places)
    assert before[3] == 0
    assert len(set(before.tolist())) == 4
    memory.memory[3 * PAGE + 1] = 9
    memory.memory.madvise(mmap.MADV_DONTNEED, 9 * PAGE, PAGE)
    after = pages.frames(places)
    assert (before == after).tolist() == [True, True, False, True]


@needs_soft_dirty
def test_pages_written_after_the_clearing_are_found(pages):
    memory = Memory()
    pages.clear()
    memory.memory[4 * PAGE] = 2
    memory.memory[40 * PAGE] = 2
    own, written = pages.look(memory.ranges((0, PAGES)), of_files=False)
    assert own.tolist() == memory.ranges((3, 5), (9, 10), (40, 41)).tolist()
    assert written.tolist() == memory.ranges((4, 5), (40, 41)).tolist()


def test_the_first_page_under_each_page_table():
    table = PAGE_TABLE_BYTES // PAGE
    own = as_ranges(
        (first * PAGE, end * PAGE)
        for first, end in (
            (5, 6),
            (8, table + 1),
            (table + 9, table + 10),
            (4 * table - 1, 6 * table),
        )
    )
    expected = [5, table, 4 * table - 1, 4 * table, 5 * table]
    assert (first_pages(own) // PAGE).tolist() == expected
    assert len(first_pages(own[:0])) == 0
