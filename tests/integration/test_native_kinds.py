"""Memory of C code of several kinds of objects in one process is not mixed up."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.memory import report_memory
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from helpers.interpreters import some_interpreters
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter

STREAMS, STREAM_SIZE = 60, 1 << 18
"""What deflateInit says of itself (zlib.h): 256 KiB with the largest window and level."""

ALLOWED = 0.2
"""One of the five databases may be shared with a stream, by a word that cannot be told apart."""


@pytest.mark.parametrize("interpreter", some_interpreters(4))
@pytest.mark.parametrize("order", list(permutations(("streams", "databases"))))
def test_what_one_kind_left_behind_is_no_claim_to_another(
    interpreter: Interpreter, order: tuple[str, str], tmp_path: Path
) -> None:
    """Given windows and pages that were not written yet, in memory that others have had."""
    with start_target("native_kinds.py", *order, python=interpreter.path) as target:
        pages = int(target.ready.split()[1])
        result = dump(target.pid, tmp_path / "kinds.heapgraph", method="clone")
    owners = report_memory(HeapGraph.open(result.path)).native_owners
    sizes = Counter[str]()
    for each in owners:
        sizes[each.holder] += each.size  # of statements as well
    assert sizes["__main__.POOL.connections"] == pytest.approx(pages, rel=ALLOWED)
    assert sizes["__main__.STREAMS"] == pytest.approx(STREAMS * STREAM_SIZE, rel=ALLOWED)
