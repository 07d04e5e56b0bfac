"""Memory of a process: exact bytes, page edges, what cannot be read; and its mappings."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.process.maps import Mapping, read_maps
from heapgraph.capture.process.memory import ProcessMemory, UnreadableMemory
from heapgraph.errors import CaptureInterrupted, TargetNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = mmap.PAGESIZE
PAGES = 100


class Area:
    """Anonymous memory of this process with a hole in it."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, PAGES * PAGE)
        self.content = os.urandom(PAGES * PAGE)
        self._map.write(self.content)
        self._view = ctypes.c_char.from_buffer(self._map)
        self.address = ctypes.addressof(self._view)

    def write(self, offset: int, content: bytes) -> None:
        self._map[offset : offset + len(content)] = content


@pytest.fixture
def area() -> Area:
    return Area()


@pytest.fixture
def memory() -> Iterator[ProcessMemory]:
    with ProcessMemory(os.getpid()) as opened:
        yield opened


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        (0, 0),
        (0, 1),
        (PAGE - 1, 1),
        (PAGE - 1, 2),
        (PAGE - 4, 8),
        (PAGE, PAGE),
        (100, 3 * PAGE),
        (1, 64 * PAGE),
        (0, PAGES * PAGE),
    ],
)
def test_any_range_is_returned_as_it_is(
    memory: ProcessMemory, area: Area, offset: int, size: int
) -> None:
    assert memory.read(area.address + offset, size) == area.content[offset : offset + size]


def test_numbers_are_little_endian(memory: ProcessMemory, area: Area) -> None:
    area.write(PAGE - 4, struct.pack("<q", -2))
    address = area.address + PAGE - 4
    assert memory.u64(address) == 2**64 - 2
    assert memory.u32(address) == 2**32 - 2
    assert memory.i32(address) == -2
    assert memory.u8(address) == 254


def test_text_ends_at_the_first_nul_or_at_the_limit(memory: ProcessMemory, area: Area) -> None:
    area.write(PAGE - 3, b"caf\xc3\xa9\0rest")
    assert memory.cstring(area.address + PAGE - 3) == "café"
    assert memory.cstring(area.address + PAGE - 3, limit=2) == "ca"
    area.write(0, b"\xff\xfe\0")
    memory.forget()
    assert memory.cstring(area.address) == "\ufffd\ufffd"


def test_remembered_pages_are_read_again_after_forget(memory: ProcessMemory, area: Area) -> None:
    before = memory.u8(area.address)
    area.write(0, bytes([before ^ 1]))
    assert memory.u8(area.address) == before
    memory.forget()
    assert memory.u8(area.address) == before ^ 1


@pytest.mark.parametrize(
    ("address", "size"),
    [(0, 8), (8, 1), (-8, 8), (1 << 47, 8), (1 << 63, 8), ((1 << 63) - 4, 8), (2**64 - 8, 8)],
)
def test_address_that_is_not_mapped_is_unreadable(
    memory: ProcessMemory, address: int, size: int
) -> None:
    with pytest.raises(UnreadableMemory):
        memory.read(address, size)


def test_size_that_is_negative_is_unreadable(memory: ProcessMemory, area: Area) -> None:
    with pytest.raises(UnreadableMemory):
        memory.read(area.address, -1)


def test_range_that_runs_into_a_hole_is_unreadable(memory: ProcessMemory) -> None:
    last = max(m.end for m in read_maps(os.getpid(), sizes=False) if m.path == "[stack]")
    assert len(memory.read(last - 8, 8)) == 8
    with pytest.raises(UnreadableMemory):
        memory.read(last - 8, 16)


def test_closed_memory_is_unreadable(memory: ProcessMemory, area: Area) -> None:
    memory.close()
    memory.close()
    with pytest.raises(UnreadableMemory):
        memory.u8(area.address)


def test_process_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(TargetNotFound, match=str(2**22 + 1)):
        ProcessMemory(2**22 + 1)


def test_clone_is_named_by_its_target() -> None:
    """Given a clone that is gone, then no pid is said that nobody has typed."""
    clone = 2**22 + 1
    with pytest.raises(CaptureInterrupted, match="the clone of process 4711 has ended") as failure:
        ProcessMemory(clone, clone_of=4711)
    assert str(clone) not in " ".join(failure.value.parts())
    with (
        ProcessMemory(os.getpid(), clone_of=4711) as memory,
        pytest.raises(UnreadableMemory, match="0x0 of the clone of process 4711 is not mapped"),
    ):
        memory.read(0, 8)


def test_memory_of_a_process_that_ended_is_unreadable() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        address = read_maps(process.pid, sizes=False)[0].start
        memory = ProcessMemory(process.pid)
        process.kill()
    with pytest.raises(UnreadableMemory):
        memory.u64(address)
    memory.close()


def test_maps_hold_every_field_of_the_kernels_table(area: Area) -> None:
    maps = read_maps(os.getpid())
    assert [m.start for m in maps] == sorted(m.start for m in maps)
    found = next(m for m in maps if m.start <= area.address < m.end)
    assert found.permissions[:2] == "rw"
    assert found.rss >= found.pss > 0
    program = next(m for m in maps if m.is_file and m.offset and "x" in m.permissions)
    assert Path(program.path).exists()


def test_maps_without_sizes_are_the_same_mappings() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED)
        plain, sized = read_maps(process.pid, sizes=False), read_maps(process.pid)
        process.kill()
    assert [(m.start, m.end, m.permissions, m.offset, m.path) for m in sized] == [
        (m.start, m.end, m.permissions, m.offset, m.path) for m in plain
    ]
    assert not any(m.rss for m in plain)
    assert any(m.rss for m in sized)


def test_device_is_no_file() -> None:
    assert not Mapping(0, 1, "rw-s", 0, "/dev/dri/card0").is_file
    assert not Mapping(0, 1, "rw-p", 0, "[heap]").is_file
    assert Mapping(0, 1, "r-xp", 0, "/usr/bin/python3").is_file
