"""A census of a live process counts what is there, and says nothing of its data."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.ages.growth import growth_of
from heapgraph.analysis.histogram import type_histogram
from heapgraph.analysis.holders import find_holders, is_own_table
from heapgraph.analysis.memory import account_memory
from heapgraph.analysis.suspects import find_suspects
from heapgraph.capture.dump import dump
from heapgraph.errors import TargetError
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.watch.census.names import general_name
from heapgraph.watch.census.record import census_of
from heapgraph.watch.census.runner import run_census
from heapgraph.watch.census.take import HOLDERS
from heapgraph.watch.model import ProcessKey, WorkerName
from heapgraph.watch.sampling.process_handle import ProcessHandle
from helpers.as_root import needs_root
from helpers.interpreters import Interpreter, some_interpreters
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.watch.model import Census

NAME = WorkerName("web", 0)
SECRET = "secret-of-a-customer"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def take(pid: int, **options: object) -> Census:
    with ProcessHandle(pid) as handle:
        key = handle.key
    return asyncio.run(run_census(NAME, key, **{"max_pause_ms": 1000.0, **options}))


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_counts_are_those_of_the_process(stack: ExitStack, interpreter: Interpreter):
    """Given sessions that a module keeps, type, holder and suspect have their numbers."""
    target = stack.enter_context(
        start_target("watched_sessions.py", SECRET, python=interpreter.path)
    )
    census = take(target.pid)
    counts = {row.name: row.objects for row in census.types}
    assert counts["__main__.Session"] == 5000
    first = census.holders[0]
    assert (first.expression, first.count) == ("__main__.SESSIONS", 5000)
    suspect = census.suspects[0]
    assert suspect.holder == "__main__.SESSIONS"
    assert suspect.path[:2] == ("__main__.SESSIONS (dict)", "[*] (__main__.Session)")
    assert suspect.path[2].startswith(".body (b")
    assert suspect.code == ("open_session() at watched_sessions.py:23",)
    assert suspect.retained_size == pytest.approx(first.retained_size, rel=0.1)
    assert census.quality == "good"
    assert SECRET not in repr(census)
    assert census.objects_size > 5000 * 1000
    assert sum(census.memory.values()) > census.objects_size


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_a_census_says_what_a_dump_says(stack: ExitStack, tmp_path: Path, interpreter: Interpreter):
    """Given one target, census and snapshot name the same holders, types, memory and suspects."""
    target = stack.enter_context(
        start_target("watched_sessions.py", SECRET, python=interpreter.path)
    )
    census = take(target.pid)
    graph = HeapGraph.open(dump(target.pid, tmp_path / "same.heapgraph").path)
    rows = [
        (general_name(row.expression), row.retained_size, growth_of(graph, row.id).trend)
        for row in find_holders(graph, limit=HOLDERS).objects
        if not is_own_table(graph, row.id)
    ]
    names = [name for name, _, _ in rows]
    assert [holder.expression for holder in census.holders] == [*dict.fromkeys(names)]
    for holder in census.holders:
        if names.count(holder.expression) == 1:
            assert (holder.expression, holder.retained_size, holder.growth) in rows
    histogram = {row.type: row.count for row in type_histogram(graph, work=0).types}
    for row in census.types[:3]:
        assert row.objects == pytest.approx(histogram[row.name], rel=0.01)
    suspects = find_suspects(graph).suspects
    assert census.suspects[0].fingerprint == suspects[0].fingerprint
    assert census.suspects[0].code == suspects[0].code
    parts = {group.name: group.size for group in account_memory(graph).groups}
    assert set(census.memory) == set(parts)
    assert census.memory["objects"] == pytest.approx(parts["objects"], rel=0.02)


def test_another_process_of_the_same_pid_is_refused(stack: ExitStack):
    target = stack.enter_context(start_target("idle.py"))
    with ProcessHandle(target.pid) as handle:
        other = ProcessKey(target.pid, handle.key.started - 1, handle.key.boot_id)
    with pytest.raises(TargetError, match="not the one that was meant"):
        asyncio.run(run_census(NAME, other, max_pause_ms=1000.0))


def test_a_target_that_ends_is_an_error_with_its_reason(stack: ExitStack):
    target = stack.enter_context(start_target("idle.py"))
    with ProcessHandle(target.pid) as handle:
        key = handle.key
    target.kill()
    with pytest.raises(TargetError, match=f"no process with pid {target.pid}"):
        asyncio.run(run_census(NAME, key, max_pause_ms=1000.0))


def test_a_census_that_takes_too_long_is_ended(stack: ExitStack):
    """Given no time at all, the child ends, and the target goes on."""
    target = stack.enter_context(start_target("collector_counts.py"))
    with pytest.raises(TargetError) as caught:
        take(target.pid, longest_s=0.05)
    assert "longer than" in caught.value.cause
    target.send("grow")
    assert json.loads(target.read_line())[0] is True


GOOD = {
    "created": "x",
    "pause_ms": 1,
    "seconds": 1,
    "method": "clone",
    "why_paused": "",
    "quality": "good",
    "objects": 1,
    "objects_size": 1,
    "unreachable_size": 0,
    "memory": {"objects": 1},
    "types": [],
    "holders": [],
    "suspects": [],
}


@pytest.mark.parametrize(
    "change",
    [
        {"types": [{"name": 5, "objects": 1, "shallow_size": 1}]},
        {"types": 3},
        {"memory": {"a": "b"}},
        {"objects": None},
        {"suspects": [{}]},
        {"created": ["x"]},
    ],
)
def test_an_answer_of_another_shape_is_refused(change: dict[str, object]):
    key = ProcessKey(1, 1, "")
    assert census_of(GOOD, NAME, key, 0.0).objects == 1
    with pytest.raises((ValueError, KeyError, TypeError)):
        census_of({**GOOD, **change}, NAME, key, 0.0)


def test_names_of_an_answer_are_made_safe():
    rows = [{"name": "\x1b[31mevil\n" + "x" * 5000, "objects": 1, "shallow_size": 1}] * 500
    census = census_of({**GOOD, "types": rows}, NAME, ProcessKey(1, 1, ""), 0.0)
    assert len(census.types) == 100
    assert "\x1b" not in census.types[0].name
    assert len(census.types[0].name) <= 301


@needs_root  # makes a device that is always full
def test_a_profile_that_cannot_be_written_costs_no_census(stack: ExitStack, tmp_path: Path):
    """Given no folder for the profile, or a full disk, the census is whole and has none."""
    target = stack.enter_context(start_target("watched_sessions.py", SECRET))
    census = take(target.pid, profile=tmp_path / "missing" / "profile.pb.gz")
    assert census.profile is None
    assert census.holders[0].expression == "__main__.SESSIONS"

    full = tmp_path / "full"
    os.mknod(full, stat.S_IFCHR | 0o600, Path("/dev/full").stat().st_rdev)
    census = take(target.pid, profile=full)
    assert census.profile is None
    assert census.holders[0].expression == "__main__.SESSIONS"
    assert not full.exists()

    whole = tmp_path / "profile.pb.gz"
    assert take(target.pid, profile=whole).profile == whole
    assert whole.stat().st_size > 100
