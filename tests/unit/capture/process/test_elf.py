"""ELF files: symbols, sections and load bias, and what is no ELF file."""

from __future__ import annotations

import ctypes
import io
import os
import random
import struct
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from heapgraph.capture.process import elf
from heapgraph.capture.process.elf import ElfImage, ElfUnreadable, Segment, read_elf
from heapgraph.capture.process.maps import Mapping, read_maps
from heapgraph.capture.process.target_files import open_mapped_file

C_LIBRARY_FUNCTION = "getenv"


@pytest.fixture(scope="module")
def c_library() -> list[Mapping]:
    address = ctypes.cast(getattr(ctypes.CDLL(None), C_LIBRARY_FUNCTION), ctypes.c_void_p).value
    maps = read_maps(os.getpid(), sizes=False)
    path = next(m.path for m in maps if m.start <= address < m.end)
    return [mapping for mapping in maps if mapping.path == path]


def test_symbol_plus_bias_is_where_the_loader_put_it(c_library: list[Mapping]) -> None:
    with open_mapped_file(os.getpid(), c_library[0]) as stream:
        image = read_elf(stream, [C_LIBRARY_FUNCTION, "no_such_symbol_anywhere"], [".text", ".no"])
    function = ctypes.cast(getattr(ctypes.CDLL(None), C_LIBRARY_FUNCTION), ctypes.c_void_p)
    bias = image.load_bias(c_library)
    assert image.is_position_independent
    assert bias is not None
    assert image.symbols == {C_LIBRARY_FUNCTION: function.value - bias}
    assert list(image.sections) == [".text"]
    assert len(image.build_id) in (0, 32, 40)


def test_symbol_that_is_only_used_is_not_found() -> None:
    with Path(sys.executable).open("rb") as stream:
        assert read_elf(stream, ["getenv"]).symbols == {}


def test_bias_of_a_fixed_program_is_zero() -> None:
    image = ElfImage(False, (Segment(0, 0x400000, 10, True),), {}, {}, "")
    assert image.load_bias([]) == 0


def test_bias_needs_the_mapping_of_the_code() -> None:
    segments = (Segment(0, 0, 0x1000, False), Segment(0x2000, 0x3000, 0x1000, True))
    image = ElfImage(True, segments, {}, {}, "")
    data = Mapping(0x7000_0000, 0x7000_1000, "r--p", 0x2000, "/lib/x.so")
    code = Mapping(0x7100_0000, 0x7100_1000, "r-xp", 0x2000, "/lib/x.so")
    assert image.load_bias([data]) is None
    assert image.load_bias([data, code]) == 0x7100_0000 - 0x3000


@pytest.mark.parametrize("content", [b"", b"\x7fEL", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" * 40])
def test_file_that_is_no_elf_file_is_refused(content: bytes) -> None:
    with pytest.raises(ElfUnreadable):
        read_elf(io.BytesIO(content), ["_PyRuntime"])


@pytest.mark.parametrize("seed", range(20))
def test_damaged_file_is_read_or_refused(c_library: list[Mapping], seed: int) -> None:
    chance = random.Random(seed)
    with open_mapped_file(os.getpid(), c_library[0]) as stream:
        content = bytearray(stream.read())
    del content[chance.choice([64, 4096, len(content) // 2, len(content)]) :]
    for _ in range(chance.randrange(1, 40)):
        content[chance.randrange(min(len(content), 4096))] = chance.randrange(256)
    with suppress(ElfUnreadable):
        found = read_elf(io.BytesIO(content), ["_PyRuntime"], [".PyRuntime"])
        assert found.symbols == {}


def test_file_without_end_is_given_up(tmp_path: Path, monkeypatch) -> None:
    """A symbol table of a terabyte that is a hole costs its maker nothing."""
    monkeypatch.setattr(elf, "_MAX_READS", 10_000)
    path = tmp_path / "endless"
    size, header = 24 << 36, 64
    sections = [(0, 0, 0, 0), (2, header + 256, size, 24), (3, header + 256, 1, 0)]
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", kind == 2, kind, 0, 0, place, length, 2, 0, 1, entry)
        for kind, place, length, entry in sections
    )
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 0, header, 0, 64, 56, 0, 64, 3, 2
    )
    names = b"\0.symtab\0"
    with path.open("wb") as stream:
        stream.write(head + table.ljust(256, b"\0") + names)
        stream.truncate(size + 4096)
    with path.open("rb") as stream, pytest.raises(ElfUnreadable, match="does not end"):
        read_elf(stream, ["_PyRuntime"])


@pytest.mark.parametrize("table", [".gnu.hash", ".dynsym"])
def test_table_with_a_size_of_zero_is_refused(c_library: list[Mapping], table: str) -> None:
    """Given a hash table of no buckets, or symbols of no bytes, then nothing is divided by it."""
    with open_mapped_file(os.getpid(), c_library[0]) as stream:
        content = bytearray(stream.read())
    elf = ELFFile(io.BytesIO(content))
    number = elf.get_section_index(table)
    header = elf["e_shoff"] + number * elf["e_shentsize"]
    if table == ".gnu.hash":
        start = elf.get_section(number)["sh_offset"]
        content[start : start + 4] = bytes(4)  # nbuckets
    else:
        content[header + 56 : header + 64] = bytes(8)  # sh_entsize
        hashed = elf["e_shoff"] + elf.get_section_index(".gnu.hash") * elf["e_shentsize"]
        content[hashed + 4 : hashed + 8] = bytes(4)  # so that the symbols are listed
    with pytest.raises(ElfUnreadable, match="damaged"):
        read_elf(io.BytesIO(content), [C_LIBRARY_FUNCTION])
