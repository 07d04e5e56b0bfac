"""Pages of analyses, roots and queries: rows, order and numbers are those of the command line."""

from __future__ import annotations

import pytest

from heapgraph.analysis.registry import REGISTRY
from heapgraph.analysis.summary import summarize
from heapgraph.analysis.suspects import find_suspects
from heapgraph.analysis.waste import find_waste
from heapgraph.tui import places
from heapgraph.units import format_count, format_size
from helpers.browser import cells_of, do, page_of


def test_a_kind_of_roots_opens_its_own_objects(session, heap):
    overview = page_of(session, places.Overview())
    roots = overview.tables[3]
    kinds = [root.kind for root in summarize(session.graph).roots]
    opened = [roots.row(index).place for index in range(len(roots))]
    assert {place.kind for place in opened} == set(kinds)
    assert len(set(opened)) == len(kinds)
    frames = page_of(session, places.RootsOf("frame"))
    assert [row[2] for row in cells_of(frames)] == [
        "<thread 'worker-3' in handle() at app.py:88> rows"
    ]
    assert frames.tables[0].row(0).place == places.Inspect(heap.ids["rows"])
    modules = page_of(session, places.RootsOf("module"))
    assert [row[2] for row in cells_of(modules)] == ["app.sessions", "app"]
    sizes = [session.graph.folded.retained_size(heap.ids[name]) for name in ("app.sessions", "app")]
    assert [row[0] for row in cells_of(modules)] == [format_size(size) for size in sizes]


@pytest.mark.parametrize("name", [n for n in REGISTRY if n not in ("paths", "show", "diff")])
def test_every_analysis_is_shown_by_the_shape_of_its_result(session, name):
    page = page_of(session, places.AnalysisOf(name))
    assert page.facts[0][0] in ("analysis", "suspects", "threads", "findings")
    for table in page.tables:
        for index in range(len(table)):
            assert len(table.row(index).cells) == len(table.columns)


def test_what_a_search_by_value_finds_is_shown_with_its_value(session, heap):
    page = page_of(session, places.ObjectSet("value:ad"))
    shown = {page.tables[0].row(n).object_id: row for n, row in enumerate(cells_of(page))}
    assert shown[heap.ids["ada"]][-1] == "'Ada'"
    assert page.tables[0].columns[-1].title == "value"
    plain = page_of(session, places.ObjectSet("type:app.sessions.User"))
    assert "value" not in [column.title for column in plain.tables[0].columns]


@pytest.mark.parametrize(
    ("query", "opens"),
    [
        ("select id from objects order by id limit 1", places.Inspect(0)),
        ("select source, target from refs where source = 1 limit 1", "target"),
        ("select * from threads", None),
        ("select * from frames", None),
        ("select 7 as number", None),
    ],
)
def test_rows_of_a_query_open_the_object_they_are_about(session, query, opens):
    page = page_of(session, places.AnalysisOf("sql", (("query", query),)))
    row = page.tables[0].row(0)
    if opens == "target":
        opens = places.Inspect(int(cells_of(page)[0][1].replace(",", "")))
    assert row.place == opens


def test_all_analyses_are_offered(session):
    names = [row[0] for row in cells_of(page_of(session, places.Analyses()))]
    assert set(names) == set(REGISTRY) - {"paths", "show"}


def test_a_suspect_unfolds_to_the_way_there(session):
    page = page_of(session, places.AnalysisOf("suspects"))
    suspects = find_suspects(session.graph).suspects
    assert [row[3] for row in cells_of(page)] == [f"▸ {s.expression}" for s in suspects]
    do(page, "expand")
    table = page.tables[0]
    steps = suspects[0].path.steps
    assert [table.row(1 + n).object_id for n in range(len(steps))] == [step.id for step in steps]
    table.cursor = 1
    do(page, "collapse")
    assert table.cursor == 0
    do(page, "collapse")
    assert len(table) == len(suspects)


def test_findings_are_those_of_waste_and_open_their_owners(session):
    page = page_of(session, places.AnalysisOf("waste"))
    findings = find_waste(session.graph).findings
    assert [row[:2] for row in cells_of(page)] == [
        (format_size(found.wasted_size), format_count(found.count)) for found in findings
    ]
    for index, found in enumerate(findings):
        row = page.tables[0].row(index)
        assert row.detail == found.advice
        assert row.place == places.Inspect(found.owner_ids[0])


def test_sql_rows_are_a_list(session):
    query = (
        "select type, count(*) as count from objects where type like 'app.%' group by 1 order by 1"
    )
    page = page_of(session, places.AnalysisOf("sql", (("query", query),)))
    assert [row[-1] for row in cells_of(page)] == ["1", "1", "2"]
    assert page.tables[0].row(0).place == places.ObjectSet("type:app.Response")
