"""Every format is written by one door, with its inputs checked and nothing overwritten."""

from __future__ import annotations

import stat

import pytest

from heapgraph.errors import HeapgraphError, ObjectNotFound, OutputNotWritten, UsageError
from heapgraph.export.registry import EXPORTERS
from helpers.app_heap import app_heap, graph_of
from helpers.graphviz_program import needs_dot
from helpers.heaps import draw_heap

BEGINS = {"dot": b"digraph", "svg": b"<?xml", "pprof": b"\x1f\x8b"}
DRAWINGS = ("dot", "svg")


@pytest.fixture(scope="module")
def graph():
    return graph_of(app_heap())


def named(names):
    return [pytest.param(name, marks=needs_dot if name == "svg" else ()) for name in names]


@pytest.fixture(params=named(DRAWINGS))
def exporter(request):
    return EXPORTERS[request.param]


@pytest.mark.parametrize("name", named(EXPORTERS))
def test_a_file_is_for_its_owner_and_is_not_overwritten(graph, name, tmp_path):
    exporter = EXPORTERS[name]
    path = tmp_path / f"x{exporter.suffix}"
    inputs = {"object": "app.sessions.CACHE"} if name in DRAWINGS else {}
    exporter.export(graph, path, **inputs)
    assert path.read_bytes().startswith(BEGINS[name])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OutputNotWritten):
        exporter.export(graph, path, **inputs)
    exporter.export(graph, path, force=True, **inputs)


def test_a_drawing_takes_options(graph, exporter, tmp_path):
    path = tmp_path / f"x{exporter.suffix}"
    exporter.export(graph, path, object="app.sessions.CACHE", dominators=True)
    assert path.read_bytes().startswith(BEGINS[exporter.name])


@pytest.mark.parametrize(
    "case",
    [
        ({}, UsageError, "needs object"),
        ({"object": "@1", "colour": "red"}, UsageError, "has no parameter colour"),
        ({"object": "@1", "count": 0}, UsageError, "a count of 0"),
        ({"object": "@999999"}, ObjectNotFound, "@999999"),
    ],
)
def test_inputs_are_checked(graph, exporter, tmp_path, case):
    inputs, error, what = case
    path = tmp_path / f"x{exporter.suffix}"
    with pytest.raises(error, match=what):
        exporter.export(graph, path, **inputs)
    assert not path.exists()


def test_what_nothing_keeps_alive_cannot_be_drawn(exporter, tmp_path):
    heap = draw_heap("garbage")
    with pytest.raises(HeapgraphError) as failure:
        exporter.export(graph_of(heap), tmp_path / "x", object=heap.ids["garbage"])
    what, cause, hint = failure.value.parts()
    assert what == f"nothing keeps @{heap.ids['garbage']} alive"
    assert "garbage" in cause
    assert f"heapgraph show FILE @{heap.ids['garbage']}" in hint
