"""Queries that take too long or too much: stopped when unwanted, refused in three parts."""

from __future__ import annotations

import signal
import threading

import pytest

from heapgraph.analysis import sql
from heapgraph.analysis.registry import run
from heapgraph.analysis.sql_engine import running as sql_running
from heapgraph.errors import UsageError
from helpers.app_heap import app_heap, graph_of
from helpers.made_groups import MadeGroups

ENDLESS = "select count(*) from range(1000000000) a, range(1000000000) b where a.range <> b.range"
ONE_LONG_CALL = "select length(regexp_replace(repeat('ab', 60000000), '(a|b)*c', ''))"
MIB = 2**20


@pytest.fixture(scope="module")
def graph():
    return graph_of(app_heap())


class Presses:
    """A user who presses Ctrl-C when a phase has been reported a number of times."""

    def __init__(self, phase: str, after: int) -> None:
        self.phase = phase
        self.left = after

    def __call__(self, phase: str, *_: int) -> None:
        self.left -= phase == self.phase
        if self.left <= 0:
            signal.raise_signal(signal.SIGINT)


def query_threads():
    return [thread for thread in threading.enumerate() if thread.name == "heapgraph-sql"]


@pytest.mark.parametrize(
    ("query", "phase", "after"),
    [
        (ENDLESS, "query", 3),
        ("from range(1000000000) a, range(1000000000) b order by all", "query", 3),
        ("from range(100000)", "rows", 2),
    ],
)
def test_ctrl_c_ends_a_query_wherever_it_is(graph, query, phase, after):
    with pytest.raises(KeyboardInterrupt):
        run("sql", graph, query=query, progress=Presses(phase, after))
    assert query_threads() == []
    assert run("sql", graph, query="select 1").rows == ((1,),)


def test_a_query_has_a_time_limit(graph):
    """Given a query that ends in no lifetime, then it is given up, and its thread with it."""
    with pytest.raises(UsageError, match=r"stopped after 0\.5 seconds"):
        run("sql", graph, query=ENDLESS, time_limit=0.5)
    assert query_threads() == []
    assert run("sql", graph, query="select 1", time_limit=60).rows == ((1,),)


@pytest.mark.parametrize(
    "value", ["date '5874897-01-01'", "'infinity'::timestamp", "to_timestamp(1e12)"]
)
def test_a_value_that_python_does_not_have_is_no_defect(graph, value):
    with pytest.raises(UsageError, match="cannot be shown"):
        run("sql", graph, query=f"select {value}")
    assert isinstance(run("sql", graph, query=f"select ({value})::varchar").rows[0][0], str)


def test_a_query_that_cannot_be_stopped_is_not_waited_for(graph, monkeypatch):
    """Not even while DuckDB plans it: what is constant in it is computed then."""
    monkeypatch.setattr(sql_running, "_MAX_WAIT_S", 0.1)
    with pytest.raises(KeyboardInterrupt):
        run("sql", graph, query=ONE_LONG_CALL, progress=Presses("query", 2))
    left = query_threads()
    assert len(left) == 1
    left[0].join()


def test_an_interruption_between_two_parts_of_a_query_is_repeated():
    """DuckDB forgets one that comes before the next part begins."""
    is_told = threading.Event()

    class Forgetful:
        asked = 0

        def interrupt(self):
            self.asked += 1
            if self.asked == 3:
                is_told.set()

    with pytest.raises(KeyboardInterrupt):
        sql_running.watched(Forgetful(), is_told.wait, Presses("query", 1))
    assert is_told.is_set()


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("from range(100000000) a, range(1000) b order by a.range * b.range", "Out of Memory"),
        ("select list(a.range) from range(100000000) a, range(1000) b", "Out of Memory"),
        ("from range(100000000) a, range(1000) b", "need over 32.0 MiB"),
    ],
)
def test_what_needs_too_much_memory_is_refused(graph, monkeypatch, query, what):
    monkeypatch.setattr(sql, "memory_share", lambda: 64 * MIB)
    with pytest.raises(UsageError) as failure:
        run("sql", graph, query=query)
    parts = failure.value.parts()
    assert what in parts[0]
    assert "half of" in parts[1] or "a quarter of" in parts[1]
    assert len(parts) == 3
    assert "SET " not in " ".join(parts)


def test_a_value_that_is_wrong_far_behind_is_a_wrong_value(graph):
    """It fails when rows have been handed over already, as another class of exception."""
    late = "select case when range = 999999 then 'x' else '1' end::integer from range(1000000)"
    with pytest.raises(UsageError, match="Could not convert") as failure:
        run("sql", graph, query=late)
    assert "does not fit" in failure.value.cause


def test_the_tightest_control_group_counts(tmp_path):
    made = MadeGroups(tmp_path, 2)
    made.place("self", "/a/b")
    made.group("/a", limit=900, used=200)
    made.group("/a/b", limit=5000, used=200)
    group = made.proc / "self" / "cgroup"
    assert sql_running._group_bytes(group, made.mounts) == 700
    assert sql_running._group_bytes(tmp_path / "none", made.mounts) is None
