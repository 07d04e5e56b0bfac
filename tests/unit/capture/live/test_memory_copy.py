"""A copy of memory: every byte at its place, whatever the order in which places were given."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.capture.live.memory_copy import MemoryCopy
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.process.pieces import CoreMemory
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = mmap.PAGESIZE
PAGES = 64


@pytest.fixture
def area() -> Iterator[tuple[mmap.mmap, int]]:
    """Pages of this process with random content, and their address."""
    with mmap.mmap(-1, PAGES * PAGE) as memory:
        memory.write(random.Random(1).randbytes(PAGES * PAGE))
        anchor = ctypes.c_char.from_buffer(memory)
        try:
            yield memory, ctypes.addressof(anchor)
        finally:
            del anchor


@pytest.fixture
def own_memory() -> Iterator[int]:
    descriptor = os.open("/proc/self/mem", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_ranges_in_any_order_are_copied_to_the_byte(
    area: tuple[mmap.mmap, int], own_memory: int
) -> None:
    memory, start = area
    chooser = random.Random(2)
    for _ in range(50):
        firsts = [chooser.randrange(PAGES) for _ in range(6)]
        ranges = [
            (start + first * PAGE, start + chooser.randrange(first, PAGES) * PAGE + PAGE)
            for first in firsts
        ]
        with MemoryCopy(ranges[:3]) as copy:
            copy.take(own_memory, ranges[:3])
            copy.add(ranges[3:])
            assert copy.take(own_memory, ranges[3:]) == sum(end - at for at, end in ranges[3:])
            covered = sorted({page for at, end in ranges for page in range(at, end, PAGE)})
            assert copy.size == len(covered) * PAGE
            with CoreMemory(copy.pieces()) as reader:
                for page in covered:
                    assert reader.read(page, PAGE) == memory[page - start : page - start + PAGE]


def test_what_is_taken_again_is_new(area: tuple[mmap.mmap, int], own_memory: int) -> None:
    memory, start = area
    whole = [(start, start + PAGES * PAGE)]
    with MemoryCopy(whole) as copy:
        copy.take(own_memory, whole)
        memory[5 * PAGE : 5 * PAGE + 3] = b"new"
        copy.take(own_memory, [(start + 5 * PAGE, start + 6 * PAGE)])
        with CoreMemory(copy.pieces()) as reader:
            assert reader.read(start, PAGES * PAGE) == memory[:]


def test_a_page_that_is_not_mapped_reads_as_zeros_and_the_rest_is_there(own_memory: int) -> None:
    with mmap.mmap(-1, 3 * PAGE) as memory:
        memory.write(b"\xaa" * 3 * PAGE)
        anchor = ctypes.c_char.from_buffer(memory)
        start = ctypes.addressof(anchor)
        assert ctypes.CDLL(None).munmap(ctypes.c_void_p(start + PAGE), ctypes.c_size_t(PAGE)) == 0
        ranges = [(start, start + 3 * PAGE)]
        with MemoryCopy(ranges) as copy:
            assert copy.take(own_memory, ranges) == 2 * PAGE
            with CoreMemory(copy.pieces()) as reader:
                assert reader.read(start, PAGE) == b"\xaa" * PAGE
                assert reader.read(start + PAGE, PAGE) == bytes(PAGE)
                assert reader.read(start + 2 * PAGE, PAGE) == b"\xaa" * PAGE
        del anchor


def test_the_rest_of_the_address_space_comes_from_the_process(
    area: tuple[mmap.mmap, int], own_memory: int
) -> None:
    memory, start = area
    middle = [(start + 8 * PAGE, start + 9 * PAGE)]
    with MemoryCopy(middle) as copy:
        copy.take(own_memory, middle)
        before = memory[8 * PAGE : 9 * PAGE]
        memory[8 * PAGE : 8 * PAGE + 4] = b"late"
        pieces = copy.pieces(own_memory)
        assert [a.end for a in pieces[:-1]] == [b.start for b in pieces[1:]]
        with CoreMemory(pieces) as reader:
            found = reader.read(start, PAGES * PAGE)
        assert found[: 8 * PAGE] == memory[: 8 * PAGE]
        assert found[8 * PAGE : 9 * PAGE] == before


def test_a_process_that_has_ended_is_said_to_have_ended() -> None:
    with start_target("idle.py") as target:
        memory = os.open(f"/proc/{target.pid}/mem", os.O_RDONLY)
        target.kill()
    try:
        ranges = [(1 << 20, 2 << 20)]
        with MemoryCopy(ranges) as copy, pytest.raises(UnreadableMemory):
            copy.take(memory, ranges)
    finally:
        os.close(memory)


def test_many_scattered_pages_are_copied_to_the_byte_whatever_may_not_be_read(
    area: tuple[mmap.mmap, int], own_memory: int
) -> None:
    memory, start = area
    chooser = random.Random(3)
    for most in (1, 7, 1024):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("heapgraph.capture.live.memory_copy._MAX_VECTORS", most)
            pages = sorted(chooser.sample(range(PAGES), 20))
            ranges = np.array(
                [(start + p * PAGE, start + p * PAGE + PAGE) for p in pages], np.int64
            )
            with MemoryCopy(
                [(start, start + 30 * PAGE), (start + 30 * PAGE, start + 60 * PAGE)]
            ) as copy:
                wanted = [page for page in pages if page < 60]
                assert copy.take_scattered(os.getpid(), own_memory, ranges) == len(wanted) * PAGE
                with CoreMemory(copy.pieces()) as reader:
                    for page in range(60):
                        content = memory[page * PAGE : page * PAGE + PAGE]
                        expected = content if page in wanted else bytes(PAGE)
                        assert reader.read(start + page * PAGE, PAGE) == expected


def test_scattered_ranges_around_memory_that_may_not_be_read(own_memory: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with mmap.mmap(-1, 8 * PAGE, mmap.MAP_PRIVATE) as memory:
        memory.write(b"\xaa" * 8 * PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        libc.mprotect(ctypes.c_void_p(start + 3 * PAGE), ctypes.c_size_t(PAGE), 0)
        try:
            ranges = np.array([(start, start + 5 * PAGE), (start + 6 * PAGE, start + 8 * PAGE)])
            with MemoryCopy([(start, start + 8 * PAGE)]) as copy:
                assert copy.take_scattered(os.getpid(), own_memory, ranges) == 7 * PAGE
                with CoreMemory(copy.pieces()) as reader:
                    assert reader.read(start, 5 * PAGE) == b"\xaa" * 5 * PAGE
                    assert reader.read(start + 5 * PAGE, PAGE) == bytes(PAGE)
                    assert reader.read(start + 6 * PAGE, 2 * PAGE) == b"\xaa" * 2 * PAGE
        finally:
            libc.mprotect(ctypes.c_void_p(start + 3 * PAGE), ctypes.c_size_t(PAGE), 3)


def test_dropped_pages_are_zeros_again(area: tuple[mmap.mmap, int], own_memory: int) -> None:
    memory, start = area
    whole = [(start, start + PAGES * PAGE)]
    with MemoryCopy(whole) as copy:
        copy.take(own_memory, whole)
        copy.drop([(start + 2 * PAGE, start + 4 * PAGE), (0, PAGE)])
        with CoreMemory(copy.pieces()) as reader:
            assert reader.read(start, PAGES * PAGE) == (
                memory[: 2 * PAGE] + bytes(2 * PAGE) + memory[4 * PAGE :]
            )


def test_scattered_ranges_of_a_process_that_has_ended(own_memory: int) -> None:
    with start_target("idle.py") as target:
        gone = target.pid
    ranges = np.array([(PAGE, 2 * PAGE)], np.int64)
    with MemoryCopy([(PAGE, 2 * PAGE)]) as copy, pytest.raises(UnreadableMemory):
        copy.take_scattered(gone, own_memory, ranges)
