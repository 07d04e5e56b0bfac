"""What a snapshot says of every object, against what the interpreter itself says of it.

The thresholds are promises to users (README). A walk that gets one of them wrong is not a matter
of a slow or busy machine: nothing here depends on time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.dump import dump
from helpers.fidelity import dump_and_compare
from helpers.interpreters import each_interpreter
from helpers.running_target import TARGETS, start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter

MIN_KINDS = 100
MIN_TYPES = 250
MIN_EQUAL_REFERENCES = 0.9999
MIN_EQUAL_SIZES = 0.9995
MIN_EXPLAINED = 0.999
MAX_NEGATIVE = 0.001


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_snapshot_agrees_with_the_interpreter(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given a target with hundreds of kinds of objects, when it is dumped, all agrees."""
    kinds, result, fidelity = dump_and_compare(str(interpreter.path), tmp_path)

    assert kinds >= MIN_KINDS
    assert len(fidelity.compared) >= MIN_TYPES
    assert fidelity.reference_share >= MIN_EQUAL_REFERENCES, str(fidelity)
    assert fidelity.size_share >= MIN_EQUAL_SIZES, str(fidelity)
    # What the target made after the snapshot (its own account) cannot be in it.
    assert fidelity.missing.total() <= 2, str(fidelity)
    quality = result.quality
    unexplained = quality["garbage"] / result.objects
    assert 1 - unexplained >= MIN_EXPLAINED
    assert quality["negative_refcounts"] <= MAX_NEGATIVE * result.objects
    assert quality["invalid_references"] == 0
    assert quality["grade"] == "good", quality["reasons"]
    print(f"{interpreter.name}: {kinds} kinds, {fidelity}")  # noqa: T201 - the figures, with -s


@pytest.mark.parametrize("method", ["clone", "pause"])
def test_both_methods_see_the_same_heap(method: str, tmp_path: Path) -> None:
    """Given an idle target, when it is dumped twice, the same objects are found.

    References that only a traverse function names are missing where none may run.
    """
    with start_target(TARGETS / "kinds.py") as target:
        first = dump(target.pid, tmp_path / "auto.heapgraph")
        second = dump(target.pid, tmp_path / "other.heapgraph", method=method)  # type: ignore[arg-type]

    assert second.method == method
    assert first.objects == second.objects
    unnamed = first.quality["traversed_objects"] if method == "pause" else 0
    assert first.references - second.references in range(unnamed + 1)
