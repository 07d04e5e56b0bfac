"""References whose name or key was not found, as heapgraph writes them of damaged heaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import NO_LABEL, EdgeKind
from heapgraph.snapshot.checks import LABEL_IS_NAME, LABEL_IS_OBJECT
from heapgraph.tui import places
from helpers.app_heap import app_heap
from helpers.arrow_tables import table_from_rows
from helpers.browser import page_of, session_of
from helpers.cli import invoke

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.heaps import HeapBuilder

COMMANDS = (
    ("summary",),
    ("dominators", "--depth", "9"),
    ("dominators", "@2"),
    ("path", "type:*"),
    ("path", "@2"),
    ("suspects",),
    ("threads",),
    ("waste",),
    ("sql", "select * from named_refs"),
    ("diff", "{file}"),
)
NAMED = (*LABEL_IS_OBJECT, *LABEL_IS_NAME)


def unnamed(heap: HeapBuilder, kinds: tuple[EdgeKind, ...], path: Path) -> Path:
    """A file in which no reference of these kinds says what it is called."""
    tables = heap.tables()
    rows = tables["references"].to_pylist()
    for row in rows:
        if row["kind"] in kinds:
            row["label"] = NO_LABEL
    tables = tables | {"references": table_from_rows("references", rows)}
    heap.tables = lambda: tables  # type: ignore[method-assign]
    return heap.write(path)


@pytest.mark.parametrize("kinds", [NAMED, *((kind,) for kind in NAMED)], ids=str)
def test_no_command_takes_it_for_a_defect(tmp_path: Path, kinds):
    path = unnamed(app_heap(), kinds, tmp_path / "a.heapgraph")
    objects = HeapGraph.open(path).object_count if kinds == NAMED else 0
    every = [("show", f"@{number}") for number in range(objects)]
    for name, *arguments in (*COMMANDS, *every):
        words = (word.format(file=path) for word in arguments)
        outcome = invoke(name, path, *words)
        assert outcome.code in (0, 2), (name, arguments, outcome.stderr)
        assert "defect" not in outcome.stderr
        assert str(NO_LABEL) not in outcome.stdout


@pytest.mark.parametrize("kinds", [NAMED, *((kind,) for kind in NAMED)], ids=str)
def test_no_page_of_the_browser_takes_it_for_a_defect(tmp_path: Path, kinds):
    session = session_of(HeapGraph.open(unnamed(app_heap(), kinds, tmp_path / "a.heapgraph")))
    shown = [
        kind(number)
        for number in range(session.graph.object_count)
        for kind in (places.Inspect, places.PathTo, places.DominatorsOf)
    ]
    for place in (*shown, places.Overview(), places.Types(), places.MergedPathsTo("type:*")):
        page = page_of(session, place)
        for table in page.tables:
            for index in range(len(table)):
                assert table.row(index).cells


def test_such_a_step_says_that_it_is_not_known(tmp_path: Path):
    path = unnamed(app_heap(), NAMED, tmp_path / "a.heapgraph")
    graph = HeapGraph.open(path)
    user = int(np.flatnonzero(graph.type_ids == graph.type_names.index("app.sessions.User"))[0])
    outcome = invoke("path", path, f"@{user}")
    assert "[<...>]" in outcome.stdout


def test_verify_counts_them(tmp_path: Path):
    path = unnamed(app_heap(), NAMED, tmp_path / "a.heapgraph")
    outcome = invoke("verify", path)
    assert outcome.code == 1
    assert "references have a name or key that was not found" in outcome.stdout
    assert invoke("verify", app_heap().write(tmp_path / "b.heapgraph")).code == 0
