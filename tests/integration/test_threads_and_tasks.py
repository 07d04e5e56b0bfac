"""Threads, tasks and suspended functions of a live program, as `heapgraph threads` shows them."""

from __future__ import annotations

import pytest

from heapgraph.analysis.threads import list_threads
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target

MEBIBYTE = 1 << 20
SLACK = 4096


@pytest.fixture(scope="module")
def threads(tmp_path_factory):
    with start_target("threads_and_tasks.py") as target:
        graph = dump_graph(target, tmp_path_factory.mktemp("threads") / "live.heapgraph")
    return list_threads(graph)


def test_a_frame_keeps_what_only_its_variables_hold(threads):
    (holder,) = [thread for thread in threads.threads if thread.name == "holder"]
    frames = {frame.function: frame for frame in holder.frames}
    worker = frames["worker"]
    assert worker.file.endswith("threads_and_tasks.py")
    variables = {variable.name: variable for variable in worker.locals}
    assert variables["own"].kept_alone
    assert not variables["shared"].kept_alone
    assert not variables["lent"].kept_alone
    assert 2 * MEBIBYTE <= worker.retained_size < 2 * MEBIBYTE + SLACK
    assert frames["callee"].retained_size < SLACK
    # What caller and callee share goes with the thread as a whole.
    assert 5 * MEBIBYTE <= holder.retained_size < 5 * MEBIBYTE + SLACK


def test_the_thread_that_keeps_most_comes_first(threads):
    assert threads.threads[0].name == "holder"
    assert len(threads.threads) == 3


def test_tasks_show_their_await_chain(threads):
    pending = [task for task in threads.tasks if task.chain[0].function == "poll"]
    assert len(pending) == 3
    for task in pending:
        assert task.state == "pending"
        assert [step.function for step in task.chain[:2]] == ["poll", "fetch"]
        assert task.chain[-1].type == "_asyncio.Future"
        assert task.retained_size >= MEBIBYTE
    (done,) = [task for task in threads.tasks if task.state == "done"]
    assert done.chain[0].function == "sleep"
    assert done.expression == "__main__.TASKS[3]"


def test_suspended_functions_are_counted_by_code(threads):
    by_function = {row.function: row for row in threads.suspended}
    rows = by_function["rows"]
    assert (rows.type, rows.count, rows.ended) == ("generator", 4, 1)
    assert rows.retained_size >= 3 * MEBIBYTE // 2
    assert by_function["fetch"].count == 3
    assert by_function["main"].count == 1
