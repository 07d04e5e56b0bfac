"""The columns of a walk are the same for every number of threads that read the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.capture.cpython.roots import find_roots, gc_list_heads
from heapgraph.capture.heap.walk import HeapWalk, static_ranges
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.maps import read_maps
from heapgraph.capture.process.memory import ProcessMemory
from heapgraph.native.walk_budget import WalkBudget
from helpers.core_files import stopped
from helpers.interpreters import some_interpreters
from helpers.running_target import start_target

if TYPE_CHECKING:
    from heapgraph.capture.heap.columns import HeapColumns
    from helpers.interpreters import Interpreter

THREADS = (1, 2, 3, 8)
MANY = 100_000
"""More objects than a thread takes at once, several times."""

OF_A_KIND = 8_000
CHANCE = {"bytes_read": 0, "done_again": 0}
"""How much of what is read ahead comes in time, and how often several threads found that they need
an order."""


def walked(pid: int, budget: WalkBudget | None = None) -> HeapColumns:
    """All columns of the heap of a process that stands still."""
    target = inspect_target(pid)
    maps = read_maps(pid)
    with ProcessMemory(pid) as memory:
        roots = find_roots(memory, target.layout, target.runtime_address)
        heads = gc_list_heads(memory, target.layout, target.runtime_address)
    walk = HeapWalk(pid, target.layout, target.version, maps, budget=budget)
    walk.discover(heads, roots.addresses, roots.scan_ranges, roots.running_frames)
    columns = walk.emit(static_ranges(maps, target.runtime_address, target.runtime_end))
    walk.forget_memory(columns)
    return columns


def assert_same(columns: HeapColumns, expected: HeapColumns) -> None:
    assert columns.arrays.keys() == expected.arrays.keys()
    for name, values in expected.arrays.items():
        np.testing.assert_array_equal(columns.arrays[name], values, err_msg=name)
    assert columns.counts | CHANCE == expected.counts | CHANCE
    assert columns.names == expected.names
    assert columns.types == expected.types


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_any_number_of_threads_makes_the_same_columns(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        start_target("plain_objects.py", OF_A_KIND, python=interpreter.path) as target,
        stopped(target.pid),
    ):
        for number in THREADS:
            monkeypatch.setattr("heapgraph.native.heap_walker.usable_threads", lambda n=number: n)
            columns = walked(target.pid)
            if number == 1:
                expected = columns
                assert columns.object_count > MANY
            assert_same(columns, expected)
            assert columns.counts["done_again"] == 0


def test_a_budget_ends_at_the_same_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given that threads leave out what others had not used, all is read once more in order."""
    with start_target("plain_objects.py", OF_A_KIND) as target, stopped(target.pid):
        whole = walked(target.pid).counts["references"]
        few = WalkBudget(
            objects=1 << 40, references=whole // 2, table_bytes=1 << 40, image_bytes=1 << 40
        )
        results = []
        for number in (1, 3):
            monkeypatch.setattr("heapgraph.native.heap_walker.usable_threads", lambda n=number: n)
            results.append(walked(target.pid, few))
    assert results[0].counts["references"] == whole // 2
    assert results[0].counts["left_out"] > 0
    assert [one.counts["done_again"] for one in results] == [0, 2]
    assert_same(*results)
