"""Memory that mmap objects have mapped belongs to them, as long as the kernel cannot drop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from helpers.interpreters import each_interpreter
from helpers.running_target import TARGETS, start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter

MIB = 1 << 20
OWNED = {"anonymous": 3 * MIB, "private": 2 * MIB, "shared": 4 * MIB, "written": MIB}
NOTHING = ("file", "closed", "untouched")


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_what_is_mapped_and_is_no_file_is_the_objects(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    program = TARGETS / "mapped_objects.py"
    with start_target(program, str(tmp_path), python=str(interpreter.path)) as target:
        dump(target.pid, tmp_path / "mapped.heapgraph")
    graph = HeapGraph.open(tmp_path / "mapped.heapgraph")

    def native(name: str) -> int:
        return int(graph.native_retained[resolve(graph, f"__main__.KEPT[{name!r}]")])

    assert {name: native(name) for name in OWNED} == OWNED
    assert {name: native(name) for name in NOTHING} == dict.fromkeys(NOTHING, 0)
    assert native("shared") == int(
        graph.native_sizes[resolve(graph, "__main__.KEPT['shared']._mmap")]
    )
