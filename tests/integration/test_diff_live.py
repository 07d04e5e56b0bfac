"""A live program that leaks into one cache, dumped three times with traffic in between."""

from __future__ import annotations

import pytest

from heapgraph.analysis.diff import diff_snapshots
from heapgraph.tui import places
from helpers.browser import cells_of, page_of, session_of
from helpers.cli import invoke
from helpers.interpreters import some_interpreters
from helpers.leak_programs import grow_live, leak_programs
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target

HOLDER = "__main__.STORE.sessions"
PER_ROUND = 2000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("diff")


@pytest.fixture(scope="module")
def graphs(folder):
    found = []
    with start_target("growing.py") as target:
        for number in range(3):
            if number:
                target.send("go on")
                assert target.read_line() == f"grown {number + 1}"
            found.append(dump_graph(target, folder / f"{number}.heapgraph"))
    return found


def test_two_snapshots_name_the_growing_holder_first(graphs):
    result = diff_snapshots(graphs[0], new=graphs[1])
    first = result.holders[0]
    assert (first.expression, first.type, first.item_growth) == (HOLDER, "dict", PER_ROUND)
    assert first.items == (PER_ROUND, 2 * PER_ROUND)
    # The next is the traffic's deque, which is still filling up.
    assert result.holders[1].expression == "__main__.RECENT"
    assert first.size_growth > 3 * result.holders[1].size_growth
    # 5 % of the sessions are noise of another table.
    (sessions,) = [row for row in result.types if row.type == "__main__.Session"]
    assert PER_ROUND <= sessions.count_growth <= 1.06 * PER_ROUND


def test_traffic_that_comes_and_goes_is_no_survivor(graphs):
    two = diff_snapshots(graphs[1], new=graphs[2], limit=None)
    three = diff_snapshots(graphs[0], new=graphs[1], newer=[graphs[2]], limit=None)
    assert three.holders[0].expression == HOLDER
    assert three.holders[0].grows_each_time
    (sessions,) = [row for row in three.types if row.type == "__main__.Session"]
    # Of the last 3,000 requests 1,000 were made in the middle round and are still there.
    (requests,) = [row for row in three.types if row.type == "__main__.Request"]
    assert PER_ROUND <= sessions.survivors <= 1.05 * PER_ROUND
    assert requests.survivors == pytest.approx(1000, abs=60)
    assert [row for row in two.types if row.type == "__main__.Request"] == []


@pytest.mark.parametrize("interpreter", some_interpreters(9, 10))
def test_variables_of_threads_grow_and_not_their_frames(interpreter, tmp_path):
    """Up to 3.10 each running function has a frame object, which reaches all of its callers."""
    (program,) = (each for each in leak_programs() if each.name == "endless_threads")
    graphs = grow_live(program, tmp_path, 4, python=str(interpreter.path))
    found = diff_snapshots(graphs[0], new=graphs[1], newer=graphs[2:]).holders
    assert program.is_growing_holder(found[0].expression)
    assert not any(row.expression.endswith(" <frame>") for row in found)


def test_nothing_grows_between_a_snapshot_and_itself(graphs):
    same = diff_snapshots(graphs[0], new=graphs[0])
    assert (same.types, same.holders) == ((), ())
    still = diff_snapshots(graphs[0], new=graphs[0], newer=[graphs[0]])
    assert (still.types, still.holders) == ((), ())


def test_another_run_of_the_program_is_aligned_by_names(graphs, folder):
    with start_target("growing.py") as target:
        other = dump_graph(target, folder / "other.heapgraph")
    result = diff_snapshots(other, new=graphs[2])
    assert result.holders[0].expression == HOLDER
    assert result.holders[0].item_growth == 2 * PER_ROUND
    alike = diff_snapshots(other, new=graphs[0])
    assert sum(row.size_growth for row in alike.holders) < 100_000


def test_the_command(graphs, folder):
    files = [folder / f"{number}.heapgraph" for number in range(3)]
    assert len(graphs) == len(files)
    table = invoke("diff", *files).stdout.splitlines()
    assert table[0].startswith("resident"), table[0]
    first = next(row for row, line in enumerate(table) if "survived" in line)
    assert HOLDER in table[first + 1]
    document = invoke("diff", *files[:2], "--json").document
    assert list(document) == ["types", "holders", "totals"]
    assert document["holders"][0]["expression"] == HOLDER


@pytest.mark.parametrize("size", [300, 900])
@pytest.mark.parametrize("interpreter", some_interpreters(9, 13))
def test_parts_of_one_object_that_grow_are_named_each(interpreter, size, folder):
    """Given a service with two parts that grow, then no row says only that the service grew."""
    names = ["__main__.GATEWAY.audit.listeners", "__main__.GATEWAY.sessions"]
    files = [folder / f"{interpreter.name}-{size}-{number}.heapgraph" for number in range(2)]
    with start_target("growing_service.py", size, python=str(interpreter.path)) as target:
        graphs = [dump_graph(target, files[0])]
        target.send("go on")
        assert target.read_line() == "grown 2"
        graphs.append(dump_graph(target, files[1]))
    rows = {row.expression: row for row in diff_snapshots(graphs[0], new=graphs[1]).holders}
    assert set(list(rows)[:2]) == set(names)
    assert not any(name in rows for name in ("__main__.GATEWAY", "__main__.GATEWAY.audit"))
    for name in names:
        assert (rows[name].items, rows[name].item_growth) == ((2000, 4000), 2000)
        assert rows[name].size_growth > 2000 * 300
    # The page, the table and the document name what the analysis names.
    page = page_of(session_of(graphs[0]), places.Compared((str(files[1]),)))
    assert [cells[2] for cells in cells_of(page, 1)][:2] == list(rows)[:2]
    table = invoke("diff", *files).stdout
    assert all(name in table for name in names)
    document = invoke("diff", *files, "--json").document
    assert [row["expression"] for row in document["holders"]][:2] == list(rows)[:2]


@pytest.fixture(scope="module")
def native_graphs(folder):
    """Of a program whose contexts of OpenSSL get more memory; 5 clients are new each time."""
    found = []
    with start_target("growing_native.py") as target:
        for number in range(4):
            if number:
                target.send("go on")
                assert target.read_line() == f"grown {number + 1}"
            found.append(dump_graph(target, folder / f"native-{number}.heapgraph"))
    return found


@pytest.mark.parametrize("count", [2, 3, 4])
def test_memory_of_c_code_that_grows_names_its_holders(native_graphs, count):
    """Given as many objects with more memory, and new ones, then both are first, as estimates."""
    result = diff_snapshots(native_graphs[0], new=native_graphs[1], newer=native_graphs[2:count])
    pool, clients = sorted(result.holders[:2], key=lambda row: row.size_growth)
    assert (pool.expression, pool.type) == ("__main__.POOL[*]", "ssl.SSLContext")
    assert (pool.size_growth, pool.item_growth) == (0, 0)
    assert clients.expression == "__main__.CLIENTS"
    assert clients.item_growth == 5 * (count - 1)
    assert clients.size_growth < 10_000
    for row in (pool, clients):
        assert row.native_growth > 100_000 * (count - 1)
    assert result.types[0].type == "ssl.SSLContext"
    assert "(estimate)" in result.native_sentence
