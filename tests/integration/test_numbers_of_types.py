"""A heap is read whatever the number of its types: lists of them grow in steps of powers of two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

AROUND = 3


@pytest.mark.parametrize("boundary", [512, 1024])
def test_heaps_with_about_as_many_types_as_a_list_has_room_for(
    boundary: int, tmp_path: Path
) -> None:
    """Given bases that are learned last, when just then the list of types is full."""
    path = tmp_path / "types.heapgraph"
    with start_target("classes_by_number.py", 1) as target:

        def types() -> int:
            dump(target.pid, path, method="clone", force=True)
            return len(HeapGraph.open(path).type_names)

        target.send(str(boundary - types() - AROUND))
        target.read_line()
        counted = []
        for _ in range(2 * AROUND):
            counted.append(types())
            target.send("1")
            target.read_line()
    assert counted[0] < boundary < counted[-1]
    assert counted == list(range(counted[0], counted[0] + len(counted)))
