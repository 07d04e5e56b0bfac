"""The line at which a function stands that is not running is the one that Python says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.expressions import expression
from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.analysis.expressions.segments import edges_of
from heapgraph.analysis.expressions.suspended_functions import suspended_place
from heapgraph.model import EdgeKind
from helpers.interpreters import each_interpreter
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target

if TYPE_CHECKING:
    from heapgraph.graph.heap_graph import HeapGraph

MIN_KNOWN, MIN_NAMED = 30, 10


@pytest.fixture(scope="module", params=each_interpreter())
def dumped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[HeapGraph, dict[int, int]]:
    """The program's snapshot, and what it says itself: objects with their lines."""
    with start_target("standing.py", python=request.param.path) as target:
        lines = json.loads(target.read_line())
        graph = dump_graph(target, tmp_path_factory.mktemp("standing") / "x.heapgraph")
    return graph, {graph.find_address(int(address)): line for address, line in lines.items()}


def has_variables(graph: HeapGraph, object_id: int) -> bool:
    """Whether expressions may begin at its variables: not a frame whose generator has them."""
    return len(edges_of(graph, object_id, EdgeKind.LOCAL)) > 0


def test_every_line_is_the_one_that_python_says(
    dumped: tuple[HeapGraph, dict[int, int]],
) -> None:
    graph, said = dumped
    found = {each: graph.standing_lines.line(each) for each in said}
    assert len(found) >= MIN_KNOWN
    assert found == said
    ended = resolve(graph, "__main__.ENDED[0]")
    assert graph.type_name(ended) == "generator"
    assert graph.standing_lines.line(ended) is None


def test_names_have_that_line(dumped: tuple[HeapGraph, dict[int, int]]) -> None:
    graph, standing = dumped
    named = 0
    for object_id, line in standing.items():
        if has_variables(graph, object_id):
            assert suspended_place(graph, object_id).endswith(f" at standing.py:{line}")
            named += 1
        for reference in graph.referents(object_id):
            text = expression(graph, reference.target)
            assert resolve(graph, text) == reference.target, text
    assert named >= MIN_NAMED
