"""Whatever is not a whole snapshot is refused with one clear error."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from heapgraph.errors import HeapgraphError, SnapshotFormatError
from heapgraph.snapshot import SnapshotFile, open_snapshot
from heapgraph.snapshot.schema import FORMAT_VERSION, TABLES
from helpers.snapshot_files import parquet_bytes, repack, sample_heap, without_privileges

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return sample_heap().write(tmp_path / "a.heapgraph")


def refused(path: Path) -> SnapshotFormatError:
    """Open the file, expecting the one kind of error there is, with its three parts."""
    with pytest.raises(SnapshotFormatError) as failure, open_snapshot(path) as snapshot:
        snapshot.verify_all()
    error = failure.value
    assert len(error.parts()) == 3
    assert str(path) in error.what
    assert error.exit_code == 4
    return error


def test_what_is_no_file_is_refused(tmp_path: Path):
    """Given a folder, a pipe without a writer, or nothing, then none of them is waited for."""
    assert "is a folder" in refused(tmp_path).what
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(tmp_path / "pipe").what
    assert "No such file" in refused(tmp_path / "missing").what
    assert "Not a directory" in refused(tmp_path / "pipe" / "a").what
    assert "Invalid argument" in refused(tmp_path / "a\0b").what
    assert "too long" in refused(tmp_path / ("n" * 300)).what


def test_a_file_of_another_user_is_refused_with_the_way_out(path: Path):
    """Given a snapshot taken by root, when an ordinary user opens it, then chown is the hint."""
    path.chmod(0)
    with without_privileges():
        error = refused(path)
    assert "Permission denied" in error.what
    assert error.hint.endswith(f"sudo chown $USER {path}")


@pytest.mark.parametrize("content", [b"x", b"#!/bin/sh\n" * 100, b"\0" * 5000, b"PAR1" * 9])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes):
    """Given text, zeros or a bare Parquet file, then it is called no snapshot."""
    (tmp_path / "file").write_bytes(content)
    assert "not a heapgraph snapshot" in refused(tmp_path / "file").what


def test_an_empty_file_is_refused(tmp_path: Path):
    """Given a file of no bytes, then it is called empty."""
    (tmp_path / "file").write_bytes(b"")
    assert "is empty" in refused(tmp_path / "file").what


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_another_kind_of_zip_is_refused(tmp_path: Path, compression: int):
    """Given a zip of another program, even one with a manifest.json, then it is called that."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", compression) as archive:
        archive.writestr("manifest.json", '{"manifest_version": 3}')
        archive.writestr("code.js", "1")
    assert "zip file of something else" in refused(tmp_path / "a.zip").what


def test_a_zip_of_tables_of_another_format_is_refused(path: Path):
    """Given equal member names but another format in the manifest, then it is called foreign."""
    repack(path, change=lambda manifest: manifest.update(format="other"))
    assert "does not say format 'heapgraph'" in refused(path).what


def test_compressed_members_are_refused(path: Path):
    """Given a snapshot that was packed again by a zip program, then the member is named."""
    repack(path, compression=zipfile.ZIP_DEFLATED)
    error = refused(path)
    assert "compressed" in error.what
    assert error.member in {layout.member for layout in TABLES.values()} | {"manifest.json"}


@pytest.mark.parametrize(
    ("version", "cause", "hint"),
    [
        (FORMAT_VERSION + 1, "a later heapgraph, 9.8.7", "pip install --upgrade heapgraph"),
        (1, "an earlier heapgraph, 9.8.7", "dump the process again: heapgraph dump PID"),
        (0, "an earlier heapgraph, 9.8.7", "read it with the heapgraph that wrote it, 9.8.7"),
    ],
)
def test_another_format_version_says_who_wrote_it(path: Path, version: int, cause: str, hint: str):
    """Given an older or newer format, whatever else is in it, then the way out is named."""

    def change(manifest: dict[str, Any]) -> None:
        manifest.update(format_version=version, tool_version="9.8.7")
        del manifest["quality"]

    repack(path, change=change)
    error = refused(path)
    assert f"format version {version}; this heapgraph reads version {FORMAT_VERSION}" in error.what
    assert cause in error.cause
    assert hint in error.hint


def test_text_from_the_file_cannot_reach_the_shell(path: Path):
    """Given a version that is a command, then the hint does not repeat it."""
    version = "1; rm -rf / \x1b[2J"
    repack(path, change=lambda manifest: manifest.update(format_version=9, tool_version=version))
    shown = "".join(refused(path).parts())
    assert "of an unknown version" in shown
    assert "rm -rf" not in shown
    assert shown.isprintable()


def set_key(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        *way, last = key.split("/")
        for step in way:
            manifest = manifest[step]
        manifest[last] = value

    return change


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("format_version", "1", "format_version"),
        ("format_version", True, "format_version"),
        ("target", [], "target is [], not an object"),
        ("target/pid", "4711", "target.pid"),
        ("capture/pause_ms", None, "capture.pause_ms"),
        ("quality/collecting", 1, "quality.collecting"),
        ("redacted", "no", "redacted"),
        ("snapshot_id", "../../etc", "snapshot_id"),
        ("snapshot_id", "a" * 10_000, "snapshot_id"),
        ("counts/objects", 10**9, "counts.objects"),
        ("counts/types", -1, "counts.types"),
        ("members/maps.parquet/size", 7, "maps.parquet"),
        ("members/maps.parquet/crc32", 7, "maps.parquet"),
        ("members/maps.parquet/rows", 7, "maps.parquet"),
        ("members/maps.parquet/rows", -7, "members.maps.parquet.rows is -7"),
        ("members/maps.parquet", {}, "maps.parquet"),
    ],
)
def test_a_manifest_with_a_wrong_value_names_it(path: Path, key: str, value: object, said: str):
    """Given one wrong type or number, then the error says which."""
    repack(path, change=set_key(key, value))
    error = refused(path)
    assert said in error.what
    assert len(error.what) < 300 + len(str(path))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b"[" * 200_000, b'{"format": "heapgraph"}']
)
def test_a_manifest_that_is_no_json_object_is_refused(path: Path, content: bytes):
    """Given any other bytes as the manifest, then it is refused without a traceback."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (members | {"manifest.json": content}).items():
            archive.writestr(name, data)
    assert refused(path).member == "manifest.json"


@pytest.mark.parametrize("member", [layout.member for layout in TABLES.values()])
def test_a_missing_member_is_named(path: Path, member: str):
    """Given a snapshot without one of its tables, then that table is named."""
    repack(path, {member: None})
    error = refused(path)
    assert error.member == member
    assert "it is missing" in error.what


@pytest.mark.parametrize("member", ["references.parquet", "manifest.json"])
def test_a_member_that_claims_gigabytes_is_refused(path: Path, member: str):
    """Given a directory that promises more than the file has, then nothing is reserved for it."""
    content = bytearray(path.read_bytes())
    entry = content.rindex(member.encode()) - 46  # of the directory; its sizes are at 20 and 24
    content[entry + 20 : entry + 28] = struct.pack("<II", 0xFFFF_FFF0, 0xFFFF_FFF0)
    path.write_bytes(content)
    error = refused(path)
    assert "it lies outside the file" in error.what
    assert error.member == member


def test_a_manifest_too_large_to_be_one_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Given a limit below its size, then it is refused before its bytes are looked at."""
    monkeypatch.setattr("heapgraph.snapshot.reader.MAX_MANIFEST_BYTES", 100)
    assert refused(path).what.endswith("KiB")


def without(table: pa.Table, column: str) -> pa.Table:
    return table.drop_columns([column])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: without(table, "target"), "0 columns target"),
        (lambda table: table.append_column("target", table.column("target")), "2 columns target"),
        (lambda table: table.cast(widened(table.schema)), "target is int64, not uint32"),
        (lambda table: table.slice(1), "the manifest says"),
    ],
)
def test_a_table_of_another_schema_is_refused(path: Path, change: Any, said: str):
    """Given a whole member whose columns or rows are not what was promised, then it is said."""
    table = sample_heap().tables()["roots"]
    repack(path, {"roots.parquet": parquet_bytes(change(table))})
    error = refused(path)
    assert said in error.what
    assert error.member == "roots.parquet"


def widened(schema: pa.Schema) -> pa.Schema:
    return schema.set(schema.get_field_index("target"), pa.field("target", pa.int64()))


def test_nulls_among_numbers_are_refused(path: Path):
    """Given a null where every row must have a number, then reading it is an error."""
    roots = sample_heap().tables()["roots"]
    targets = pa.array([None] * roots.num_rows, pa.uint32())
    repack(path, {"roots.parquet": parquet_bytes(roots.set_column(0, "target", targets))})
    with open_snapshot(path) as snapshot:
        with pytest.raises(SnapshotFormatError, match="null"):
            snapshot.column("roots", "target")
        with pytest.raises(SnapshotFormatError, match=r"roots\.parquet"):
            snapshot.table("roots")


def test_what_a_later_version_adds_is_ignored(path: Path):
    """Given further columns, tables and keys, then what is known is read as before."""
    heap = sample_heap()
    names = heap.tables()["names"]
    more = names.append_column("colour", pa.array([1] * names.num_rows))
    members = {"names.parquet": parquet_bytes(more), "colours.parquet": b"anything"}
    repack(path, members, set_key("colour", "red"))
    with open_snapshot(path) as snapshot:
        snapshot.verify_all()
        assert snapshot.table("names").equals(names)


def test_a_column_that_an_older_file_does_not_have_is_zeros(path: Path):
    """Given objects without the parts of their ages, then all else is read as it is."""
    objects = sample_heap().tables()["objects"]
    repack(path, {"objects.parquet": parquet_bytes(without(objects, "age_part"))})
    with open_snapshot(path) as snapshot:
        snapshot.verify_all()
        assert not snapshot.column("objects", "age_part").any()
        assert snapshot.table("objects").equals(objects)
    repack(path, {"objects.parquet": parquet_bytes(without(objects, "age"))})
    assert "0 columns age" in refused(path).what


def test_a_table_that_an_older_file_does_not_have_is_empty(path: Path):
    """Given a file without the table native, then it opens, and only that table has no rows."""
    repack(
        path, {"native.parquet": None}, lambda manifest: manifest["members"].pop("native.parquet")
    )
    with open_snapshot(path) as snapshot:
        snapshot.verify_all()
        assert snapshot.row_count("native") == 0
        assert snapshot.table("native").equals(TABLES["native"].schema.empty_table())
        assert not len(snapshot.column("native", "bytes"))
        assert not len(snapshot.strings("native", "name"))
        assert snapshot.table("pools").num_rows


def test_a_table_that_the_manifest_promises_must_be_there(path: Path):
    """Given a file that lost the table native, then it is damaged."""
    repack(path, {"native.parquet": None})
    assert "missing" in refused(path).what


def test_a_file_inside_a_longer_file_is_still_whole(path: Path):
    """Given bytes before the zip, as a mail program may add them, then nothing is lost."""
    path.write_bytes(b"some bytes" + path.read_bytes())
    with open_snapshot(path) as snapshot:
        snapshot.verify_all()


def test_a_table_too_large_for_the_memory_is_no_damage(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Given a machine without the memory, then the error says so instead of blaming the file."""

    def refuse(*_arguments: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", refuse)
    with (
        open_snapshot(path) as snapshot,
        pytest.raises(HeapgraphError, match="not enough memory") as failure,
    ):
        snapshot.column("objects", "address")
    assert not isinstance(failure.value, SnapshotFormatError)
    assert len(failure.value.parts()) == 3


def test_damage_is_found_when_a_table_is_first_read(path: Path):
    """Given a flipped byte in one table, then opening is cheap and reads of the others succeed."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("references.parquet")
    content[info.header_offset + 100] ^= 1
    path.write_bytes(content)
    with open_snapshot(path) as snapshot:
        assert len(snapshot.column("objects", "address"))
        assert read_twice(snapshot) == 2


def read_twice(snapshot: SnapshotFile) -> int:
    failures = 0
    for _ in range(2):
        with pytest.raises(SnapshotFormatError, match=r"references\.parquet in .* is damaged"):
            snapshot.column("references", "target")
        failures += 1
    return failures


def test_verifying_reports_its_progress(path: Path):
    """Given a callback, then it hears of every table and may stop the work."""
    heard: list[tuple[str, int, int]] = []
    with open_snapshot(path) as snapshot:
        snapshot.verify_all(lambda *step: heard.append(step))

        def stop(*_step: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            snapshot.verify_all(stop)
    assert heard == [("verify", done, len(TABLES)) for done in range(len(TABLES))]
