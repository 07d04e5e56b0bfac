"""Small files that ask for much memory are refused before anything of them is decoded."""

from __future__ import annotations

import io
import time
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heapgraph.errors import HeapgraphError, SnapshotFormatError
from heapgraph.snapshot import limits, open_snapshot
from heapgraph.snapshot.limits import (
    MAX_SMALL_ROWS,
    available_memory,
    bytes_problem,
    footer_problem,
    most_rows,
    unpacked_problem,
)
from heapgraph.snapshot.manifest import decode_manifest
from heapgraph.snapshot.pages import unpacked_size
from heapgraph.snapshot.schema import TABLES
from heapgraph.snapshot.table_encoder import write_table
from helpers.arrow_tables import table_from_rows
from helpers.cli import invoke
from helpers.snapshot_files import parquet_bytes, repack, sample_heap

if TYPE_CHECKING:
    from pathlib import Path

SMALL_TABLES = [name for name in TABLES if name not in ("objects", "references")]
MIB = 2**20


def run_of_equal_rows(table: str, rows: int, text: str = "x") -> bytes:
    """A table of many equal rows: some kilobytes, however many they are."""
    columns: dict[str, pa.Array] = {}
    for column in TABLES[table].schema:
        if pa.types.is_string(column.type):
            numbers = pa.array(np.zeros(rows, np.int32))
            columns[column.name] = pa.DictionaryArray.from_arrays(numbers, [text])
        else:
            columns[column.name] = pa.array(np.zeros(rows, column.type.to_pandas_dtype()))
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def sample_with(path: Path, table: str, data: bytes, rows: int) -> Path:
    """The sample heap with another table, whose checksum and rows are right."""

    def promise(manifest: dict[str, Any]) -> None:
        manifest["members"][f"{table}.parquet"]["rows"] = rows
        if table in manifest["counts"]:
            manifest["counts"][table] = rows

    repack(sample_heap().write(path), {f"{table}.parquet": data}, promise)
    return path


@pytest.mark.parametrize("table", SMALL_TABLES)
def test_more_rows_than_any_process_has_are_refused(tmp_path: Path, table: str):
    """Given a manifest that promises too many rows, then the file is refused when it is opened."""
    rows = most_rows(table, objects=100) + 1
    path = sample_with(tmp_path / "a.heapgraph", table, run_of_equal_rows(table, 10), rows)
    with pytest.raises(SnapshotFormatError, match=f"members.{table}.parquet.rows is {rows}"):
        open_snapshot(path)


@pytest.mark.parametrize("table", ["names", "types", "frames", "maps", "threads"])
def test_one_long_text_in_many_rows_is_not_written_out(tmp_path: Path, table: str):
    """Given 400 MB of text in a table of 2 KB, then it is refused before that memory is taken."""
    rows = 4000
    data = run_of_equal_rows(table, rows, "y" * 100_000)
    assert len(data) < 10_000
    path = sample_with(tmp_path / "a.heapgraph", table, data, rows)
    column = next(c.name for c in TABLES[table].schema if pa.types.is_string(c.type))
    with open_snapshot(path) as snapshot:
        before = pa.total_allocated_bytes()
        for read in (
            lambda: snapshot.table(table),
            lambda: snapshot.strings(table, column),
            lambda: snapshot.strings_at(table, column, [0]),
            snapshot.verify_all,
        ):
            with pytest.raises(SnapshotFormatError, match="its texts would take more than 256 MiB"):
                read()
        assert pa.total_allocated_bytes() - before < MIB


def test_a_preview_that_is_repeated_is_measured_first(tmp_path: Path):
    """Given previews that are far longer than 80 characters, as a dictionary, then they are not."""
    rows = 40_000
    data = run_of_equal_rows("objects", rows, "y" * 10_000)
    path = sample_with(tmp_path / "a.heapgraph", "objects", data, rows)
    with open_snapshot(path) as snapshot, pytest.raises(SnapshotFormatError, match="its texts"):
        snapshot.strings_at("objects", "preview", [0])


def test_ordinary_texts_may_come_as_dictionaries(tmp_path: Path):
    """Given many rows with short texts, then they are read as they are."""
    path = sample_with(tmp_path / "a.heapgraph", "names", run_of_equal_rows("names", 1000), 1000)
    with open_snapshot(path) as snapshot:
        assert snapshot.table("names").column("name").to_pylist() == ["x"] * 1000
        assert snapshot.strings("names", "name").type == pa.string()


@pytest.mark.parametrize("table", ["objects", "references"])
def test_more_rows_than_fit_into_the_bytes_are_refused(tmp_path: Path, table: str):
    """Given four million equal rows in some kilobytes, then it is refused when it is opened."""
    rows = 4_000_000
    numbers = {
        column.name: pa.array(np.zeros(rows, column.type.to_pandas_dtype()))
        for column in TABLES[table].schema
        if not pa.types.is_string(column.type)
    }
    sink = io.BytesIO()
    pq.write_table(  # in one page, so that nothing but one run is in the file
        pa.table(numbers),
        sink,
        compression="zstd",
        row_group_size=rows,
        data_page_size=2**30,
        max_rows_per_page=rows,
        write_batch_size=rows,
    )
    data = sink.getvalue()
    assert len(data) < 5_000
    path = sample_with(tmp_path / "a.heapgraph", table, data, rows)
    with pytest.raises(SnapshotFormatError, match=f"{table}.parquet in .* 4,000,000 rows, and no"):
        open_snapshot(path)


def even_rows(table: str, rows: int) -> pa.Table:
    """What heapgraph writes of the most even heap there can be, where every row says the same."""
    numbers = {"address": np.arange(rows, dtype=np.uint64) * 32 + 2**46}
    return pa.table(
        [
            pa.nulls(rows, column.type)
            if column.nullable
            else pa.array(numbers.get(column.name, np.zeros(rows, column.type.to_pandas_dtype())))
            for column in TABLES[table].schema
        ],
        schema=TABLES[table].schema,
    )


@pytest.mark.parametrize("table", ["objects", "references"])
def test_the_most_even_heap_there_can_be_is_read(table: str):
    """Given objects without a gap, and one object a million times in a list, then they fit."""
    rows = 2_000_000
    sink = io.BytesIO()
    write_table(sink, TABLES[table], even_rows(table, rows), lambda _: None)
    assert bytes_problem(table, rows, len(sink.getvalue())) == ""


def test_one_text_of_a_million_characters_is_not_unpacked(tmp_path: Path):
    """Given a preview that no heapgraph writes, then it is refused by what its page says."""
    heap = sample_heap()
    rows = heap.tables()["objects"].to_pylist()
    rows[0]["preview"] = "y" * 40_000_000
    sink = io.BytesIO()
    write_table(sink, TABLES["objects"], table_from_rows("objects", rows), lambda _: None)
    data = sink.getvalue()
    assert len(data) < 100_000
    path = sample_with(tmp_path / "a.heapgraph", "objects", data, len(rows))
    with open_snapshot(path) as snapshot:
        before = pa.total_allocated_bytes()
        with pytest.raises(SnapshotFormatError, match=r"its column preview unpacks to 38\.1 MiB"):
            snapshot.column("objects", "address")
        assert pa.total_allocated_bytes() - before < MIB


@pytest.mark.parametrize("packed", [b"", b"\x15", b"\x15\x00\x15\xff\xff\xff\xff\xff", b"\x00"])
def test_what_is_no_header_of_a_page_is_refused(packed: bytes):
    """Given bytes that say nothing, or a number without an end, then that is said."""
    metadata = pq.read_metadata(io.BytesIO(data := parquet_bytes(pa.table({"name": ["a"]}))))
    start = metadata.row_group(0).column(0).dictionary_page_offset
    broken = data[:start] + packed + bytes(len(data) - start - len(packed))
    assert "its column name is not readable" in unpacked_problem(
        "names", metadata, memoryview(broken)
    )


def test_every_page_says_how_much_it_unpacks_to(tmp_path: Path):
    """Given a file of heapgraph, then the pages and the footer agree but for the headers."""
    path = sample_heap().write(tmp_path / "a.heapgraph")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if "parquet" in name}
    for data in files.values():
        metadata = pq.read_metadata(io.BytesIO(data))
        for place in range(metadata.num_columns):
            column = metadata.row_group(0).column(place)
            size = unpacked_size(memoryview(data), column)
            assert 0 < size < column.total_uncompressed_size


def test_a_manifest_of_millions_of_values_is_refused(tmp_path: Path):
    """Given a manifest of empty lists, each of which would take 64 bytes, then it is not parsed."""
    data = b'{"format": "heapgraph", "x": [' + b"[]," * 2**23 + b"[]]}"
    with pytest.raises(SnapshotFormatError, match="it has some 16,777,2"):
        decode_manifest(data, tmp_path / "a.heapgraph")


def test_a_long_command_line_is_shown_by_its_beginning(tmp_path: Path):
    """Given a command line of 20 MB, then the summary has the beginning of it, and soon."""
    path = sample_heap().write(tmp_path / "a.heapgraph")

    def lengthen(manifest: dict[str, Any]) -> None:
        manifest["target"]["command_line"] = ["python", "x" * 20_000_000]

    repack(path, change=lengthen)
    before = time.monotonic()
    outcome = invoke("summary", path)
    assert outcome.code == 0
    assert 4_000 < outcome.stdout.count("x") < 5_000
    assert time.monotonic() - before < 10


def test_a_text_encoded_by_its_predecessor_is_refused(tmp_path: Path):
    """Given an encoding in which a byte can mean "the megabyte before", then it is not decoded."""
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"name": ["y" * 1000] * 10}),
        sink,
        use_dictionary=False,
        column_encoding={"name": "DELTA_BYTE_ARRAY"},
    )
    path = sample_with(tmp_path / "a.heapgraph", "names", sink.getvalue(), 10)
    with open_snapshot(path) as snapshot, pytest.raises(SnapshotFormatError, match="no heapgraph"):
        snapshot.strings("names", "name")


def with_values(data: bytes, rows: int, values: int) -> bytes:
    """A Parquet file whose footer promises another number of values in the first column.

    Below 64 the number takes one byte, so that it can be changed in place.
    """
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for place in range(footer, len(data) - 8):
        if data[place] != 2 * rows:
            continue
        changed = data[:place] + bytes([2 * values]) + data[place + 1 :]
        try:
            metadata = pq.read_metadata(io.BytesIO(changed))
        except (pa.ArrowException, OSError):
            continue
        if metadata.row_group(0).column(0).num_values == values:
            return changed
    raise AssertionError("no such number in the footer")


def test_a_footer_that_contradicts_itself_is_refused(tmp_path: Path):
    """Given a column of more values than its row group has rows, which pyarrow would decode."""
    data = with_values(parquet_bytes(pa.table({"name": ["a", "b", "c"]})), 3, 60)
    path = sample_with(tmp_path / "a.heapgraph", "names", data, 3)
    with open_snapshot(path) as snapshot, pytest.raises(SnapshotFormatError) as failure:
        snapshot.strings("names", "name")
    assert "name has 60 values in row group 0 of 3 rows" in failure.value.what


def test_a_row_group_larger_than_any_is_refused(monkeypatch: pytest.MonkeyPatch):
    """Given a row group of more rows than are decoded at a time, then the footer is not good."""
    monkeypatch.setattr(limits, "MAX_GROUP_ROWS", 9)
    metadata = pq.read_metadata(io.BytesIO(run_of_equal_rows("names", 10)))
    assert footer_problem(metadata, 10) == "row group 0 has 10 rows"
    assert footer_problem(metadata, 11) == "it has 10 rows, the manifest says 11"


def test_an_array_larger_than_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Given a column of more bytes than there are free, then it is said, and nothing is taken."""
    path = sample_heap().write(tmp_path / "a.heapgraph")
    monkeypatch.setattr(limits, "_WORTH_A_LOOK", 0)
    monkeypatch.setattr(limits, "available_memory", lambda: 10)
    with open_snapshot(path) as snapshot, pytest.raises(HeapgraphError) as failure:
        snapshot.column("objects", "address")
    assert "not enough memory to read objects" in failure.value.what


def test_the_free_memory_is_read_from_the_system(tmp_path: Path):
    """Given /proc/meminfo, then what is available and the free swap count; else no limit."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable: 5 kB\nSwapFree: 2 kB\nHugePages_Total: 0\n")
    assert available_memory(meminfo) == 7 * 1024
    assert available_memory(tmp_path / "none") >= 2**63
    assert most_rows("frames", 0) == MAX_SMALL_ROWS
