"""The reader of core files: small ones made by hand, cut and damaged at every byte."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.core.file import (
    CoreFile,
    CoreSegment,
    CoreThread,
    MappedFile,
    open_core,
    read_core,
)
from heapgraph.errors import CoreFileUnusable
from helpers.core_files import (
    AUXV,
    PAGE,
    StoredSegment,
    core_bytes,
    elf_header,
    files_note,
    note,
    process_note,
    status_note,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = 0x7F00_0000_0000
PATH = Path("core.4711")
LIBRARY = "/usr/lib/lib odd.so"
NOTES = b"".join(
    (
        process_note(4711, "/usr/bin/python3 app.py --fast"),
        status_note(4712, stack_pointer=0x7FFD_1000, thread_pointer=0x7F00_5740),
        status_note(4713),
        note(AUXV, struct.pack("<QQQQ", 9, BASE + 0x40, 0, 0)),
        files_note([(BASE, BASE + PAGE, 2 * PAGE, LIBRARY)]),
        note(0x53494749, b"siginfo"),
    )
)
SEGMENTS = (
    StoredSegment(BASE + 8 * PAGE, 2 * PAGE, 6, 2 * PAGE, b"data"),
    StoredSegment(BASE, PAGE, 5, 0),
)
CORE = core_bytes(SEGMENTS, NOTES)


def read(content: bytes) -> CoreFile:
    return read_core(io.BytesIO(content), PATH)


def refused(content: bytes) -> CoreFileUnusable:
    with pytest.raises(CoreFileUnusable) as caught:
        read(content)
    assert len(caught.value.parts()) == 3
    assert str(PATH) in caught.value.what
    return caught.value


def test_segments_come_in_address_order_with_what_is_stored() -> None:
    place = len(CORE) - 2 * PAGE
    assert read(CORE).segments == (
        CoreSegment(BASE, BASE + PAGE, "r-xp", place + 2 * PAGE, 0),
        CoreSegment(BASE + 8 * PAGE, BASE + 10 * PAGE, "rw-p", place, 2 * PAGE),
    )
    assert read(CORE).stored == 2 * PAGE


def test_notes_say_who_the_process_was() -> None:
    core = read(CORE)
    assert core.pid == 4711
    assert core.command_line == ("/usr/bin/python3", "app.py", "--fast")
    assert core.files == (MappedFile(BASE, BASE + PAGE, 2 * PAGE, LIBRARY),)
    assert core.threads == (CoreThread(4712, 0x7FFD_1000, 0x7F00_5740), CoreThread(4713, 0, 0))
    assert core.entry == BASE + 0x40


def test_a_core_without_notes_is_read() -> None:
    core = read(core_bytes(SEGMENTS, b""))
    assert (core.pid, core.command_line, core.files, core.threads) == (0, (), (), ())


def test_ranges_that_overlap_or_lie_outside_are_left_out() -> None:
    odd = (
        StoredSegment(BASE, 4 * PAGE, 4, 0),
        StoredSegment(BASE + PAGE, PAGE, 4, 0),
        StoredSegment(0xFFFF_FFFF_FF60_0000, PAGE, 4, 0),
        StoredSegment(BASE + 5 * PAGE, 0, 4, 0),
    )
    files = files_note([(BASE, BASE + 2 * PAGE, 0, "/a"), (BASE + PAGE, BASE + 3 * PAGE, 0, "/b")])
    core = read(core_bytes(odd, files))
    assert [(item.start, item.end) for item in core.segments] == [(BASE, BASE + 4 * PAGE)]
    assert [item.path for item in core.files] == ["/a"]


def test_an_offset_that_no_file_has() -> None:
    files = files_note([(BASE, BASE + PAGE, PAGE << 62, "/a")])
    assert "headers" in refused(core_bytes((), files)).what


def test_cut_at_any_byte_it_says_how_much_is_there() -> None:
    for size in (*range(1, 400), *range(400, len(CORE), 97), len(CORE) - 1):
        error = refused(CORE[:size])
        if size >= 4:
            assert "is cut short" in error.what, size


def test_an_empty_file() -> None:
    assert "is empty" in refused(b"").what


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x28\xb5\x2f\xfd" + bytes(99), "zstd -d"),
        (b"\x1f\x8b" + bytes(99), "gunzip -k"),
        (b"\xfd7zXZ" + bytes(99), "xz -dk"),
        (b"\x04\x22\x4d\x18" + bytes(99), "lz4 -d"),
    ],
)
def test_a_packed_core_names_the_command_to_unpack_it(content: bytes, said: str) -> None:
    assert said in refused(content).hint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"#!/bin/sh\n" + bytes(99), "is not a core file"),
        (elf_header(0, kind=2) + bytes(99), "is an ELF file but not a core file"),
        (elf_header(1, machine=183) + bytes(99), "AARCH64"),
        (elf_header(0) + bytes(99), "headers"),
        (CORE[:4] + b"\x01" + CORE[5:], "32 bits"),
        (CORE[:54] + b"\0\0" + CORE[56:], "headers"),
        (CORE[:56] + b"\xff\xff" + CORE[58:], "headers"),
    ],
)
def test_what_is_no_core_of_this_machine(content: bytes, said: str) -> None:
    assert said in refused(content).what


def test_more_mappings_than_the_header_can_count() -> None:
    sections = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, len(SEGMENTS) + 1, 0, 0)
    many = bytearray(CORE + sections)
    struct.pack_into("<Q", many, 40, len(CORE))
    struct.pack_into("<HHH", many, 56, 0xFFFF, 64, 1)
    assert read(bytes(many)).segments == read(CORE).segments
    assert "is cut short" in refused(bytes(many[:-1])).what


def damaged(seed: int) -> bytes:
    """A core with a few bytes of its headers and notes changed."""
    chance = random.Random(seed)
    content = bytearray(CORE)
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(len(CORE) - 2 * PAGE)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(content)


def test_damage_is_a_clear_error_or_a_core() -> None:
    outcomes = set()
    for seed in range(400):
        try:
            core = read(damaged(seed))
        except CoreFileUnusable:
            outcomes.add("error")
        else:
            assert all(0 <= it.stored <= it.end - it.start for it in core.segments)
            outcomes.add("core")
    assert outcomes == {"core", "error"}


@pytest.mark.parametrize("make", [lambda _path: None, Path.mkdir], ids=["missing", "folder"])
def test_a_file_that_cannot_be_opened(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "core"
    make(path)
    with pytest.raises(CoreFileUnusable) as caught:
        open_core(path)
    assert len(caught.value.parts()) == 3
