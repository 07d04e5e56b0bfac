"""`y`: the command line of a page, run, gives the rows of the page."""

from __future__ import annotations

import shlex

import pytest

from heapgraph.tui import places
from helpers.app_heap import app_heap, graph_of
from helpers.browser import cells_of, page_of, quiet, session_of
from helpers.cli import invoke


@pytest.fixture(scope="module")
def session(heap, tmp_path_factory):
    """A session on it, whose file is there."""
    path = heap.write(tmp_path_factory.mktemp("snapshots") / "app one.heapgraph")
    prepared = session_of(graph_of(heap))
    prepared.file = str(path)
    return prepared


def document_of(session, page):
    """The JSON document of the page's command line."""
    line = session.command_line(page)
    program, *words = shlex.split(line)
    assert program == "heapgraph"
    outcome = invoke(*words, "--json")
    assert outcome.code == 0, outcome.stderr
    return outcome.document


def ids_of(page, number: int = 0) -> list[int]:
    """The objects of a list of a page."""
    table = page.tables[number]
    return [table.row(index).object_id for index in range(len(table))]


def do(page, *names: str) -> None:
    """What keys do on a page."""
    for name in names:
        page.commands[name].run(None, quiet)


@pytest.mark.parametrize("of", [None, "CACHE", "user", "app.sessions"])
@pytest.mark.parametrize("keys", [[], ["raw"]])
def test_the_dominator_tree(session, heap, of, keys):
    page = page_of(session, places.DominatorsOf(None if of is None else heap.ids[of]))
    do(page, *keys)
    rows = document_of(session, page)["objects"]
    assert [row["id"] for row in rows] == ids_of(page)[: len(rows)]
    assert len(rows) == min(20, len(page.tables[0]))


def test_a_tree_that_no_command_shows_has_no_command_line(session):
    for key in ("regroup", "sort"):
        page = page_of(session, places.DominatorsOf())
        do(page, key)
        assert session.command_line(page) is None


@pytest.mark.parametrize(
    "text", ["type:dict", "type:app.*", "value:ad", "sess", "type:app.sessions.User"]
)
@pytest.mark.parametrize("sorts", [0, 1, 2])
def test_the_objects_of_a_search(session, text, sorts):
    page = page_of(session, places.ObjectSet(text))
    do(page, *["sort"] * sorts)
    document = document_of(session, page)
    assert [row[0] for row in document["rows"]] == ids_of(page)


@pytest.mark.parametrize("text", ["type:dict", "value:ad", "sess"])
def test_the_types_of_a_search(session, text):
    page = page_of(session, places.Types(text))
    shown = {row[3]: row[4] for row in cells_of(page)}
    assert {row[0]: f"{row[1]:,}" for row in document_of(session, page)["rows"]} == shown


@pytest.mark.parametrize("kind", ["module", "frame", "c-held"])
def test_the_roots_of_a_kind(session, kind):
    page = page_of(session, places.RootsOf(kind))
    assert {row[0] for row in document_of(session, page)["rows"]} == set(ids_of(page))


def test_one_object(session, heap):
    page = page_of(session, places.Inspect(heap.ids["CACHE"]))
    document = document_of(session, page)
    assert document["object"]["id"] == heap.ids["CACHE"]
    assert [row["id"] for row in document["referrers"]] == ids_of(page, 1)


@pytest.mark.parametrize("turns", [0, 1])
def test_a_path(session, heap, turns):
    page = page_of(session, places.PathTo(heap.ids["bob"]))
    do(page, "raw", *["next_path"] * turns)
    shown = int(dict(page.facts)["path"].partition(" ")[0]) - 1
    paths = document_of(session, page)["paths"]
    assert [step["id"] for step in paths[shown]["steps"]] == ids_of(page)


def test_a_path_without_one_reference_has_no_command_line(session, heap):
    page = page_of(session, places.PathTo(heap.ids["bob"]))
    place = page.commands["exclude_reference"].run(None, quiet)
    assert session.command_line(page_of(session, place)) is None


def test_the_holders_of_a_set(session):
    page = page_of(session, places.MergedPathsTo("type:app.sessions.User"))
    paths = document_of(session, page)["paths"]
    assert [path["expression"] for path in paths] == [row[3] for row in cells_of(page)]


@pytest.mark.parametrize(
    ("name", "key"), [("suspects", "suspects"), ("waste", "findings"), ("threads", "threads")]
)
def test_an_analysis(session, name, key):
    page = page_of(session, places.AnalysisOf(name))
    table = page.tables[0]
    for index in reversed(range(len(table))):
        table.close(index)
    assert len(document_of(session, page)[key]) == len(table)


@pytest.mark.parametrize("is_older", [True, False])
def test_a_comparison(session, tmp_path, is_older):
    created = "2025-01-01T00:00:00Z" if is_older else "2027-01-01T00:00:00Z"
    other = app_heap()
    other.object("app.Row", size=70)
    path = other.write(tmp_path / "other.heapgraph", created=created)
    page = page_of(session, places.Compared((str(path),)))
    names = [row[2] for row in cells_of(page)]
    document = document_of(session, page)
    assert [row["type"] for row in document["types"]] == names
    assert names == ([] if is_older else ["app.Row"])


def test_a_page_that_is_no_command_has_no_command_line(session):
    for place in (places.AnalysisOf("holders"), places.Bookmarks(), places.Analyses()):
        assert session.command_line(page_of(session, place)) is None
