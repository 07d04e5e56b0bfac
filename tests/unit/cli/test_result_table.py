"""A result without a layout of its own: its values and rows, each as its unit is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from heapgraph.analysis.results import TableResult, not_serialized, units_of
from heapgraph.cli.questions import Asked
from heapgraph.cli.result_table import print_result
from heapgraph.units import Bytes, Count, ObjectId, Seconds, Share, TypeName, Unit


@dataclass(frozen=True)
class Row:
    """One row."""

    id: ObjectId
    type: TypeName
    own_size: Bytes
    share: Share
    count: Count | None = None
    parts: tuple[Count, ...] = ()
    internal: int = not_serialized()


@dataclass(frozen=True)
class Found(TableResult):
    """Rows, and values beside them."""

    rows_field: ClassVar[str] = "found"

    found: tuple[Row, ...]
    took: Seconds
    total_size: Bytes
    left_out: int = not_serialized()


FOUND = Found((Row(7, "app.User", 2048, 0.25), Row(8, "list", 10, 0.5, 1200)), 1.5, 4096, 3)


def test_rows_and_values_are_printed_by_their_units(capsys):
    print_result(FOUND, Asked("app.heapgraph", {}))
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert lines == [
        ["took", "1.50", "s"],
        ["total", "4.00", "KiB"],
        [],
        ["id", "type", "own", "share", "count"],
        ["@7", "app.User", "2.00", "KiB", "25.0", "%"],
        ["@8", "list", "10", "B", "50.0", "%", "1,200"],
    ]
    assert "3 more found" in printed.err


def test_units_are_those_that_are_declared():
    assert units_of(Row) == {
        "id": Unit.OBJECT_ID,
        "type": Unit.TYPE,
        "own_size": Unit.BYTES,
        "share": Unit.SHARE,
        "count": Unit.COUNT,
        "parts": Unit.COUNT,
    }
    assert FOUND.units()["found"] == units_of(Row)
    assert list(FOUND.to_dict()) == ["found", "took", "total_size"]
