"""Memory whose address an object has as a number is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.memory import report_memory
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import NO_ROW, NativeGrade
from helpers.interpreters import each_interpreter
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter

BYTES = 100 * 40_000
ALLOWED = 0.1
"""In a program that lies at low addresses (Debian's) other data of its library look like pointers:
of a hundred blocks some are said to be the library's."""


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_a_block_is_not_lost_whose_address_an_int_has(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """Given blocks that ints, or pointers of ctypes, have the addresses of, and as many of which
    nobody has it, then only these are lost, and what an int has is said to be doubtful."""
    with start_target("addresses.py", python=interpreter.path) as target:
        result = dump(target.pid, tmp_path / "addresses.heapgraph")
    graph = HeapGraph.open(result.path)
    report = report_memory(graph)
    found = {(each.kind, each.type): each for each in report.native_owners if each.size > BYTES / 2}
    assert set(found) == {("object", "int"), ("object", "ctypes.c_void_p"), ("lost", "")}
    for each in found.values():
        assert each.size == pytest.approx(BYTES, rel=ALLOWED)
    ints, pointers = found["object", "int"], found["object", "ctypes.c_void_p"]
    assert (ints.holder, pointers.holder) == ("__main__.BUFFERS", "__main__.POINTERS")
    assert 100 >= ints.count == pytest.approx(100, rel=ALLOWED)
    assert 100 >= pointers.count == pytest.approx(100, rel=ALLOWED)
    assert ints.types_in_words == "int (its address)"
    native = graph.native
    has_owner = native.objects != NO_ROW
    types = graph.type_ids[native.objects[has_owner]]
    grades = native.grades[has_owner][graph.type_mask({"int"})[types]]
    assert set(grades.tolist()) == {NativeGrade.DOUBTFUL}


def test_numbers_that_lead_anywhere_into_blocks_are_no_addresses(tmp_path: Path) -> None:
    """Given more ints that lead into blocks than to their first bytes, then none is believed."""
    with start_target("addresses.py", "numbers") as target:
        result = dump(target.pid, tmp_path / "numbers.heapgraph")
    owners = report_memory(HeapGraph.open(result.path)).native_owners
    assert "int" not in [each.type for each in owners]
    lost = sum(each.size for each in owners if each.kind == "lost")
    assert lost == pytest.approx(2 * BYTES, rel=ALLOWED)
