"""Files cut short and flipped bytes: one clear error, or the same content, and nothing else."""

from __future__ import annotations

import random
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.errors import HeapgraphError, SnapshotFormatError
from heapgraph.snapshot import open_snapshot
from heapgraph.snapshot.schema import TABLES
from helpers.heaps import draw_heap
from helpers.interpreters import is_exhaustive
from helpers.snapshot_files import repack, sample_heap

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

PARTS = 8
"""Every exhaustive test is cut into so many, to keep each under a second."""

CHECKED_STEP = 1 if is_exhaustive() else 5
"""Of the bytes of tables, which one checksum each guards, one in so many is damaged."""

OTHER_STEP = 1 if is_exhaustive() else 3
"""Of all others: each of their structures is there a dozen times, beginning anywhere."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return draw_heap("* -> a:dict(64) -> b(20)").write(tmp_path / "a.heapgraph")


def content_of(path: Path) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    with open_snapshot(path) as snapshot:
        snapshot.verify_all()
        return snapshot.manifest, {name: snapshot.table(name) for name in TABLES}


def attempt(path: Path) -> tuple[object, HeapgraphError | None]:
    """Read the file; an error of any other kind, a traceback for the user, fails the test."""
    try:
        return content_of(path), None
    except HeapgraphError as error:
        return None, error


def is_refused(path: Path, content: bytes, expected: object) -> bool:
    """Write the damaged content; it must be refused in three parts, or read as before."""
    path.write_bytes(content)
    read, error = attempt(path)
    if error is None:
        assert read == expected
        return False
    assert isinstance(error, SnapshotFormatError)
    assert len(error.parts()) == 3
    return True


@pytest.mark.parametrize("part", range(PARTS))
def test_a_file_cut_at_any_byte_is_refused(path: Path, part: int):
    """Given shorter files, cut in every structure and table, then no cut is overlooked."""
    whole, expected = path.read_bytes(), content_of(path)
    for length in places_to_damage(path)[part::PARTS]:
        assert is_refused(path, whole[:length], expected), length


def places_to_damage(path: Path) -> list[int]:
    """Bytes of the zip's own structures and of the manifest, and fewer of each table.

    In the long form every byte of the structures, and in both the first and the last of a table.
    """
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        tables = [one for one in archive.infolist() if one.filename != "manifest.json"]
    left_out = set(range(size)) - set(range(0, size, OTHER_STEP))
    for one in tables:
        with path.open("rb") as file:
            file.seek(one.header_offset + 26)
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
        start = one.header_offset + 30 + name + extra
        end = start + one.compress_size
        left_out -= set(range(start, end))
        left_out |= set(range(start + 4, end - 4)) - set(range(start + 4, end - 4, CHECKED_STEP))
    assert len(left_out) < size
    return [place for place in range(size) if place not in left_out]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_flipped_bit_anywhere_changes_nothing_unnoticed(path: Path, part: int):
    """Given bytes everywhere in the file, each with one random bit flipped, one after the other."""
    whole, expected = path.read_bytes(), content_of(path)
    chance = random.Random(part)
    places = places_to_damage(path)[part::PARTS]
    refused = 0
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        refused += is_refused(path, damaged, expected)
    assert refused > len(places) / 2  # the rest are dates and the like in the zip headers


@pytest.mark.parametrize("part", range(4))
def test_random_bytes_anywhere_change_nothing_unnoticed(path: Path, part: int):
    """Given up to 64 random bytes written, inserted or removed at random places."""
    whole, expected = path.read_bytes(), content_of(path)
    chance = random.Random(100 + part)
    for _ in range(300):
        damaged = bytearray(whole)
        start, length = chance.randrange(len(whole)), chance.randrange(1, 64)
        damaged[start : start + chance.choice((0, length))] = chance.randbytes(
            chance.choice((0, length))
        )
        is_refused(path, damaged, expected)


@pytest.mark.parametrize("part", range(4))
def test_damage_in_the_directory_of_the_zip_is_refused(path: Path, part: int):
    """Given extreme values in the structures at the end of the file, which name every member."""
    whole, expected = path.read_bytes(), content_of(path)
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    chance = random.Random(200 + part)
    for _ in range(300):
        damaged = bytearray(whole)
        start = chance.randrange(directory, len(whole) - 4)
        damaged[start : start + 4] = chance.choice((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"))
        is_refused(path, damaged, expected)


@pytest.mark.parametrize("part", range(4))
def test_wrong_bytes_with_right_checksums_are_no_traceback(tmp_path: Path, part: int):
    """Given a file made by someone who repaired the checksums, then reading fails cleanly."""
    path = sample_heap().write(tmp_path / "a.heapgraph")
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = {layout.member: archive.read(layout.member) for layout in TABLES.values()}
    chance = random.Random(300 + part)
    refused = 0
    for _ in range(80):
        name = chance.choice(list(members))
        damaged = bytearray(members[name])
        damaged[chance.randrange(len(damaged))] = chance.choice((0, 255, chance.randrange(256)))
        path.write_bytes(whole)
        repack(path, {name: bytes(damaged)})
        _, error = attempt(path)
        refused += error is not None
        assert error is None or len(error.parts()) == 3
    assert refused > 20
