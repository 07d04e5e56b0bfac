"""The retained size of many owners, against the bytes that really come back when one is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from helpers.interpreters import each_interpreter
from helpers.packages import EACH_SHAPE, each_with_packages, with_packages
from helpers.running_target import TARGETS, start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter

MIN_OWNERS = 60
MAX_ERROR_SHARE = 0.02
MAX_ERROR_BYTES = 256


def _errors(python: str, folder: Path, *options: str) -> tuple[int, dict[str, str]]:
    """Dump once, then drop one owner after the other; how far those that are off are off."""
    off = {}
    with start_target(TARGETS / "truth.py", *options, python=python, ready_limit_s=90) as target:
        dump(target.pid, folder / "truth.heapgraph")
        graph = HeapGraph.open(folder / "truth.heapgraph")
        if "--extensions" in options:
            target.send("missing")
            assert not target.read_line()
        target.send("names")
        names = target.read_line().split()
        names.remove("nothing")
        owners = [resolve(graph, f"truth_owners.OWNERS[{name!r}]") for name in names]
        # Those of most objects first: a collection of the target looks at all that is still there.
        tree = graph.dominators
        held = tree.order.subtree_count[owners]
        for place in np.argsort(held, kind="stable")[::-1].tolist():
            name, predicted = names[place], int(tree.retained_sizes[owners[place]])
            target.send(f"drop {name}")
            freed = int(target.read_line())
            if abs(predicted - freed) > max(MAX_ERROR_BYTES, MAX_ERROR_SHARE * freed):
                off[name] = f"predicted {predicted}, freed {freed}"
    return len(names), off


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_retained_size_is_what_comes_back(
    interpreter: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given owners of all kinds, when one is dropped, its retained size is freed."""
    monkeypatch.setenv("HEAPGRAPH_CACHE", str(tmp_path / "cache"))
    owners, off = _errors(str(interpreter.path), tmp_path)

    assert owners >= MIN_OWNERS
    assert not off


@pytest.mark.parametrize(("interpreter", "packages"), each_with_packages(EACH_SHAPE))
def test_objects_of_extensions_come_back(
    interpreter: Interpreter, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given owners made of what extension packages have, the same holds, all memory included."""
    monkeypatch.setenv("HEAPGRAPH_CACHE", str(tmp_path / "cache"))
    for name, value in with_packages(packages).items():
        monkeypatch.setenv(name, value)
    owners, off = _errors(str(interpreter.path), tmp_path, "--extensions", "--numpy")

    assert owners >= MIN_OWNERS + 50
    assert not off
