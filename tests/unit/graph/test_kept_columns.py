"""Columns of large snapshots are decoded once, and never taken for those of another file."""

import numpy as np
import pytest

from heapgraph.graph import kept_columns
from heapgraph.graph.cache import CACHE_VARIABLE
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.snapshot.reader import SnapshotFile, open_snapshot
from helpers.heaps import draw_heap
from helpers.snapshot_files import parquet_bytes, repack

ARRAYS = ("addresses", "type_ids", "shallow_sizes", "flags", "targets", "edge_kinds", "labels")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(kept_columns, "KEPT_ROWS", 1)
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path):
    return draw_heap("* -> a, b -> c(70)\nc -> a").write(tmp_path / "a.heapgraph")


def columns_of(path) -> list[np.ndarray]:
    graph = HeapGraph.open(path)
    return [getattr(graph, name) for name in ARRAYS]


def test_a_second_run_decodes_nothing(file, monkeypatch):
    first = columns_of(file)
    monkeypatch.delattr(SnapshotFile, "column")
    for one, other in zip(first, columns_of(file), strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


def test_a_table_that_was_changed_under_the_same_id_is_read(file):
    columns_of(file)
    table = open_snapshot(file).table("objects")
    place = table.schema.get_field_index("shallow_size")
    sizes = np.arange(table.num_rows, dtype=np.uint64) + 1000
    changed = table.set_column(place, table.schema.field(place), [sizes])
    repack(file, {"objects.parquet": parquet_bytes(changed)})
    assert HeapGraph.open(file).shallow_sizes.tolist() == sizes.tolist()


def test_a_short_column_is_not_kept(file, folder, monkeypatch):
    monkeypatch.setattr(kept_columns, "KEPT_ROWS", 1000)
    columns_of(file)
    assert not list(folder.rglob("*.npy"))
