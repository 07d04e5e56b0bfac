"""SQL over the heap of helpers/app_heap.py, and every query and column of docs/sql.md."""

from __future__ import annotations

import gc
import re
import weakref
from pathlib import Path

import pytest

from heapgraph.analysis.registry import run
from heapgraph.analysis.sql_engine.tables import heap_tables
from heapgraph.errors import UsageError
from heapgraph.model import ObjectFlags
from helpers.app_heap import app_heap, graph_of
from helpers.cli import invoke
from helpers.heaps import HeapBuilder

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "sql.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
COLUMNS = {
    title: re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?`) \|", body, re.MULTILINE)))
    for title, body in re.findall(r"^### (.*)\n((?:(?!^##).*\n)*)", PAGE, re.MULTILINE)
}


@pytest.fixture(scope="module")
def heap():
    return app_heap()


@pytest.fixture(scope="module")
def graph(heap):
    return graph_of(heap)


@pytest.fixture(scope="module")
def filled():
    """A graph whose tables have all their columns."""
    graph = graph_of(app_heap())
    heap_tables(graph).fill()
    return graph


def rows(graph, query, **parameters):
    return run("sql", graph, query=query, **parameters).rows


def test_there_are_eleven_worked_queries():
    assert len(QUERIES) == 11


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_a_worked_query_finds_something(graph, query):
    # A heap of distinct texts has no duplicates to show.
    expected = 0 if "copies" in query else 1
    assert len(rows(graph, query)) >= expected


def test_the_worked_queries_tell_the_truth(graph):
    retained = rows(graph, QUERIES[1])[0]
    largest = int(graph.dominators.retained_sizes.argmax())
    assert retained[:3] == (largest, "module", int(graph.dominators.retained_sizes[largest]))
    referrers = rows(graph, QUERIES[4])
    assert {row[:4] for row in referrers} == {
        ("dict", "value", "user:42", 1),
        ("dict", "value", "7", 1),
    }
    tree = rows(graph, QUERIES[6])
    assert sum(size for _, _, size in tree) == retained[2]
    assert ("worker-3", "handle", 88, "rows", "list") in {
        row[:5] for row in rows(graph, QUERIES[7])
    }
    assert rows(graph, QUERIES[8])[0] == ("list", 2, 128)
    items = rows(graph, QUERIES[10])
    assert items
    for list_id, count, tenth in items:
        assert tenth in (None, *range(10))
        of_one = f"select tenth, members from members_by_age where container = {list_id}"
        assert (tenth, count) in rows(graph, of_one)
        assert 0 < count <= graph.offsets[list_id + 1] - graph.offsets[list_id]


@pytest.mark.parametrize("table", ["objects", "refs", "named_refs"])
def test_the_page_lists_every_column(graph, table):
    (title,) = [title for title in COLUMNS if table in title.split(", ")]
    columns = [row[0] for row in rows(graph, f"describe {table}")]
    documented = [name for name in COLUMNS[title] if name in columns]
    assert sorted(documented) == sorted(columns)


@pytest.mark.parametrize(
    "table",
    [
        *("dominators", "types", "roots", "threads", "frames", "codes", "containers"),
        *("members_by_age", "modules", "maps"),
    ],
)
def test_the_page_lists_the_columns_of_small_tables(graph, table):
    first = "`(?:id|target|object|container|start)`"
    (line,) = re.findall(rf"^\| `{table}` \| ({first}.*) \|", PAGE, re.MULTILINE)
    columns = [row[0] for row in rows(graph, f"describe {table}")]
    assert re.findall(r"`(\w+)`", line) == columns


@pytest.mark.parametrize(
    "query",
    [
        *QUERIES,
        "from objects",
        "from refs",
        "from named_refs",
        "from dominators",
        "from instances('app.*')",
        "select count(*) from refs",
        "select objects from objects",
        "select columns('r.*') from objects",
        "select * exclude (value) from objects",
        "summarize objects",
        "describe objects",
        "with few as materialized (from refs limit 5) from few",
        "select (select max(r.label) from refs r where r.source = o.id) from objects o",
        "select type from objects where value is not null and distance = 2",
        "select row_number() over (partition by type order by address) from objects",
        "select o.id from objects o where exists (from refs where target = o.id and is_weak)",
    ],
)
def test_columns_that_are_read_on_demand_are_all_there(filled, query):
    ordered = sorted(map(repr, rows(graph_of(app_heap()), query)))
    assert ordered == sorted(map(repr, rows(filled, query)))


def test_a_query_reads_the_columns_it_needs_and_no_others():
    graph = graph_of(app_heap())
    assert rows(graph, "select sum(shallow_size) from objects where distance >= 0")[0][0] > 0
    tables = heap_tables(graph)
    assert not tables.fill({"shallow_size", "distance"})
    assert tables.fill({"preview"})
    assert tables.fill({"target"})


def test_a_graph_that_nobody_uses_is_let_go():
    """What is remembered of a graph, its tables and the names of its roots, does not keep it."""
    graph = graph_of(app_heap())
    rows(graph, "select count(*) from objects")
    run("dominators", graph)
    is_there = weakref.ref(graph)
    del graph
    gc.collect()
    assert is_there() is None


def test_missing_values_are_null(graph, heap):
    garbage = rows(graph, "select idom, depth, distance from objects where not is_reachable")
    assert len(garbage) >= 2
    assert set(garbage) == {(None, None, None)}
    module = rows(graph, f"select idom, depth, distance from objects where id = {heap.ids['app']}")
    assert module == ((None, 0, 0),)


def test_references_have_names(graph, heap):
    query = "select kind, name from named_refs where source = {} order by kind, name"
    assert rows(graph, query.format(heap.ids["second"])) == (("attribute", "name"),)
    assert rows(graph, query.format(heap.ids["row"])) == (("slot", "payload"),)
    assert ("index", "3") in rows(graph, query.format(heap.ids["history"]))


def test_values_that_json_cannot_hold_become_plain(graph):
    query = "select 1.5::decimal(4,2), 'nan'::double, 10::hugeint, [1], date '2026-01-02', null"
    assert rows(graph, query) == ((1.5, None, 10, [1], "2026-01-02", None),)


def test_a_limit_says_whether_there_is_more(graph):
    result = run("sql", graph, query="from objects", limit=3)
    assert (len(result.rows), result.left_out, result.to_arrow().num_rows) == (3, True, 3)
    assert "<table>" in result._repr_html_()
    assert not run("sql", graph, query="select 1", limit=1).left_out


def test_without_a_query_the_schema_is_shown(graph):
    tables = {row[0] for row in run("sql", graph).rows}
    assert {"objects", "refs", "types", "roots", "dominators"} <= tables


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("selct 1", "not valid SQL"),
        ("select * from nothing", "does not exist"),
        ("select nothing from objects", "does not exist"),
        ("select 'x'::integer", "a value does not fit"),
        ("select * from read_csv('/etc/hostname')", "cannot reach files"),
        ("select * from '/etc/hostname'", "does not exist"),
        ("select * from graph", "does not exist"),
        ("copy (select 1) to 'here'", "read-only"),
        ("attach 'here' as other", "read-only"),
        ("install httpfs", "read-only"),
        ("set enable_external_access = true", "read-only"),
        ("create table x (a integer)", "read-only"),
        ("select 1; select 2", "one query"),
        ("", "one query"),
    ],
)
def test_what_does_not_read_the_snapshot_is_refused(graph, query, cause):
    with pytest.raises(UsageError) as failure:
        rows(graph, query)
    what, why, hint = failure.value.parts()
    assert what
    assert hint
    assert cause in why


def test_a_value_of_the_target_is_data():
    """Texts of the target are never part of a statement."""
    heap = app_heap()
    heap.object("str", preview="'; drop view objects; --", flags=ObjectFlags.GARBAGE)
    assert rows(graph_of(heap), "select count(*) from objects where value like '%drop view%'") == (
        (1,),
    )


def test_the_command(heap, tmp_path):
    file = heap.write(tmp_path / "app.heapgraph")
    query = "select type, value from objects where type = 'int' order by id"
    document = invoke("sql", file, query, "--json").document
    assert document == {"columns": ["type", "value"], "rows": [["int", "7"], ["int", "1"]]}
    limited = invoke("sql", file, query, "--limit", 1)
    assert limited.stdout.splitlines()[0].split() == ["type", "value"]
    assert "only the first 1 rows" in limited.stderr
    wrong = invoke("sql", file, "select")
    assert wrong.code == 2
    assert len(wrong.error) == 3


def test_a_heap_without_objects_has_empty_tables():
    assert rows(graph_of(HeapBuilder()), "select count(*) from objects") == ((0,),)


def test_a_query_that_would_never_end_is_stopped_when_nobody_wants_it(graph):
    class NotWantedError(Exception):
        pass

    asked = []

    def progress(phase, done, total):
        asked.append((phase, done, total))
        if len(asked) > 4:
            raise NotWantedError

    endless = "select count(*) from range(1000000000) a, range(1000000000) b"
    with pytest.raises(NotWantedError):
        run("sql", graph, query=endless, progress=progress)
    assert run("sql", graph, query="select 1", progress=lambda *_: None).rows == ((1,),)


def test_places_of_code_and_origins_are_tables(graph):
    """Given code and modules, then they are asked by names of origins, and joined by id."""
    query = """
        select codes.function, codes.line, codes.origin, objects.type
        from codes join objects on objects.id = codes.object
    """
    assert rows(graph, query) == (("fetch", 41, "application", "code"),)
    query = "select name, origin, distribution from modules order by name"
    standard = "standard-library"
    assert rows(graph, query) == (("app", standard, ""), ("app.sessions", standard, ""))
