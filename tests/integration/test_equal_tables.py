"""Whatever the method, the tables are the same: objects, references, sizes, names, roots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.dump import dump
from helpers.core_files import assert_same_heap
from helpers.interpreters import some_interpreters
from helpers.methods import methods_here
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter


@pytest.mark.parametrize("interpreter", some_interpreters(12))
def test_every_method_gives_the_same_tables(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given a process that waits, also types that only their traverse functions know are exact."""
    with start_target("kinds.py", python=interpreter.path) as target:
        results = {
            method: dump(target.pid, tmp_path / method, method=method) for method in methods_here()
        }
    expected = results.pop("clone")
    assert expected.quality["traversed_objects"] > 0
    for method, result in results.items():
        assert result.method == method
        assert_same_heap(result, expected)
        assert result.quality["traversed_objects"] == expected.quality["traversed_objects"]
