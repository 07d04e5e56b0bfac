"""Every number of the browser is the one that the command line prints with --json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.tui import places
from heapgraph.tui.cells import safe
from heapgraph.tui.rows.object_rows import estimate_text, sizes_text
from heapgraph.tui.state import Session
from heapgraph.units import format_count, format_share, format_size
from helpers.app_heap import app_heap, set_global, store
from helpers.browser import cells_of, page_of, quiet
from helpers.cli import invoke
from helpers.leak_programs import grow_live, leak_programs

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = 25
"""Objects of a live snapshot that are compared one by one."""


MOST = 300
"""References of one object that are compared; a type has as many referrers as it has instances."""


@dataclass(frozen=True)
class Snapshots:
    """An older and a newer snapshot of one program, and a session on the newer."""

    older: Path
    newer: Path
    session: Session

    def ask(self, command, *arguments):
        """The document of a command about the newer snapshot."""
        outcome = invoke(command, self.newer, *arguments, "--json")
        assert outcome.code == 0, outcome.stderr
        return outcome.document

    def some_objects(self):
        """Ids of objects, the biggest and some from everywhere."""
        count = self.session.graph.object_count
        biggest = [row["id"] for row in self.ask("dominators", "--limit", 10)["objects"]]
        return sorted({*biggest, *range(0, count, max(1, count // SAMPLE))})


def drawn(folder):
    """The heap of helpers/app_heap.py, and the same after one more thing was cached."""
    older, newer = app_heap(), app_heap()
    set_global(newer, "app", "MORE", newer.object("bytearray", size=2**20, name="more"))
    store(newer, newer.ids["CACHE"], "user:43", newer.object("bytes", size=70_000))
    return [heap.write(folder / f"{n}.heapgraph") for n, heap in enumerate((older, newer))]


def live(folder):
    """Two dumps of a program that runs and leaks."""
    program = next(one for one in leak_programs() if one.name == "module_cache")
    grow_live(program, folder, 2)
    return sorted(folder.glob("*.heapgraph"))


@pytest.fixture(scope="module", params=[drawn, live], ids=["drawn", "live"])
def snapshots(request, tmp_path_factory) -> Snapshots:
    older, newer = request.param(tmp_path_factory.mktemp("numbers"))
    session = Session(str(newer), HeapGraph.open(newer))
    session.prepare(quiet)
    return Snapshots(older, newer, session)


def sized(row):
    """Retained and shallow size of a JSON row as lists of objects show them."""
    return format_size(row["retained_size"]), format_size(row["shallow_size"])


def titled(table, row):
    """Cells of a row by the title of their column: growth is one only where it is known."""
    titles = [column.title for column in table.columns]
    return dict(zip(titles, row.cells, strict=True))


def lines_of(page):
    """All there is to read on a page, a line each, everything unfolded."""
    for number, table in enumerate(page.tables):
        page.focus = number
        expand, index = page.commands.get("expand"), 0
        while expand is not None and index < len(table):
            table.cursor = index
            expand.run(table.row(index), quiet)
            index += 1
    facts = [f"{name} {text}" for name, text in page.facts]
    rows = [
        "  ".join([*row, table.row(index).detail])
        for number, table in enumerate(page.tables)
        for index, row in enumerate(cells_of(page, number))
    ]
    return facts + rows


def analysis_page(snapshots, name, **parameters):
    """The page that the list of analyses leads to."""
    page = page_of(snapshots.session, places.Analyses())
    names = [row[0] for row in cells_of(page)]
    place = page.tables[0].row(names.index(name)).place
    if parameters:
        place = places.AnalysisOf(name, tuple((k, str(v)) for k, v in parameters.items()))
    return page_of(snapshots.session, place)


def missing(lines, rows):
    """Those of the rows, each some texts, that no line shows."""
    return [row for row in rows if not any(all(text in line for text in row) for line in lines)]


def test_the_overview_has_the_numbers_of_summary_and_suspects(snapshots):
    page = page_of(snapshots.session, places.Overview())
    summary, facts = snapshots.ask("summary"), dict(page.facts)
    totals = summary["totals"]
    assert facts["objects"].startswith(
        f"{format_count(totals['objects'])}, {format_count(totals['references'])} references, "
        f"{format_size(totals['reachable_size'])} reachable, "
        f"{format_size(totals['unreachable_size'])} unreachable"
    )
    assert str(summary["target"]["pid"]) in facts["process"]
    roots = {(format_size(r["reached_size"]), r["kind"], r["count"]) for r in summary["roots"]}
    shown = {
        (size, text.rsplit(" ", 2)[1], int(text.split()[0].replace(",", "")))
        for size, text in cells_of(page, 3)
    }
    assert shown == roots
    suspects = snapshots.ask("suspects", "--limit", 5)["suspects"]
    rows = cells_of(page, 0)
    assert len(rows) == len(suspects)
    for row, suspect in zip(rows, suspects, strict=True):
        size = sizes_text(suspect["retained_size"], suspect["native_size"])
        share = format_share(suspect["share"])
        assert {size, share, safe(suspect["expression"])} <= set(row)
    details = [page.tables[0].row(index).detail for index in range(len(suspects))]
    assert details == [safe(suspect["reason"]) for suspect in suspects]


def test_the_overview_accounts_for_the_resident_memory_as_memory_does(snapshots):
    page = page_of(snapshots.session, places.Overview())
    memory = snapshots.ask("memory")
    shown = {row[2]: row[0] for row in cells_of(page, 2)}
    assert shown.pop("resident") == format_size(memory["accounted_size"])
    assert shown == {group["name"]: format_size(group["size"]) for group in memory["groups"]}


def test_the_tree_has_the_numbers_of_dominators(snapshots):
    biggest = {row["id"]: row for row in snapshots.ask("dominators", "--limit", 1000)["objects"]}
    places_shown = [None, *list(biggest)[:4]]
    compared = 0
    for above in places_shown:
        table = page_of(snapshots.session, places.DominatorsOf(above)).tables[0]
        rows = [table.row(index) for index in range(len(table))]
        expected = biggest
        if above is not None:
            children = snapshots.ask("dominators", "--of", f"@{above}", "--limit", 1000)
            expected = {row["id"]: row for row in children["objects"]}
            ids = [row.object_id for row in rows if row.object_id is not None]
            assert set(ids) <= set(expected)
        for row in rows:
            if row.object_id in expected:
                document = expected[row.object_id]
                cells = titled(table, row)
                assert (cells["retained"], cells["shallow"]) == sized(document)
                assert cells["share"] == format_share(document["share"])
                compared += 1
    assert compared >= 10


def test_the_types_are_the_histogram(snapshots):
    table = page_of(snapshots.session, places.Types()).tables[0]
    expected = snapshots.ask("histogram", "--limit", 10_000)["types"]
    assert len(table) == len(expected)
    for index, row in enumerate(expected):
        cells = titled(table, table.row(index))
        assert (cells["type"], cells["objects"]) == (safe(row["type"]), f"{row['count']:,}")
        assert cells["retained"].removeprefix(">=") == format_size(row["retained_size"])
        assert cells["shallow"] == format_size(row["shallow_size"])
        assert cells.get("native", "") == estimate_text(row["native_size"])


def test_the_inspector_has_the_numbers_of_show(snapshots):
    for object_id in snapshots.some_objects():
        document = snapshots.ask("show", f"@{object_id}", "--limit", MOST)
        page = page_of(snapshots.session, places.Inspect(object_id))
        facts, row = dict(page.facts), document["object"]
        retained, shallow = sized(row)
        share = format_share(row["share"])
        assert facts["sizes"].startswith(f"retained {retained} ({share}), shallow {shallow}, ")
        assert facts["refcount"].startswith(f"{format_count(row['refcount'])}: ")
        assert f"@{row['id']}  {row['address']:#x}" in facts["type"]
        raw = snapshots.ask("show", f"@{object_id}", "--limit", MOST, "--raw")
        for stored in (document, raw):
            for table, key in zip(page.tables[:2], ("references", "referrers"), strict=True):
                ids = [table.row(index).object_id for index in range(min(len(table), MOST))]
                assert ids == [reference["id"] for reference in stored[key]]
            page.commands["raw"].run(None, quiet)
        assert [(r[0], r[5]) for r in cells_of(page, 2)] == [
            (sizes_text(above["retained_size"], above["native_size"]), sized(above)[1])
            for above in document["dominators"]
        ]


def test_a_path_has_the_steps_of_path(snapshots):
    compared = 0
    for object_id in snapshots.some_objects():
        outcome = invoke("path", snapshots.newer, f"@{object_id}", "--json")
        page = page_of(snapshots.session, places.PathTo(object_id))
        if not page.tables:
            assert not outcome.document["paths"]
            continue
        page.commands["raw"].run(None, quiet)
        table = page.tables[0]
        shown = [table.row(index) for index in range(len(table))]
        steps = outcome.document["paths"][0]["steps"]
        assert [row.object_id for row in shown] == [step["id"] for step in steps]
        labels = [safe(str(step["label"])) for step in steps[1:] if step["label"] is not None]
        assert [row.cells[1] for row in shown[1:] if row.cells[1]][: len(labels)] == labels
        compared += 1
    assert compared >= 10


def test_merged_paths_have_the_groups_of_path(snapshots):
    types = snapshots.ask("histogram", "--limit", 5)["types"]
    for name in (row["type"] for row in types):
        expected = snapshots.ask("path", f"type:{name}", "--limit", 100)["paths"]
        table = page_of(snapshots.session, places.MergedPathsTo(f"type:{name}")).tables[0]
        shown = [titled(table, table.row(index)) for index in range(len(table))]
        assert [(row["objects"], row["retained"], row["name"]) for row in shown] == [
            (
                format_count(group["count"]),
                format_size(group["retained_size"]),
                safe(group["expression"]),
            )
            for group in expected
        ]


def test_threads_and_tasks_have_the_numbers_of_threads(snapshots):
    document = snapshots.ask("threads")
    lines = lines_of(analysis_page(snapshots, "threads"))
    wanted = []
    for thread in document["threads"]:
        wanted.append((format_size(thread["retained_size"]),))
        for frame in thread["frames"]:
            wanted.append((frame["function"], format_size(frame["retained_size"])))
            wanted += [
                (local["name"], format_size(local["retained_size"])) for local in frame["locals"]
            ]
    wanted += [(t["name"], format_size(t["retained_size"])) for t in document["tasks"]]
    assert not missing(lines, wanted)


def test_findings_have_the_numbers_of_waste(snapshots):
    findings = snapshots.ask("waste")["findings"]
    lines = lines_of(analysis_page(snapshots, "waste"))
    assert not missing(
        lines,
        [
            (f["detector"], format_size(f["wasted_size"]), format_count(f["count"]))
            for f in findings
        ],
    )


def test_growth_has_the_numbers_of_diff(snapshots):
    outcome = invoke("diff", snapshots.older, snapshots.newer, "--json", "--limit", 1000)
    document = outcome.document
    session = Session(str(snapshots.older), HeapGraph.open(snapshots.older))
    session.prepare(quiet)
    page = page_of(session, places.Compared((str(snapshots.newer),)))
    lines = lines_of(page)
    types = [(row["type"], signed(row["size_growth"])) for row in document["types"]]
    holders = [(safe(r["expression"]), signed(r["size_growth"])) for r in document["holders"]]
    assert types
    assert holders
    assert not missing(lines, types + holders)


def signed(size):
    """A growth without its sign, which pages may write in their own way."""
    return format_size(abs(size))


def test_a_query_has_the_cells_of_sql(snapshots):
    query = "select type, count(*) as count, sum(shallow_size) as bytes from objects group by 1"
    query += " order by bytes desc, type limit 20"
    document = snapshots.ask("sql", query)
    lines = lines_of(analysis_page(snapshots, "sql", query=query))
    assert not missing(
        lines,
        [
            (safe(kind), format_count(count), format_size(size))
            for kind, count, size in document["rows"]
        ],
    )
