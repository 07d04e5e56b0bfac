"""Tables that contradict one another are found, and the contradiction is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.errors import SnapshotFormatError
from heapgraph.model import NO_LABEL, NO_ROW, EdgeKind
from heapgraph.snapshot import open_snapshot, write_snapshot
from heapgraph.snapshot.checks import TableColumns, check_consistency
from heapgraph.snapshot.schema import TABLES
from helpers.arrow_tables import table_from_rows
from helpers.snapshot_files import sample_heap

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


def changed(table: str, row: int, **values: int) -> dict[str, pa.Table]:
    """Tables of the sample heap with some values of one row replaced."""
    tables = sample_heap().tables()
    rows = tables[table].to_pylist()
    rows[row] |= values
    return tables | {table: table_from_rows(table, rows)}


def test_the_sample_agrees_with_itself():
    """Given tables nobody changed, then there is nothing to say."""
    check_consistency(TableColumns(sample_heap().tables()))


@pytest.mark.parametrize(
    ("table", "row", "values", "said"),
    [
        ("objects", 0, {"type": 1000}, "type is 1000 at row 0, but only"),
        ("objects", 1, {"address": 0}, "address does not rise at row 1"),
        ("objects", 0, {"out_degree": 1000}, "out_degree adds up to"),
        ("objects", 0, {"shallow_size": 2**63}, "shallow_size adds up to more"),
        ("references", 2, {"target": 1000}, "target is 1000 at row 2, but only"),
        ("references", 2, {"target": NO_ROW}, "target is 4294967295 at row 2"),
        ("references", 1, {"kind": len(EdgeKind)}, "kind is 13 at row 1"),
        ("types", 1, {"object": 1000}, "object is 1000 at row 1"),
        ("roots", 0, {"target": 1000}, "target is 1000 at row 0"),
        ("roots", 0, {"kind": 200}, "kind is 200 at row 0"),
        ("roots", 1, {"frame": 1}, "frame is 1 at row 1, but only 1 exist"),
        ("frames", 0, {"thread": 1}, "thread is 1 at row 0, but only 1 exist"),
        ("frames", 0, {"code": 1000}, "code is 1000 at row 0"),
        ("frames", 0, {"origin": 4}, "origin is 4 at row 0, but only 4 exist"),
        ("codes", 0, {"object": 1000}, "object is 1000 at row 0"),
        ("codes", 0, {"object": NO_ROW}, "object is 4294967295 at row 0"),
        ("codes", 0, {"origin": 200}, "origin is 200 at row 0"),
        ("codes", 1, {"object": 0}, "object does not rise at row 1"),
        ("modules", 0, {"object": 1000}, "object is 1000 at row 0"),
        ("modules", 0, {"origin": 200}, "origin is 200 at row 0"),
        ("maps", 0, {"end": 1}, "a range ends before it starts"),
        ("regions", 0, {"end": 1}, "a range ends before it starts"),
        ("regions", 0, {"kind": 200}, "kind is 200 at row 0"),
        ("regions", 0, {"object": 1000}, "object is 1000 at row 0"),
        ("pools", 0, {"region": 1}, "region is 1 at row 0, but only 1 exist"),
    ],
)
def test_each_contradiction_is_named(table: str, row: int, values: dict[str, int], said: str):
    """Given one number that refers to nothing, then table, column, row and value are said."""
    with pytest.raises(SnapshotFormatError) as failure:
        check_consistency(TableColumns(changed(table, row, **values)))
    assert said in failure.value.what
    assert failure.value.member == TABLES[table].member
    assert len(failure.value.parts()) == 3


@pytest.mark.parametrize(
    ("kind", "label", "is_wrong"),
    [
        (EdgeKind.ATTRIBUTE, 1000, True),
        (EdgeKind.VALUE, 1000, True),
        (EdgeKind.LOCAL, NO_LABEL, False),
        (EdgeKind.SLOT, 1, True),
        (EdgeKind.FIELD, 0, False),
        (EdgeKind.WEAK, NO_LABEL, False),
        (EdgeKind.INDEX, 1000, False),
        (EdgeKind.UNNAMED, 1000, False),
    ],
)
def test_labels_are_checked_by_what_they_mean(kind: EdgeKind, label: int, is_wrong: bool):
    """Given a label, then it must exist if it is an object or a name, and else may be anything."""
    columns = TableColumns(changed("references", 0, kind=int(kind), label=label))
    if not is_wrong:
        check_consistency(columns)
        return
    with pytest.raises(SnapshotFormatError, match=f"label is {label} at row 0"):
        check_consistency(columns)


def test_a_file_is_checked_like_tables(tmp_path: Path):
    """Given a whole file with a contradiction inside, then its checksums hold but this does not."""
    path = tmp_path / "a.heapgraph"
    tables = changed("references", 0, target=1000)
    write_snapshot(path, sample_heap().manifest(), tables)
    with open_snapshot(path) as snapshot:
        snapshot.verify_all()
        with pytest.raises(SnapshotFormatError, match="target is 1000"):
            check_consistency(snapshot)
