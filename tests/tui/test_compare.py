"""The page of a comparison with other snapshots."""

from __future__ import annotations

import pytest

from heapgraph.analysis.diff import diff_snapshots
from heapgraph.errors import SnapshotFormatError
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.tui import places
from heapgraph.units import format_size
from helpers.app_heap import app_heap, graph_of, set_global
from helpers.browser import LARGE, SMALL, cells_of, drive, frame, page_of, quiet, session_of


@pytest.fixture
def grown(tmp_path):
    """A later snapshot of the program: 30 more rows, in a global that is new."""
    heap = app_heap()
    rows = heap.object("list", size=5000)
    set_global(heap, "app", "GROWN", rows)
    for position in range(30):
        heap.edge(rows, heap.object("app.Row", size=40), 7, position)
    return heap.write(tmp_path / "later one.heapgraph", created="2026-01-02T05:00:00Z")


@pytest.fixture
def session():
    """The snapshot that is open."""
    return session_of(graph_of(app_heap()))


def test_before_after_and_change_have_columns_of_their_own(session, grown):
    page = page_of(session, places.Compared((str(grown),)))
    expected = diff_snapshots(session.graph, new=HeapGraph.open(grown), limit=1000)
    assert [column.title for column in page.tables[0].columns][:5] == [
        *("change", "count", "type", "before", "after"),
    ]
    row = next(row for row in expected.types if row.type == "app.Row")
    shown = next(cells for cells in cells_of(page) if cells[2] == "app.Row")
    assert shown == (
        f"+{format_size(row.size_growth)}",
        "+30",
        "app.Row",
        format_size(row.sizes[0]),
        format_size(row.sizes[1]),
        "1 -> 31",
    )
    assert [cells[2] for cells in cells_of(page, 1)] == [r.expression for r in expected.holders]


def test_an_older_snapshot_is_compared_the_other_way_round(grown, tmp_path):
    old = app_heap().write(tmp_path / "old.heapgraph", created="2026-01-02T03:00:00Z")
    session = session_of(HeapGraph.open(grown))
    page = page_of(session, places.Compared((str(old),)))
    assert dict(page.facts)["snapshots"] == f"{old} -> app.heapgraph (open here)"
    assert "app.Row" in [cells[2] for cells in cells_of(page)]


def test_enter_opens_the_type_and_the_holder(grown, tmp_path):
    old = app_heap().write(tmp_path / "old.heapgraph", created="2026-01-02T03:00:00Z")
    session = session_of(HeapGraph.open(grown))
    page = page_of(session, places.Compared((str(old),)))
    holder = page_of(session, page.tables[1].row(0).place)
    assert session.names.of(holder.object_id) == "app.GROWN"
    types = [page.tables[0].row(index).place for index in range(len(page.tables[0]))]
    assert places.ObjectSet("type:app.Row") in types


def test_a_holder_that_is_not_in_the_open_snapshot_opens_nothing(session, grown):
    page = page_of(session, places.Compared((str(grown),)))
    assert cells_of(page, 1)[0][2] == "app.GROWN"
    assert page.tables[1].row(0).place is None


def test_a_holder_without_a_python_name_opens_too(tmp_path):
    def heap_with(rows):
        heap = app_heap()
        for position in range(rows):
            heap.edge(heap.ids["rows"], heap.object("app.Row", size=900), 7, position + 1)
        return heap

    old = heap_with(1).write(tmp_path / "old.heapgraph", created="2026-01-02T03:00:00Z")
    heap = heap_with(20)
    session = session_of(graph_of(heap, created="2026-01-02T04:00:00Z"))
    page = page_of(session, places.Compared((str(old),)))
    assert cells_of(page, 1)[0][2] == "<handle() at app.py> rows"
    assert page.tables[1].row(0).place == places.Inspect(heap.ids["rows"])


def test_rows_are_sorted_and_narrowed(session, grown):
    page = page_of(session, places.Compared((str(grown),)))
    for _ in range(3):
        page.commands["sort"].run(None, quiet)
    names = [cells[2] for cells in cells_of(page)]
    assert names == sorted(names)
    assert "sorted by name" in dict(page.facts)["shown"]
    page.on_filter("row")
    assert [cells[2] for cells in cells_of(page)] == ["app.Row"]


def test_three_snapshots_say_what_survived(session, grown, tmp_path):
    last = app_heap().write(tmp_path / "last.heapgraph", created="2026-01-02T06:00:00Z")
    page = page_of(session, places.Compared((str(last), str(grown))))
    assert page.place.others == (str(grown), str(last))
    assert page.tables[0].columns[0].title == "survived"
    for table in page.tables:
        for index in range(len(table)):
            assert len(table.row(index).cells) == len(table.columns)


def test_native_memory_makes_changes_estimates(tmp_path):
    """Given blocks of C code, then what has them is marked, ranks by them, and says so in words."""
    looked_at = {"chunks": 5, "pointers": 0, "small_bytes": 0, "left_out": ""}

    def written(name, size, **manifest):
        heap = app_heap()
        heap.native([heap.ids["second"]], size)
        return heap.write(tmp_path / f"{name}.heapgraph", **manifest)

    old = written("old", 1000, native=looked_at, created="2026-01-02T03:00:00Z")
    new = written("new", 3 * 2**20, native=looked_at, created="2026-01-02T05:00:00Z")
    session = session_of(HeapGraph.open(new))
    page = page_of(session, places.Compared((str(old),)))
    assert "grew by 3.00 MiB (estimate)" in dict(page.facts)["native"]
    (kind,), (holder,) = cells_of(page), cells_of(page, 1)
    assert (kind[0], kind[2]) == ("~+3.00 MiB", "app.sessions.User")
    assert kind[3:5] == ("~1.09 KiB", "~3.00 MiB")
    assert holder[0] == "~+3.00 MiB"
    detail = page.tables[1].row(0).detail
    assert "native memory 1000 B -> 3.00 MiB (estimate)" in detail
    left_out = looked_at | {"left_out": "too many"}
    older = written("older", 0, native=left_out, created="2026-01-02T02:00:00Z")
    page = page_of(session, places.Compared((str(older),)))
    assert "unknown" in dict(page.facts)["native"]
    assert (cells_of(page), cells_of(page, 1)) == ([], [])


def test_a_file_that_is_no_snapshot_is_refused(session, tmp_path):
    with pytest.raises(SnapshotFormatError):
        page_of(session, places.Compared((str(tmp_path / "missing.heapgraph"),)))


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_file_is_completed_and_compared(grown, monkeypatch, size):
    monkeypatch.chdir(grown.parent)
    seen = frame(graph_of(app_heap()), "8", "tab", "enter", size=size)
    assert "'later one.heapgraph'" not in seen
    assert "app.heapgraph (open here) -> later one.heapgraph" in seen
    assert "app.GROWN" in seen
    header = next(line for line in seen.splitlines() if " before " in line)
    assert header.split()[:3] == ["change", "count", "type"]
    assert header.split()[3:5] == ["before", "after"]


def test_a_wrong_file_name_comes_back_to_be_mended(grown, monkeypatch):
    monkeypatch.chdir(grown.parent)

    async def state(app, pilot):
        del pilot
        return app.focused.value, app.browser.page.title

    wrong = ["D", "type nothing.heapgraph", "enter"]
    assert drive(graph_of(app_heap()), *wrong, then=state) == ("nothing.heapgraph", "overview")
