"""Which ranges of which files become the memory of a twin."""

from __future__ import annotations

import mmap
import os
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.live import twin_memory
from heapgraph.capture.live.freeze_helper import HelperFailure
from heapgraph.capture.live.twin_memory import PageCopies, TwinRange, twin_ranges
from heapgraph.capture.process.maps import Mapping
from heapgraph.machine_memory import GroupMemory
from heapgraph.native.file_pieces import FilePiece

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = mmap.PAGESIZE
START = 16 * PAGE
R, W, X = mmap.PROT_READ, mmap.PROT_WRITE, mmap.PROT_EXEC


@pytest.fixture(name="copies")
def copies_of_pages() -> Iterator[PageCopies]:
    copies = PageCopies()
    yield copies
    copies.close()


@pytest.fixture(name="file")
def file_of_pages() -> Iterator[int]:
    """A file of eight pages; every byte of a page is its number, from 1 on."""
    descriptor = os.memfd_create("test")
    os.pwrite(descriptor, b"".join(bytes([number]) * PAGE for number in range(1, 9)), 0)
    yield descriptor
    os.close(descriptor)


def mapping(pages: int, size: int, permissions: str = "rw-p") -> Mapping:
    return Mapping(START + pages * PAGE, START + (pages + size) * PAGE, permissions, 0, "")


def piece(file: int, pages: int, size: int, offset: int, in_file: int | None = None) -> FilePiece:
    stored = size * PAGE if in_file is None else in_file
    return FilePiece(START + pages * PAGE, size * PAGE, file, offset, stored)


def test_permissions_are_those_of_the_mappings(file, copies):
    """Given one piece over mappings and gaps, each mapping has its own range."""
    maps = [mapping(0, 1, "r-xp"), mapping(1, 1, "---p"), mapping(2, 1, "rw-p"), mapping(4, 4)]
    assert twin_ranges([piece(file, 0, 6, 0)], maps, copies) == [
        TwinRange(START, PAGE, file, 0, PAGE, R | X),
        TwinRange(START + 2 * PAGE, PAGE, file, 2 * PAGE, PAGE, R | W),
        TwinRange(START + 4 * PAGE, 2 * PAGE, file, 4 * PAGE, 2 * PAGE, R | W),
    ]


def test_neighbours_are_joined(file, copies):
    """Given many pieces side by side, few ranges are left; not where the file goes on elsewhere."""
    pieces = [piece(file, page, 1, page * PAGE) for page in range(4)]
    pieces += [piece(file, 4, 1, 0), piece(file, 5, 1, 0, 0), piece(file, 6, 1, 0, 0)]
    assert twin_ranges(pieces, [mapping(0, 8)], copies) == [
        TwinRange(START, 4 * PAGE, file, 0, 4 * PAGE, R | W),
        TwinRange(START + 4 * PAGE, 3 * PAGE, file, 0, PAGE, R | W),
    ]


def test_what_does_not_begin_at_a_page_is_copied(file, copies):
    """Given a segment at an odd place of its file, as gcore writes, a copy of it is mapped."""
    (found,) = twin_ranges([piece(file, 0, 3, 100, 2 * PAGE + 8)], [mapping(0, 4)], copies)
    assert (found.descriptor, found.size, found.in_file) == (copies.descriptor, 3 * PAGE, 3 * PAGE)
    content = os.pread(copies.descriptor, 3 * PAGE, found.offset)
    assert content == os.pread(file, 2 * PAGE + 8, 100).ljust(3 * PAGE, b"\0")


def test_only_the_last_page_is_copied_when_it_is_not_whole(file, copies):
    """Given bytes that end in a page, what is behind them in the file does not show up."""
    head, tail = twin_ranges([piece(file, 0, 4, PAGE, PAGE + 8)], [mapping(0, 4)], copies)
    assert head == TwinRange(START, PAGE, file, PAGE, PAGE, R | W)
    assert (tail.start, tail.size, tail.in_file) == (START + PAGE, 3 * PAGE, PAGE)
    assert os.pread(tail.descriptor, PAGE, tail.offset) == (b"\3" * 8).ljust(PAGE, b"\0")


def test_the_end_of_a_file_needs_no_copy(file, copies):
    """Given a binary whose last page is not whole, the kernel itself puts zeros behind it."""
    os.ftruncate(file, PAGE + 8)
    (found,) = twin_ranges([piece(file, 0, 2, 0, PAGE + 8)], [mapping(0, 2)], copies)
    assert found == TwinRange(START, 2 * PAGE, file, 0, 2 * PAGE, R | W)


def test_code_on_a_file_system_without_programs_is_copied(file, copies, monkeypatch):
    """Given a core on a file system mounted with noexec, code in it is mapped from a copy."""
    monkeypatch.setattr(os, "fstatvfs", lambda _file: SimpleNamespace(f_flag=os.ST_NOEXEC))
    maps = [mapping(0, 1, "r-xp"), mapping(1, 1, "rw-p")]
    code, data = twin_ranges([piece(file, 0, 2, 0)], maps, copies)
    assert (code.descriptor, data.descriptor) == (copies.descriptor, file)
    assert os.pread(code.descriptor, PAGE, code.offset) == b"\1" * PAGE


def test_holes_are_not_copied(copies):
    """Given a sparse file, its copy takes no more memory than it."""
    sparse = os.memfd_create("sparse")
    os.ftruncate(sparse, 1 << 40)
    os.pwrite(sparse, b"data", 1 << 39)
    size = (1 << 40) - 2 * PAGE
    twin_ranges(
        [FilePiece(START, size, sparse, 8, size)], [Mapping(START, 1 << 46, "rw-p", 0, "")], copies
    )
    assert os.fstat(copies.descriptor).st_size == size
    assert os.fstat(copies.descriptor).st_blocks * 512 < 1 << 22
    os.close(sparse)


def test_a_copy_that_does_not_fit(file, monkeypatch):
    """Given less free memory than a copy needs, there is none."""
    monkeypatch.setattr(twin_memory, "free_memory", lambda: 2 * PAGE)
    small = PageCopies()
    with pytest.raises(HelperFailure, match="free memory") as caught:
        twin_ranges([piece(file, 0, 4, 8)], [mapping(0, 4)], small)
    assert caught.value.code == "twin"
    small.close()


def test_places_that_only_a_hostile_core_has(file, copies):
    """Given pieces and mappings that begin or overlap in the middle of a page, ranges do not."""
    pieces = [
        FilePiece(START, PAGE + 8, file, 0, PAGE + 8),
        FilePiece(START + PAGE + 16, PAGE, file, 0, PAGE),
        FilePiece(START + 3 * PAGE, PAGE, file, 0, PAGE),
    ]
    maps = [
        Mapping(START, START + PAGE + 8, "rw-p", 0, ""),
        Mapping(START + PAGE + 8, START + 8 * PAGE, "rw-p", 0, ""),
    ]
    found = twin_ranges(pieces, maps, copies)
    assert found
    assert all(item.start % PAGE == item.size % PAGE == item.in_file % PAGE == 0 for item in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_the_own_group_counts(monkeypatch):
    """Given a control group with less room than the machine, that is what is free."""
    sizes = ((1000, 900, 50), (5000, 0, 0))
    groups = [GroupMemory(Path("/"), 2, *each) for each in sizes]
    monkeypatch.setattr(twin_memory, "group_memory", lambda _file: groups)
    assert twin_memory.free_memory() == 150
