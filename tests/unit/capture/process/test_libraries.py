"""Where the variables of loaded files lie, told from their headers in memory."""

from __future__ import annotations

import struct

import pytest

from heapgraph.capture.process.libraries import LibraryData, find_library_data
from heapgraph.capture.process.maps import Mapping
from heapgraph.capture.process.memory import UnreadableMemory

BASE = 0x7F0000000000
PT_LOAD, PT_DYNAMIC = 1, 2
READ, WRITE, EXECUTE = 4, 2, 1


class FakeMemory:
    """Bytes at BASE, nothing elsewhere."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, address: int, size: int) -> bytes:
        offset = address - BASE
        if not 0 <= offset <= len(self.content) - size:
            raise UnreadableMemory(hex(address))
        return self.content[offset : offset + size]


def _elf(*segments: tuple[int, int, int, int, int]) -> bytes:
    """A header and segments of (type, flags, offset, address, bytes in memory)."""
    header = struct.pack("<4sBB26xQ14xHH6x", b"\x7fELF", 2, 1, 64, 56, len(segments))
    rows = [
        struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, size, size, 4096)
        for kind, flags, offset, address, size in segments
    ]
    return header + b"".join(rows)


TYPICAL = _elf(
    (PT_LOAD, READ, 0, 0, 0x800),
    (PT_LOAD, READ | EXECUTE, 0x1000, 0x1000, 0x800),
    (PT_LOAD, READ | WRITE, 0x2D10, 0x3D10, 0x1000),
    (PT_DYNAMIC, READ | WRITE, 0x2E00, 0x3E00, 0x200),
)


def _found(content: bytes, path: str = "/lib/m.so", **options: object) -> list[LibraryData]:
    maps = [Mapping(BASE, BASE + 0x1000, "r--p", 0, path)]
    memory = FakeMemory(content)
    return find_library_data(memory, maps, **options)  # type: ignore[arg-type]


def test_writable_data_is_found_with_its_zeroed_variables():
    """Given a library, when looked through, its one writable segment is named after the file."""
    assert _found(TYPICAL) == [LibraryData(BASE + 0x3D10, 0x1000, "m.so", BASE)]


def test_a_program_at_fixed_addresses_has_no_bias():
    """Given segments with addresses of their own, when found, they are not moved."""
    fixed = _elf((PT_LOAD, READ, 0, BASE, 0x800), (PT_LOAD, READ | WRITE, 0, BASE + 0x2000, 0x80))

    assert _found(fixed) == [LibraryData(BASE + 0x2000, 0x80, "m.so", 0)]


def test_structs_that_are_known_are_left_out():
    """Given a struct of the interpreter in the data, when found, the data is around it."""
    taken = [(BASE + 0x4000, 0x100, "runtime")]

    assert _found(TYPICAL, taken=taken) == [
        LibraryData(BASE + 0x3D10, 0x2F0, "m.so", BASE),
        LibraryData(BASE + 0x4100, 0xC10, "m.so", BASE),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04" + bytes(100),
        TYPICAL[:80],
        TYPICAL.replace(struct.pack("<H", 56), struct.pack("<H", 0), 1),
        TYPICAL[:56] + struct.pack("<H", 65535) + TYPICAL[58:],
        _elf((PT_LOAD, READ | WRITE, 0, 0, 2**63)),
    ],
    ids=["unreadable", "no ELF", "cut", "no entry size", "too many segments", "absurd size"],
)
def test_a_file_without_a_sound_header_has_no_variables(content: bytes):
    """Given anything else that is mapped, when looked through, nothing is found."""
    assert _found(content) == []


def test_only_files_are_looked_through():
    """Given memory without a file behind it, when looked through, nothing is found."""
    assert _found(TYPICAL, path="[heap]") == []
