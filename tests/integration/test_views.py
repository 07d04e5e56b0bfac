"""What views hide of their buffers: nothing where they show all of it, one by one or together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.analysis.detectors.pinned import hidden_sizes
from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.analysis.waste import find_waste
from helpers.interpreters import Interpreter, each_interpreter
from helpers.live_graphs import dump_graph
from helpers.packages import EACH_SHAPE, each_with_packages, with_packages
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.graph.heap_graph import HeapGraph

LARGE, ROW = 100_000, 160


def hidden_below(graph: HeapGraph, name: str) -> dict[int, int]:
    """Bytes that are hidden of the buffers which one list keeps."""
    bases, sizes = hidden_sizes(graph)
    inside = np.isin(bases, graph.dominators.dominated(resolve(graph, f"__main__.{name}")))
    return dict(zip(bases[inside].tolist(), sizes[inside].tolist(), strict=True))


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_memoryviews_hide_what_none_of_them_shows(interpreter: Interpreter, tmp_path: Path) -> None:
    with start_target("views_of_buffers.py", python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    headers = hidden_below(graph, "HEADERS")
    assert len(headers) == 12
    assert all(LARGE - 16 <= size < LARGE + 100 for size in headers.values())
    assert hidden_below(graph, "WHOLE") == {}
    assert hidden_below(graph, "PARTS") == {}
    (finding,) = find_waste(graph, detectors=["pinned-buffers"]).findings
    assert finding.count == 12
    assert finding.wasted_size == sum(headers.values())


@pytest.mark.parametrize(("interpreter", "packages"), each_with_packages(EACH_SHAPE))
def test_so_do_arrays(interpreter: Interpreter, packages: Path, tmp_path: Path) -> None:
    env = with_packages(packages)
    with start_target("views_of_buffers.py", python=interpreter.path, env=env) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    rows = hidden_below(graph, "ROWS")
    assert len(rows) == 12
    assert all(990 * ROW <= size < 990 * ROW + 300 for size in rows.values())
    assert hidden_below(graph, "TURNED") == {}
