"""Sound heaps that do what few do: each is believed at the first freeze, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from helpers.interpreters import each_interpreter
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter


@pytest.fixture(params=each_interpreter())
def interpreter(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Interpreter:
    monkeypatch.setenv("HEAPGRAPH_CACHE", str(tmp_path / "cache"))
    return request.param


def _dumped(interpreter: Interpreter, heap: str, folder: Path) -> tuple[HeapGraph, dict[str, Any]]:
    """The heap of the fixture of that name, and the quality record."""
    file = folder / "unusual.heapgraph"
    with start_target("unusual_heaps.py", heap, python=str(interpreter.path)) as target:
        quality = dump(target.pid, file).quality
    return HeapGraph.open(file), quality


def _is_good(quality: dict[str, Any]) -> bool:
    return bool(quality["grade"] == "good" and quality["attempts"] == 1)


def test_immortal_objects_that_an_extension_counted_are_there(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """Given None, True and object with counts beyond 32 bits, nothing that leads there is lost."""
    graph, quality = _dumped(interpreter, "count_on", tmp_path)

    assert _is_good(quality), quality
    assert graph.type_name(resolve(graph, "__main__.KEPT[7]['rest'][0]")) == "NoneType"
    assert graph.preview(resolve(graph, "__main__.KEPT[7]['rest'][1]")) == "True"
    assert len(graph.referents(resolve(graph, "__main__.KEPT[7]['rest']"))) == 21


def test_a_metaclass_that_is_its_own_type_is_a_class(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    graph, quality = _dumped(interpreter, "own_metaclass", tmp_path)

    assert _is_good(quality), quality
    part, metaclass = (resolve(graph, f"__main__.KEPT[{place}]") for place in (0, 10))
    assert "Part" in graph.type_name(part)
    assert graph.type_name(metaclass) == "__main__.own_metaclass.<locals>.Meta"
    types = [each.target for each in graph.referents(metaclass) if each.target == metaclass]
    assert types, "it refers to itself as its type"
