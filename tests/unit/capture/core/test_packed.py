"""Unpacking core files: cut, damaged, larger than they say, and through pipes."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from heapgraph.capture.core import packed as packed_core
from heapgraph.capture.core.file import read_core
from heapgraph.capture.core.packed import open_any_core
from heapgraph.errors import CoreFileUnusable
from helpers.core_files import PAGE, StoredSegment, core_bytes, process_note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = 0x7F00_0000_0000
NOTES = process_note(4711, "python3 app.py")
CONTENT = random.Random(1).randbytes(8 * PAGE)
SEGMENTS = [
    StoredSegment(BASE, 8 * PAGE, 6, 8 * PAGE, CONTENT),
    StoredSegment(BASE + 64 * PAGE, 64 * PAGE, 6, 64 * PAGE),
]
CORE = core_bytes(SEGMENTS, NOTES)
PACKED = pa.compress(CORE, codec="zstd", asbytes=True)
ZSTD = shutil.which("zstd")


def unpack(content: bytes, folder: Path) -> bytes:
    path = folder / "core.zst"
    path.write_bytes(content)
    with open_any_core(path, folder) as stream:
        read_core(stream, path)
        stream.seek(0)
        return stream.read()


def refusal(content: bytes, folder: Path) -> CoreFileUnusable:
    with pytest.raises(CoreFileUnusable) as caught:
        unpack(content, folder)
    assert len(caught.value.parts()) == 3
    return caught.value


def test_a_packed_core_is_the_core(tmp_path: Path) -> None:
    assert unpack(PACKED, tmp_path) == CORE
    assert unpack(CORE, tmp_path) == CORE


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["on disk", "in memory"])
def test_nothing_of_it_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Given a core that is unpacked, its folder has no file more, and nobody can change it."""
    monkeypatch.setattr(packed_core, "IN_MEMORY", limit)
    path = tmp_path / "core.zst"
    path.write_bytes(PACKED)
    with open_any_core(path, tmp_path) as stream:
        assert stream.read() == CORE
        assert list(tmp_path.iterdir()) == [path]
        if limit:
            with pytest.raises(PermissionError):
                os.write(stream.fileno(), b"x")
        else:  # runs of zeros take no room
            assert os.fstat(stream.fileno()).st_blocks * 512 < len(CORE)


@pytest.mark.parametrize("content", [CORE, PACKED], ids=["plain", "packed"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.7, 0.9999])
def test_what_is_cut_short_is_refused(tmp_path: Path, content: bytes, share: float) -> None:
    """Given any first part, one sentence says so."""
    found = refusal(content[: max(1, int(len(content) * share))], tmp_path)
    assert "is cut short" in found.what or "not a core file" in found.what


def test_every_missing_byte_at_the_end_is_noticed(tmp_path: Path) -> None:
    """Given a stream without its last bytes, checksum and all, it is refused."""
    for missing in range(1, 12):
        assert "cut short or damaged" in refusal(PACKED[:-missing], tmp_path).what


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    """Given a stream with a checksum and one byte changed, it is refused or unchanged."""
    chance = random.Random(7)
    for _ in range(60):
        damaged = bytearray(PACKED)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path = tmp_path / "core.zst"
        path.write_bytes(damaged)
        try:
            with open_any_core(path, tmp_path) as stream:
                content = stream.read()
        except CoreFileUnusable as error:
            assert len(error.parts()) == 3  # noqa: PT017 - or no error
        else:
            # pyarrow's frames have no checksum; the helper's have.
            assert len(content) == len(CORE)


@pytest.mark.skipif(ZSTD is None, reason="the program zstd is not installed")
def test_a_checksum_is_compared(tmp_path: Path) -> None:
    """Given a frame with a checksum, as the helper writes it, no change goes unnoticed."""
    packed = subprocess.run(
        [str(ZSTD), "-q", "--check", "-c"], input=CORE, capture_output=True, check=True
    ).stdout
    assert unpack(packed, tmp_path) == CORE
    chance = random.Random(3)
    for _ in range(60):
        damaged = bytearray(packed)
        damaged[chance.randrange(16, len(damaged))] ^= 1 << chance.randrange(8)
        refusal(bytes(damaged), tmp_path)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given far more than the headers name, what is written stays near what they name."""
    monkeypatch.setattr(packed_core, "_TRAILER", 1 << 20)
    bomb = pa.compress(CORE + bytes(1 << 28), codec="zstd", asbytes=True)
    assert len(bomb) < 1 << 17
    assert "holds more than" in refusal(bomb, tmp_path).what


def with_header(offset: int, form: str, value: int) -> bytes:
    changed = bytearray(CORE)
    struct.pack_into(form, changed, offset, value)
    return pa.compress(bytes(changed), codec="zstd", asbytes=True)


def test_headers_that_name_more_than_there_is_room_for(tmp_path: Path) -> None:
    """Given a segment of many terabytes, nothing is written for it."""
    first_load = 64 + 56
    stored = first_load + 32
    for size, said in ((1 << 45, "free"), (1 << 60, "damaged"), ((1 << 64) - 1, "damaged")):
        found = refusal(with_header(stored, "<Q", size), tmp_path)
        assert said in " ".join(found.parts())
    assert [it.name for it in tmp_path.iterdir()] == ["core.zst"]


@pytest.mark.parametrize("table", [1 << 30, 1 << 62, (1 << 64) - 1])
def test_headers_far_behind(tmp_path: Path, table: int) -> None:
    """Given a table of segments behind all else, it is not read into memory."""
    assert "not at its beginning" in refusal(with_header(32, "<Q", table), tmp_path).what


def test_more_segments_than_the_header_can_say(tmp_path: Path) -> None:
    """Given 70,000 mappings, their number is in the section behind the table."""
    count = 70_000
    end = 64 + 56 * count
    place = -(-(end + 64) // PAGE) * PAGE
    rows = b"".join(
        struct.pack("<IIQQQQQQ", 1, 6, place, BASE + 2 * PAGE * row, 0, 0, PAGE, PAGE)
        for row in range(count)
    )
    head = bytearray(core_bytes([], b"")[:64])
    struct.pack_into("<Q", head, 40, end)
    struct.pack_into("<HHH", head, 56, 0xFFFF, 64, 1)
    section = bytearray(64)
    struct.pack_into("<I", section, 44, count)
    content = (bytes(head) + rows + section).ljust(place, b"\0")
    path = tmp_path / "core.zst"
    path.write_bytes(pa.compress(content, codec="zstd", asbytes=True))
    with open_any_core(path, tmp_path) as stream:
        assert len(read_core(stream, path).segments) == count


@pytest.mark.parametrize("content", [b"\x28\xb5\x2f\xfd", PACKED[:4] + b"\0" * 64])
def test_a_magic_number_alone(tmp_path: Path, content: bytes) -> None:
    refusal(content, tmp_path)


def test_another_file_that_is_packed(tmp_path: Path) -> None:
    text = pa.compress(b"no core, but text\n" * 100, codec="zstd", asbytes=True)
    assert "is not a core file" in refusal(text, tmp_path).what


@pytest.fixture(name="pipe")
def named_pipe(tmp_path: Path) -> Iterator[Path]:
    """A named pipe into which a thread writes the packed core, in two parts."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as writer:
            writer.write(PACKED[:2])
            writer.write(PACKED[2:])

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    yield path
    thread.join()


def test_a_named_pipe(pipe: Path, tmp_path: Path) -> None:
    with open_any_core(pipe, tmp_path) as stream:
        assert stream.read() == CORE


def test_progress_can_end_it(tmp_path: Path) -> None:
    """Given an interrupt while it is unpacked, nothing is left."""
    path = tmp_path / "core.zst"
    path.write_bytes(PACKED)

    def interrupt(phase: str, done: int, total: int) -> None:
        assert (phase, total) == ("unpack", len(CORE))
        assert 0 < done <= total
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_any_core(path, tmp_path, interrupt)
    assert list(tmp_path.iterdir()) == [path]
