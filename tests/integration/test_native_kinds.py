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

TURNS, NAMES, NAME_SIZE = 10, 8000, 64
"""Of the fixture: parsers, names in each, and the least that two strings and their link take."""

ALLOWED = 0.2
"""One of the five databases may be shared with a stream, by a word that cannot be told apart."""


def bytes_by_holder(
    interpreter: Interpreter, order: tuple[str, ...], folder: Path
) -> tuple[int, Counter[str]]:
    """Bytes of pages that the databases have, and estimates of all memory of C code by holder."""
    with start_target("native_kinds.py", *order, python=interpreter.path) as target:
        pages = int(target.ready.split()[1])
        result = dump(target.pid, folder / "kinds.heapgraph", method="clone")
    sizes = Counter[str]()
    for each in report_memory(HeapGraph.open(result.path)).native_owners:
        sizes["lost" if each.kind == "lost" else each.holder] += each.size  # statements as well
    return pages, sizes


@pytest.mark.parametrize("interpreter", some_interpreters(4))
@pytest.mark.parametrize("order", list(permutations(("streams", "databases"))))
def test_what_one_kind_left_behind_is_no_claim_to_another(
    interpreter: Interpreter, order: tuple[str, str], tmp_path: Path
) -> None:
    """Given windows and pages that were not written yet, in memory that others have had."""
    pages, sizes = bytes_by_holder(interpreter, order, tmp_path)
    assert sizes["__main__.POOL.connections"] == pytest.approx(pages, rel=ALLOWED)
    assert sizes["__main__.STREAMS"] == pytest.approx(STREAMS * STREAM_SIZE, rel=ALLOWED)


@pytest.mark.parametrize("interpreter", some_interpreters(4))
def test_where_a_stream_had_its_input_is_no_claim(interpreter: Interpreter, tmp_path: Path) -> None:
    """Given streams whose input was freed, and locks, in memory that a parser has had or has now.

    A stream keeps the address of its input, and half of a lock is never written.
    """
    _, sizes = bytes_by_holder(interpreter, ("turns",), tmp_path)
    streams, parsers = sizes["__main__.STREAMS"], sizes["__main__.POOL.connections"]
    assert streams > TURNS * STREAM_SIZE
    assert parsers > TURNS * NAMES * NAME_SIZE
    assert sizes["__main__.__dict__"] < (streams + parsers) / 100
    assert sizes["lost"] < (streams + parsers) / 100
