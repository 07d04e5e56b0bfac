"""Memory in pieces of files: read in Python and by the walker, the same bytes."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.process.page_ranges import without
from heapgraph.capture.process.pieces import CoreMemory
from heapgraph.errors import CaptureInterrupted
from heapgraph.native.file_pieces import FilePiece
from heapgraph.native.heap_walker import HeapWalker
from heapgraph.native.memory_reads import MemoryReads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 4096
BASE = 0x7F00_0000_0000
END = BASE + 8 * PAGE
CONTENT = bytes(range(1, 251)) * 100


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    opened = os.open(path, os.O_RDWR)
    yield opened
    os.close(opened)


def pieces_of(descriptor: int) -> list[FilePiece]:
    """Two pages of the file, one with zeros at its end, a hole of two, a page of zeros, a page."""
    return [
        FilePiece(BASE, 2 * PAGE, descriptor, 100, 2 * PAGE),
        FilePiece(BASE + 2 * PAGE, PAGE, descriptor, 9000, 1000),
        FilePiece(BASE + 5 * PAGE, PAGE, descriptor, 0, 0),
        FilePiece(BASE + 6 * PAGE, PAGE, descriptor, 7, PAGE),
    ]


def expected() -> bytes:
    """The eight pages, None-bytes where there is no memory."""
    return b"".join(
        (
            CONTENT[100 : 100 + 2 * PAGE],
            CONTENT[9000:10000].ljust(PAGE, b"\0"),
            bytes(2 * PAGE),
            bytes(PAGE),
            CONTENT[7 : 7 + PAGE],
            bytes(PAGE),
        )
    )


def walker_of(pieces: list[FilePiece]) -> HeapWalker:
    return HeapWalker(pieces, [(BASE, END)], layout_for((3, 11)).fields)


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        (0, 1),
        (0, 3 * PAGE),
        (PAGE - 3, 8),
        (2 * PAGE - 1, 2),
        (2 * PAGE + 990, 20),
        (3 * PAGE - 1, 1),
        (5 * PAGE, 2 * PAGE),
        (6 * PAGE - 8, 16),
        (7 * PAGE - 8, 8),
    ],
)
def test_bytes_across_pieces_and_behind_what_a_file_has(
    descriptor: int, offset: int, size: int
) -> None:
    wanted = expected()[offset : offset + size]
    with closing(CoreMemory(pieces_of(descriptor))) as memory:
        assert memory.read(BASE + offset, size) == wanted
    reads = MemoryReads(walker_of(pieces_of(descriptor)))
    assert reads.gather([BASE + offset], size).tobytes() == wanted


@pytest.mark.parametrize("offset", [-1, 3 * PAGE - 1, 3 * PAGE, 5 * PAGE - 1, 7 * PAGE - 1])
def test_what_no_piece_has_cannot_be_read(descriptor: int, offset: int) -> None:
    with closing(CoreMemory(pieces_of(descriptor))) as memory, pytest.raises(UnreadableMemory):
        memory.read(BASE + offset, 2)
    reads = MemoryReads(walker_of(pieces_of(descriptor)))
    assert reads.gather([BASE + offset], 2).tobytes() == bytes(2)


def test_the_walker_copies_blocks_with_holes(descriptor: int) -> None:
    walker = walker_of(pieces_of(descriptor))
    assert not walker.load(BASE, END)
    reads = MemoryReads(walker)
    assert reads.gather([BASE], 8 * PAGE).tobytes() == expected()


def test_a_file_that_became_shorter_is_unreadable_there(descriptor: int) -> None:
    os.ftruncate(descriptor, 100 + PAGE)
    with closing(CoreMemory(pieces_of(descriptor))) as memory:
        assert memory.read(BASE, PAGE) == CONTENT[100 : 100 + PAGE]
        with pytest.raises(UnreadableMemory):
            memory.read(BASE + PAGE, 1)
    walker = walker_of(pieces_of(descriptor))
    assert not walker.load(BASE, BASE + 2 * PAGE)
    found = MemoryReads(walker).gather([BASE], 2 * PAGE).tobytes()
    assert found == CONTENT[100 : 100 + PAGE] + bytes(PAGE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": BASE + PAGE},
        {"in_file": 2 * PAGE + 1},
        {"size": 1 << 47},
        {"offset": 1 << 63},
        {"descriptor": 1 << 40},
    ],
)
def test_pieces_that_make_no_sense_are_refused(descriptor: int, wrong: dict[str, int]) -> None:
    first, second, *rest = pieces_of(descriptor)
    fields = {**vars(second), **wrong}
    with pytest.raises(CaptureInterrupted):
        walker_of([first, FilePiece(**fields), *rest])


def test_no_pieces_at_all() -> None:
    assert not walker_of([]).load(BASE, END)
    with closing(CoreMemory([])) as memory, pytest.raises(UnreadableMemory):
        memory.u64(BASE)


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ([], [(10, 20)]),
        ([(0, 10), (20, 30)], [(10, 20)]),
        ([(5, 12), (14, 15), (19, 40)], [(12, 14), (15, 19)]),
        ([(0, 40)], []),
        ([(10, 20)], []),
        ([(11, 12), (13, 20)], [(10, 11), (12, 13)]),
    ],
)
def test_parts_of_a_range_that_are_not_taken(
    taken: list[tuple[int, int]], left: list[tuple[int, int]]
) -> None:
    assert without(10, 20, taken) == left


def test_a_random_walk_agrees_with_the_bytes(descriptor: int) -> None:
    chance = np.random.default_rng(5)
    reads = MemoryReads(walker_of(pieces_of(descriptor)))
    places = chance.integers(0, 7 * PAGE - 16, 500)
    found = reads.gather(places.astype(np.uint64) + np.uint64(BASE), 8)
    memory = CoreMemory(pieces_of(descriptor))
    for place, row in zip(places.tolist(), found, strict=True):
        try:
            wanted = memory.read(BASE + place, 8)
        except UnreadableMemory:
            wanted = bytes(8)
        assert row.tobytes() == wanted
