"""A dict whose keys are its values keeps them, although the table of interned strings does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions import resolve
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import EdgeKind
from helpers.interpreters import Interpreter, each_interpreter
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

import pytest

COUNT = 1000


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_a_dict_whose_keys_are_its_values_keeps_them(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    with start_target("keys_as_values.py", python=interpreter.path) as target:
        result = dump(target.pid, tmp_path / "x.heapgraph")
    graph = HeapGraph.open(result.path)
    same = resolve(graph, "__main__.SAME")
    kinds = graph.edge_kinds[graph.offsets[same] : graph.offsets[same + 1]]
    assert np.count_nonzero(kinds == EdgeKind.VALUE) == COUNT
    assert np.count_nonzero(kinds == EdgeKind.WEAK) == 0
    assert result.quality["grade"] == "good"
