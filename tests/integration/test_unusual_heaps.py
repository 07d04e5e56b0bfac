"""Sound heaps that do what few do: each is believed at the first freeze, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import ObjectFlags, RootKind
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


def test_what_atexit_calls_are_roots_with_that_name(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """Given 2,001 methods that only atexit keeps, with arguments, all are named by it."""
    graph, quality = _dumped(interpreter, "exit_callbacks", tmp_path)

    assert _is_good(quality), quality
    rows = [row for row, name in enumerate(graph.roots.names) if name == "atexit callbacks"]
    targets = [int(graph.roots.targets[row]) for row in rows]
    types = [graph.type_name(target) for target in targets]
    if types == ["list"]:  # since 3.14
        types = [
            graph.type_name(part.target)
            for entry in graph.referents(targets[0])
            for part in graph.referents(entry.target)
        ]
    assert types.count("method") >= 2001
    assert types.count("dict") >= 2001
    assert quality["c_held"] < 100
    assert graph.unreachable_size < 100_000


def test_a_heap_of_interned_strings_is_a_sound_one(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    graph, quality = _dumped(interpreter, "interned", tmp_path)

    assert _is_good(quality), quality
    (table,) = graph.roots.targets[graph.roots.kinds == RootKind.INTERNED].tolist()
    assert graph.type_name(table) == "dict"
    if (quality["immortal_unreached"]) > 20_000:  # 3.12.0 to 3.12.6
        immortal = (graph.flags & ObjectFlags.IMMORTAL) != 0
        assert immortal.sum() > 30_000


def test_what_a_list_of_free_objects_still_points_at_is_garbage(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """Given dead cycles whose dicts were taken from that list, its words keep nothing."""
    graph, quality = _dumped(interpreter, "stale_words", tmp_path)

    assert _is_good(quality), quality
    assert graph.unreachable_size > 8 << 20
    assert quality["garbage"] >= 16


def test_bytes_behind_an_object_are_its_own(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given objects of 16 bytes in larger blocks, each has its block, but getsizeof is Python's."""
    graph, quality = _dumped(interpreter, "bytes_behind", tmp_path)

    assert _is_good(quality), quality
    objects = [resolve(graph, f"__main__.KEPT[{place}]") for place in range(6)]
    assert {int(graph.getsizeof[each]) for each in objects} == {16}
    sizes = [int(graph.shallow_sizes[each]) for each in objects]
    for asked, found in zip([16, 200, 512, 4000, 300000, 16], sizes, strict=True):
        assert asked <= found < asked + (4096 if asked > 100000 else 32), sizes
    assert sizes[0] == sizes[5] == 16
