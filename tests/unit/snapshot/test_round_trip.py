"""What is written is what is read."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heapgraph.snapshot import open_snapshot, write_snapshot
from heapgraph.snapshot.checks import check_consistency
from heapgraph.snapshot.schema import FORMAT_VERSION, ROW_GROUP_ROWS, TABLES
from helpers.arrow_tables import table_from_columns, table_from_rows
from helpers.heaps import HeapBuilder
from helpers.snapshot_files import sample_heap

if TYPE_CHECKING:
    from pathlib import Path

PROMISED_BYTES_PER_OBJECT = 16


def large_heap(objects: int, references: int) -> dict[str, pa.Table]:
    """Tables of more than one row group, with the disorder of a real heap in every column."""
    random = np.random.default_rng(1)
    degrees = np.bincount(random.integers(0, objects, references), minlength=objects)
    is_text = random.random(objects) < 0.3
    previews = [f"session-{number:010d}" for number in random.integers(0, 10**10, objects)]
    tables = HeapBuilder().tables()
    tables["objects"] = table_from_columns(
        "objects",
        {
            "address": np.cumsum(random.integers(1, 9, objects) * 16).astype(np.uint64),
            "type": np.zeros(objects, np.uint32),
            "shallow_size": (random.integers(2, 12, objects) * 8).astype(np.uint64),
            "getsizeof": (random.integers(2, 12, objects) * 8).astype(np.uint64),
            "refcount": random.geometric(0.6, objects).astype(np.int64),
            "flags": random.integers(0, 4, objects).astype(np.uint16),
            "age": random.integers(0, 256, objects).astype(np.uint8),
            "age_part": random.integers(0, 256, objects).astype(np.uint8),
            "out_degree": degrees.astype(np.uint32),
            "preview": pa.array(previews, mask=~is_text),
        },
    )
    tables["references"] = table_from_columns(
        "references",
        {
            "target": random.integers(0, objects, references).astype(np.uint32),
            "label": random.integers(0, 1000, references).astype(np.uint32),
            "kind": random.integers(7, 9, references).astype(np.uint8),
            "flags": np.full(references, 3, np.uint8),
        },
    )
    builder = HeapBuilder()
    builder.type("object")
    tables["types"] = builder.tables()["types"]
    return tables


def test_every_table_comes_back_equal(tmp_path: Path):
    """Given a heap with rows in every table, when it is written and read, then nothing differs."""
    heap = sample_heap()
    with open_snapshot(heap.write(tmp_path / "a.heapgraph")) as snapshot:
        for name, table in heap.tables().items():
            assert table.num_rows > 0, name
            assert snapshot.table(name).equals(table), name
            assert snapshot.row_count(name) == table.num_rows
        snapshot.verify_all()
        check_consistency(snapshot)


def test_an_empty_heap_is_a_snapshot_too(tmp_path: Path):
    """Given no object at all, then every column can be read and is empty."""
    with open_snapshot(HeapBuilder().write(tmp_path / "a.heapgraph")) as snapshot:
        snapshot.verify_all()
        check_consistency(snapshot)
        for layout in TABLES.values():
            assert snapshot.table(layout.name).num_rows == 0
        assert snapshot.column("objects", "address").dtype == np.uint64
        assert len(snapshot.strings("objects", "preview")) == 0


def test_columns_have_the_types_of_the_schema(tmp_path: Path):
    """Given each column, then numbers are numpy arrays of its width and texts are StringArrays."""
    heap = sample_heap()
    tables = heap.tables()
    with open_snapshot(heap.write(tmp_path / "a.heapgraph")) as snapshot:
        for layout in TABLES.values():
            for column in layout.schema:
                expected = tables[layout.name].column(column.name).to_pylist()
                if pa.types.is_string(column.type):
                    texts = snapshot.strings(layout.name, column.name)
                    assert isinstance(texts, pa.StringArray)
                    assert texts.to_pylist() == expected
                else:
                    numbers = snapshot.column(layout.name, column.name)
                    assert numbers.dtype == column.type.to_pandas_dtype()
                    assert numbers.flags.c_contiguous
                    assert numbers.tolist() == expected


def test_asking_for_the_wrong_kind_of_column_is_an_error(tmp_path: Path):
    """Given text asked for as numbers, numbers as text, or a name that is not there."""
    with open_snapshot(sample_heap().write(tmp_path / "a.heapgraph")) as snapshot:
        with pytest.raises(KeyError, match="use strings"):
            snapshot.column("types", "name")
        with pytest.raises(KeyError, match="use column"):
            snapshot.strings("objects", "address")
        with pytest.raises(KeyError):
            snapshot.column("objects", "colour")


def test_a_large_heap_keeps_the_promised_size(tmp_path: Path):
    """Given several row groups and random targets, then order, values and the promise hold."""
    objects, references = ROW_GROUP_ROWS + 1000, 2 * ROW_GROUP_ROWS + 1
    tables = large_heap(objects, references)
    path = tmp_path / "a.heapgraph"
    write_snapshot(path, HeapBuilder().manifest(), tables)
    with open_snapshot(path) as snapshot:
        for name in ("objects", "references"):
            assert snapshot.table(name).equals(tables[name])
        targets = tables["references"].column("target").to_numpy()
        assert np.array_equal(snapshot.column("references", "target"), targets)
    assert path.stat().st_size / objects <= PROMISED_BYTES_PER_OBJECT


def test_tables_may_come_in_pieces_and_with_large_strings(tmp_path: Path):
    """Given chunked columns and 64-bit string offsets, then the file is the same."""
    tables = sample_heap().tables()
    manifest = HeapBuilder().manifest()
    write_snapshot(tmp_path / "whole.heapgraph", manifest, tables)
    objects = tables["objects"]
    place = objects.schema.get_field_index("preview")
    large = objects.set_column(place, "preview", objects.column("preview").cast(pa.large_string()))
    pieces = pa.concat_tables([large.slice(0, 1), large.slice(1)])
    write_snapshot(tmp_path / "pieces.heapgraph", manifest, tables | {"objects": pieces})
    whole, rebuilt = (tmp_path / f"{name}.heapgraph" for name in ("whole", "pieces"))
    assert whole.read_bytes() == rebuilt.read_bytes()


def test_the_manifest_describes_every_member(tmp_path: Path):
    """Given a written file, then unzip agrees with the manifest about sizes and checksums."""
    heap = sample_heap()
    path = tmp_path / "a.heapgraph"
    returned = write_snapshot(path, heap.manifest(snapshot_id="0123456789abcdef"), heap.tables())
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        infos = {info.filename: info for info in archive.infolist()}
        assert {info.compress_type for info in infos.values()} == {zipfile.ZIP_STORED}
        for name, member in manifest["members"].items():
            assert (member["size"], member["crc32"]) == (infos[name].file_size, infos[name].CRC)
            metadata = pq.read_metadata(io.BytesIO(archive.read(name)))
            assert member["rows"] == metadata.num_rows
    assert manifest == returned
    assert set(manifest["members"]) == set(infos) - {"manifest.json"}
    assert manifest["counts"]["objects"] == heap.tables()["objects"].num_rows
    assert (manifest["format"], manifest["format_version"]) == ("heapgraph", FORMAT_VERSION)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_text_that_utf8_cannot_hold_is_escaped(tmp_path: Path):
    """Given a file name with a lone surrogate, as the operating system allows, then it is kept."""
    heap = sample_heap()
    frame = {"thread": 0, "depth": 0, "function": "f", "line": 1, "code": 0, "file": "a\udcff.py"}
    frame["origin"] = 1
    tables = heap.tables() | {"frames": table_from_rows("frames", [frame])}
    manifest = heap.manifest(target=heap.manifest()["target"] | {"executable": "/bin/\udcff"})
    write_snapshot(tmp_path / "a.heapgraph", manifest, tables)
    with open_snapshot(tmp_path / "a.heapgraph") as snapshot:
        assert snapshot.strings("frames", "file").to_pylist() == ["a\\udcff.py"]
        assert snapshot.manifest["target"]["executable"] == "/bin/\udcff"


def test_many_threads_may_read_at_once(tmp_path: Path):
    """Given one open file, when eight threads read its columns, then all get the same."""
    path = tmp_path / "a.heapgraph"
    tables = large_heap(20_000, 30_000)
    write_snapshot(path, HeapBuilder().manifest(), tables)
    with open_snapshot(path) as snapshot, ThreadPoolExecutor(8) as pool:
        targets = list(pool.map(lambda _: snapshot.column("references", "target"), range(16)))
    expected = tables["references"].column("target").to_numpy()
    assert all(np.array_equal(read, expected) for read in targets)


def test_arrays_outlive_the_file(tmp_path: Path):
    """Given an array read before, when the snapshot is closed and deleted, then it is intact."""
    heap = sample_heap()
    path = heap.write(tmp_path / "a.heapgraph")
    with open_snapshot(path) as snapshot:
        addresses = snapshot.column("objects", "address")
    path.unlink()
    assert addresses.tolist() == heap.tables()["objects"].column("address").to_pylist()


def test_columns_that_do_not_fit_the_schema_are_refused():
    """Given a missing, an unknown, or an overflowing column, then no table is made of them."""
    with pytest.raises(KeyError):
        table_from_columns("names", {})
    with pytest.raises(ValueError, match="colour"):
        table_from_columns("names", {"name": [], "colour": []})
    with pytest.raises((ValueError, OverflowError)):
        table_from_rows("roots", [{"target": -1, "kind": 0, "name": "", "frame": 0, "count": 1}])


def test_a_few_texts_are_those_of_the_whole_column(tmp_path: Path):
    with open_snapshot(sample_heap().write(tmp_path / "a.heapgraph")) as snapshot:
        texts = snapshot.strings("objects", "preview").to_pylist()
        rows = list(range(len(texts)))[::-1]
        assert snapshot.strings_at("objects", "preview", rows) == texts[::-1]
        assert snapshot.strings_at("objects", "preview", []) == []
        with pytest.raises(IndexError, match="rows"):
            snapshot.strings_at("objects", "preview", [len(texts)])
        with pytest.raises(KeyError):
            snapshot.strings_at("objects", "address", [0])
