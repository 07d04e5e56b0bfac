"""Small files that ask for much memory are refused before anything of them is decoded."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heapgraph.errors import HeapgraphError, SnapshotFormatError
from heapgraph.snapshot import limits, open_snapshot
from heapgraph.snapshot.limits import MAX_SMALL_ROWS, available_memory, footer_problem, most_rows
from heapgraph.snapshot.schema import TABLES
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
