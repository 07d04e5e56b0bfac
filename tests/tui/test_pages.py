"""What pages say: rows, order and numbers, which are those of the command line."""

from __future__ import annotations

import numpy as np
import pytest

from heapgraph.analysis.dominators import largest_objects
from heapgraph.analysis.histogram import type_histogram
from heapgraph.analysis.holders import find_holders
from heapgraph.analysis.paths import paths_to
from heapgraph.analysis.show import show_object
from heapgraph.analysis.summary import summarize
from heapgraph.graph.cuts import freed_without
from heapgraph.model import EdgeKind
from heapgraph.tui import places
from heapgraph.tui.pages import root_path
from heapgraph.units import format_count, format_size
from helpers.app_heap import app_heap, graph_of
from helpers.browser import cells_of, do, page_of, quiet, session_of
from helpers.heaps import HeapBuilder, draw_heap


def test_the_overview_begins_with_what_is_big(session):
    page = page_of(session, places.Overview())
    titles = [table.title for table in page.tables]
    assert titles == ["leak suspects", "biggest holders", "resident memory", "roots"]
    holders = find_holders(session.graph, limit=12).objects
    assert [row[3] for row in cells_of(page, 1)] == [row.expression for row in holders]
    assert page.shares[0].share == holders[0].share
    memory = summarize(session.graph).memory
    assert [row[0] for row in cells_of(page, 2)][:2] == [
        format_size(memory.accounted_size),
        format_size(memory.group("objects")),
    ]
    assert all(table.row(index).place for table in page.tables for index in range(len(table)))


def test_the_tree_has_the_sizes_of_the_command_line(session):
    page = page_of(session, places.DominatorsOf())
    table = page.tables[0]
    shown = {table.row(index).object_id: table.row(index).cells for index in range(len(table))}
    for expected in largest_objects(session.graph, limit=1000).objects:
        if expected.id in shown:
            assert shown[expected.id][0] == format_size(expected.retained_size)
            assert shown[expected.id][5] == format_size(expected.shallow_size)
    sizes = [session.graph.folded.retained_size(object_id) for object_id in shown]
    assert sizes == sorted(sizes, reverse=True)


def test_the_tree_unfolds_in_place_and_folds_again(session, heap):
    page = page_of(session, places.DominatorsOf(heap.ids["CACHE"]))
    table = page.tables[0]
    before = cells_of(page)
    assert before[0][3] == "▸ ['user:42']"
    do(page, "expand")
    assert [row[3] for row in cells_of(page)][:2] == ["▾ ['user:42']", "  ▸ .history"]
    table.cursor = 1
    do(page, "collapse")
    assert table.cursor == 0
    do(page, "collapse")
    assert cells_of(page) == before


def test_raw_the_tree_shows_dicts_apart(session, heap):
    page = page_of(session, places.DominatorsOf(heap.ids["user"]))
    assert ".history" in cells_of(page)[0][3]
    do(page, "raw")
    assert cells_of(page)[0][3] == "▸ .__dict__"
    raw = largest_objects(session.graph, of=heap.ids["user"], raw=True).objects
    assert [row[0] for row in cells_of(page)] == [format_size(row.retained_size) for row in raw]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_groups_add_up_to_what_they_gather(session, times):
    page = page_of(session, places.DominatorsOf())
    for _ in range(times):
        do(page, "regroup")
    table = page.tables[0]
    lines = [table.line(index) for index in range(len(table))]
    members = np.concatenate([line.members for line in lines])
    assert len(set(members.tolist())) == len(members)
    assert set(members.tolist()) == set(session.graph.folded.children(2**32 - 1))
    for line in lines:
        assert line.retained_size == session.graph.dominators.minimum_retained_size(
            [part for member in line.members for part in session.graph.folded.parts_of(member)]
        )


def test_a_module_belongs_to_itself_and_its_package(session):
    page = page_of(session, places.DominatorsOf())
    for _ in range(2):
        do(page, "regroup")
    assert {"▸ app", "▸ app.sessions"} <= {row[3] for row in cells_of(page)}
    do(page, "regroup")
    labels = {row[3] for row in cells_of(page)}
    assert "▸ app" in labels
    assert "▸ app.sessions" not in labels


def test_many_children_come_in_parts_that_add_up():
    heap = HeapBuilder()
    top = heap.object("list", size=100)
    heap.root(0, "wide", top)
    for number in range(10_000):
        child = heap.object("bytes", size=10 + number)
        heap.edge(top, child, EdgeKind.INDEX, number)
    session = session_of(graph_of(heap))
    page = page_of(session, places.DominatorsOf(top))
    table = page.tables[0]
    assert len(table) == 51
    rest = sum(10 + number for number in range(10_000 - 50))
    assert table.row(50).cells[3].strip() == "9,950 more"
    assert table.row(50).cells[0] == format_size(rest)
    table.cursor = 50
    do(page, "open_row", table.row(50))
    assert len(table) == 501
    table.cursor = 500
    do(page, "open_row")
    table.cursor = len(table) - 1
    do(page, "open_row")
    assert len(table) == 10_000
    assert "more" not in str(table.row(9_999).cells[3])  # to write all of them takes seconds


def test_a_linked_list_unfolds_to_its_fork():
    drawing = "* -> a -> b -> c -> d\nd -> e, f"
    session = session_of(graph_of(draw_heap(drawing)))
    page = page_of(session, places.DominatorsOf())
    do(page, "expand_to_fork")
    assert len(page.tables[0]) == 6
    assert page.tables[0].cursor == 3


def test_the_inspector_has_the_numbers_of_show(session, heap):
    for name in ("user", "CACHE", "c_list", "payload"):
        object_id = heap.ids[name]
        page = page_of(session, places.Inspect(object_id))
        shown = show_object(session.graph, object=object_id, limit=1000)
        facts = dict(page.facts)
        assert facts["sizes"].startswith(f"retained {format_size(shown.row.retained_size)} ")
        assert facts["refcount"].startswith(f"{format_count(shown.refcount)}: ")
        assert len(page.tables[1]) == len(shown.referrers)
        assert [row.object_id for row in map(page.tables[2].row, range(len(page.tables[2])))] == [
            row.id for row in shown.dominators
        ]
        assert len(page.tables[0]) == len(shown.references)
        do(page, "raw")
        raw = show_object(session.graph, object=object_id, limit=1000, raw=True)
        assert len(page.tables[0]) == len(raw.references)


def test_fields_of_an_instance_are_those_of_its_dict(session, heap):
    page = page_of(session, places.Inspect(heap.ids["user"]))
    labels = [row[0] for row in cells_of(page)]
    assert labels == ["name", "history"]
    assert cells_of(page)[0][1] == "'Ada'"
    assert page.tables[0].row(1).place == places.Inspect(heap.ids["history"])


def test_a_path_has_the_steps_of_the_command_line(session, heap):
    payload = heap.ids["payload"]
    page = page_of(session, places.PathTo(payload))
    expected = paths_to(session.graph, objects=[payload]).paths[0].steps
    assert [row[1] for row in cells_of(page)] == [
        "app.sessions",
        "CACHE",
        "'user:42'",
        "history",
        "3",
    ]
    do(page, "raw")
    table = page.tables[0]
    assert [table.row(n).object_id for n in range(len(table))] == [step.id for step in expected]


def test_native_memory_makes_sizes_on_paths_estimates():
    heap = app_heap()
    heap.native([heap.ids["user"]], 30 * 2**20)
    session = session_of(graph_of(heap))
    page = page_of(session, places.PathTo(heap.ids["payload"]))
    cells = {row[1]: row for row in cells_of(page)}
    retained = format_size(30 * 2**20 + session.graph.folded.retained_size(heap.ids["user"]))
    assert f"~{retained}" in cells["'user:42'"]
    assert not any("~" in cell for cell in cells["history"])
    table = page.tables[0]
    rows = [table.row(number) for number in range(len(table))]
    (user,) = [row for row in rows if row.object_id == heap.ids["user"]]
    assert "native memory 30.0 MiB (estimate)" in user.detail
    merged = page_of(session, places.MergedPathsTo("type:app.sessions.User"))
    assert cells_of(merged)[0][2] == f"~{retained}"


def test_a_line_of_a_long_path_is_made_when_it_is_looked_at(monkeypatch):
    """A linked list has a million: making all of them at each key took seconds."""
    length = 5000
    made = []

    class CountedStep(root_path.Step):
        def __init__(self, *arguments):
            made.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(root_path, "Step", CountedStep)
    session = session_of(graph_of(draw_heap(" -> ".join(["*", *map("n{}".format, range(length))]))))
    page = page_of(session, places.PathTo(length - 1))
    table = page.tables[0]
    assert len(table) == length
    assert [table.row(line).object_id for line in (0, 17, length - 1)] == [0, 17, length - 1]
    assert isinstance(do(page, "exclude_reference"), places.PathTo)
    assert len(made) <= 4


def test_without_a_reference_there_is_another_path_or_none():
    session = session_of(graph_of(draw_heap("* -> a -> x\n* -> b -> c -> x")))
    page = page_of(session, places.PathTo(1))
    assert dict(page.facts)["path"].startswith("1 of 2 found")
    nearer = page_of(session, do(page, "exclude_reference"))
    assert dict(nearer.facts)["path"].startswith("1 of 1 found, 2 ")
    assert dict(nearer.facts)["without"] == "1 single reference"
    nothing = page_of(session, do(nearer, "exclude_reference"))
    assert dict(nothing.facts)["path"].startswith("none")
    assert nothing.commands == {}


def test_what_if_counts_what_a_cut_frees(session, heap):
    page = page_of(session, places.PathTo(heap.ids["history"]))
    do(page, "what_if")
    size = session.graph.dominators.retained_sizes[heap.ids["history"]]
    assert f"frees {format_size(int(size))} in 5 objects" in dict(page.facts)["what if"]


def test_a_cut_frees_nothing_while_another_path_is_left():
    graph = graph_of(draw_heap("* -> a -> x(100) -> y(7)\n* -> b -> x"))
    edges = [int(edge) for edge in graph.reverse.edges_to(1)]
    assert [freed_without(graph, [edge]).size for edge in edges] == [0, 0]
    both = freed_without(graph, edges)
    assert (both.objects, both.size) == (2, 107)


def test_kinds_are_excluded_as_on_the_command_line(session, heap):
    page = page_of(session, places.PathTo(heap.ids["row"]))
    page.tables[0].cursor = 0
    assert do(page, "exclude_kind") == places.PathTo(heap.ids["row"], ("frame",))
    page.tables[0].cursor = 1
    assert do(page, "exclude_kind") == places.PathTo(heap.ids["row"], ("index",))


def test_types_are_the_histogram_narrowed_and_sorted(session):
    page = page_of(session, places.Types())
    rows = type_histogram(session.graph).types
    assert [row[3] for row in cells_of(page)] == [row.type for row in rows]
    assert [row[4] for row in cells_of(page)] == [format_count(row.count) for row in rows]
    page.on_filter("SESS")
    assert [row[3] for row in cells_of(page)] == ["app.sessions.User"]
    assert "1 with 2 objects" in dict(page.facts)["types"]
    page.on_filter("")
    do(page, "sort")
    counts = [int(row[4].replace(",", "")) for row in cells_of(page)]
    assert counts == sorted(counts, reverse=True)


def test_types_say_what_their_objects_own_of_c_codes_memory():
    heap = app_heap()
    assert "native" not in titles(page_of(session_of(graph_of(heap)), places.Types()))
    heap.native([heap.ids["second"]], 3 * 2**20)
    session = session_of(graph_of(heap))
    page = page_of(session, places.Types())
    assert titles(page)[:2] == ["retained", "native"]
    page.commands["sort"].run(None, quiet)
    assert "sorted by native" in dict(page.facts)["types"]
    assert "native memory 3.00 MiB (estimate)" in dict(page.facts)["types"]
    first = page.tables[0].row(0)
    assert first.set_text == "type:app.sessions.User"
    assert first.cells[1] == "~3.00 MiB"
    assert "own native memory 3.00 MiB (estimate)" in first.detail
    assert {cells[1] for cells in cells_of(page)[1:]} == {""}
    within = page_of(session, places.Types("type:app.sessions.User"))
    assert cells_of(within)[0][1] == "~3.00 MiB"
    page.on_filter("bytes")
    assert "native" not in titles(page)


def titles(page):
    return [column.title for column in page.tables[0].columns]


def test_a_set_is_listed_and_its_holders_merged(session, heap):
    objects = page_of(session, places.ObjectSet("type:app.sessions.User"))
    first = objects.tables[0].row(0)
    assert first.object_id == heap.ids["user"]
    merged = page_of(session, places.MergedPathsTo("type:app.sessions.User"))
    expected = paths_to(session.graph, objects=["type:app.sessions.User"]).paths
    assert [row[3] for row in cells_of(merged)] == [row.expression for row in expected]
    assert [row[0] for row in cells_of(merged)] == [format_count(row.count) for row in expected]
    within = page_of(session, places.Types("type:app.sessions.User"))
    assert [row[3:5] for row in cells_of(within)] == [("app.sessions.User", "2")]
