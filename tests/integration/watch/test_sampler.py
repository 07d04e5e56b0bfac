"""Live processes are found, read and followed over restarts, and none is stopped."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.process.permissions import check_target
from heapgraph.errors import TargetError, TargetNotFound
from heapgraph.watch.drill.processes import state_of
from heapgraph.watch.model import WorkerName
from heapgraph.watch.sampling.discovery import matching, processes
from heapgraph.watch.sampling.process_handle import ProcessHandle
from heapgraph.watch.sampling.sampler import FIRST_RETRY_S, Look, Sampler
from heapgraph.watch.sampling.watched import MISSES
from heapgraph.watch.settings.model import TargetSpec
from helpers.processes import wait_until
from helpers.running_target import RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 2**20


@pytest.fixture
def marker() -> str:
    """Text that only the processes of one test have in their command line."""
    return f"watched-{uuid.uuid4().hex}"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, marker: str) -> RunningTarget:
    return stack.enter_context(start_target("collector_counts.py", marker))


def answer(worker: RunningTarget, order: str) -> tuple[bool, int, list[list[int]]]:
    worker.send(order)
    enabled, tracked, stats = json.loads(worker.read_line())
    return enabled, tracked, stats


def test_workers_keep_their_places_over_restarts(stack: ExitStack, marker: str):
    """Given three workers of which one is replaced, the new one has the place of the old."""
    workers = [start(stack, marker) for _ in range(3)]
    sampler = Sampler([TargetSpec("web", match=marker)])
    stack.callback(sampler.close)
    look = sampler.look(10.0)
    assert [one.worker.name for one in look.came] == [WorkerName("web", slot) for slot in range(3)]
    assert [one.handle.pid for one in look.came] == [worker.pid for worker in workers]
    assert [sample.worker.slot for sample in look.samples] == [0, 1, 2]
    assert not sampler.look(15.0).came

    workers[1].kill()
    new = start(stack, marker)
    look = sampler.look(20.0)
    assert [(event.kind, event.worker.slot) for event in look.events] == [("exit", 1)]
    assert [(one.worker.name.slot, one.handle.pid) for one in look.came] == [(1, new.pid)]
    assert sampler.slots() == {"web": {0: workers[0].pid, 1: new.pid, 2: workers[2].pid}}


def test_a_worker_that_is_replaced_during_a_look_has_one_place(
    stack: ExitStack, marker: str, monkeypatch: pytest.MonkeyPatch
):
    """Given one that ends after it was seen alive, the one that is found then takes its place."""
    old = start(stack, marker)
    sampler = Sampler([TargetSpec("web", match=marker)])
    stack.callback(sampler.close)
    sampler.look(10.0)
    started: list[RunningTarget] = []

    def replaced_first() -> list[int]:
        old.kill()
        started.append(start(stack, marker))
        return processes()

    monkeypatch.setattr("heapgraph.watch.sampling.sampler.processes", replaced_first)
    look = sampler.look(15.0)
    assert [one.handle.pid for one in look.went] == [old.pid]
    assert [(one.worker.name.slot, one.handle.pid) for one in look.came] == [(0, started[0].pid)]
    assert [sample.worker.slot for sample in look.samples] == [0]


def test_places_are_the_same_after_a_restart_of_the_daemon(stack: ExitStack, marker: str):
    """Given the places of before, of which one is free now, the others are as they were."""
    workers = [start(stack, marker) for _ in range(3)]
    before = {"web": {0: workers[2].pid, 1: workers[0].pid, 2: 2**22 + 1}}
    sampler = Sampler([TargetSpec("web", match=marker)], before)
    stack.callback(sampler.close)
    sampler.look(0.0)
    assert sampler.slots()["web"] == {0: workers[2].pid, 1: workers[0].pid, 2: workers[1].pid}


def test_counters_are_those_of_the_kernel_and_of_the_collector(stack: ExitStack, marker: str):
    """Given a worker that grows by a million objects, memory and objects grow by as much."""
    worker = start(stack, marker)
    sampler = Sampler([TargetSpec("web", match=marker)])
    stack.callback(sampler.close)
    for _ in range(5):
        answer(worker, "grow")
    _, _, stats_before = answer(worker, "full")
    before = sampler.look(0.0).samples[0]
    for _ in range(20):
        answer(worker, "grow")
    _, _, stats_after = answer(worker, "full")
    after = sampler.look(5.0).samples[0]
    gained = {name: after.values[name] - before.values[name] for name in after.values}
    assert gained["gc_tracked"] == pytest.approx(200_000, abs=20)
    assert 10 * MIB < gained["private_bytes"] < 30 * MIB
    assert gained["private_bytes"] == pytest.approx(gained["rss_bytes"], abs=MIB)
    assert [list(row) for row in before.generations] == stats_before
    assert [list(row) for row in after.generations] == stats_after
    assert after.values["threads"] == 1
    assert after.values["fds"] == len(list(Path(f"/proc/{worker.pid}/fd").iterdir()))
    assert after.values["gc_enabled"] == 1


def test_the_target_is_never_stopped(stack: ExitStack, marker: str):
    """Given a thousand looks, the target was never traced and lost no time to a stop."""
    worker = start(stack, marker)
    sampler = Sampler([TargetSpec("web", pid=worker.pid)])
    stack.callback(sampler.close)
    before = switches_once_asleep(worker.pid)
    for moment in range(1000):
        sampler.look(float(moment))
    assert switches_once_asleep(worker.pid) == before  # it waited for its pipe, undisturbed


def switches_once_asleep(pid: int) -> list[str]:
    """How often it gave up the processor, read when it waits."""
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        if any(line.startswith("State:\tS") for line in lines):
            return [line for line in lines if "ctxt_switches" in line]
    raise TimeoutError(f"process {pid} does not wait")


def test_what_is_no_python_is_refused_with_the_reason(stack: ExitStack, marker: str):
    other = stack.enter_context(
        subprocess.Popen(["/bin/sh", "-c", f"echo {marker}; read x"], stdin=-1, stdout=-1)
    )
    stack.callback(other.kill)
    assert other.stdout is not None
    assert other.stdout.readline().decode().strip() == marker
    sampler = Sampler([TargetSpec("web", match=marker)])
    stack.callback(sampler.close)
    assert not sampler.look(0.0).samples
    assert "not a Python process" in sampler.refusals[other.pid].what
    assert not sampler.look(FIRST_RETRY_S / 2).samples


def test_what_the_daemon_started_is_not_watched(stack: ExitStack, marker: str):
    """Given a child whose command line has the name of the target, it is left out by its pid."""
    worker = start(stack, marker)
    sampler = Sampler([TargetSpec("web", match=marker)])
    stack.callback(sampler.close)
    sampler.own.add(worker.pid)
    assert not sampler.look(0.0).samples
    sampler.own.clear()
    assert sampler.look(1.0).samples


def test_a_handle_is_of_one_process_only(stack: ExitStack, marker: str):
    """Given a process that has ended, its handle reads nothing of whoever has its pid then."""
    worker = start(stack, marker)
    handle = ProcessHandle(worker.pid)
    stack.callback(handle.close)
    assert handle.is_alive()
    assert handle.key == ProcessHandle(worker.pid).key
    worker.kill()
    assert not handle.is_alive()
    with pytest.raises(TargetNotFound):
        handle.read("status")


def test_targets_are_found_by_their_control_group(stack: ExitStack, marker: str):
    worker = start(stack, marker)
    lines = Path(f"/proc/{worker.pid}/cgroup").read_text().splitlines()
    path = max((line.split(":", 2)[2] for line in lines), key=len)
    found = list(matching(TargetSpec("x", cgroup=path), processes()))
    assert worker.pid in found
    assert os.getpid() not in found
    assert not list(matching(TargetSpec("x", cgroup=f"{path.rstrip('/')}/none-such"), processes()))


def test_a_process_that_starts_another_program_is_looked_for_anew(stack: ExitStack, marker: str):
    """Given a worker that becomes /bin/sleep, it is not watched as a Python any more."""
    worker = stack.enter_context(start_target("becomes_sleep.py", marker))
    sampler = Sampler([TargetSpec("web", pid=worker.pid)])
    stack.callback(sampler.close)
    assert "gc_collections" in sampler.look(0.0).samples[0].values
    worker.send("go")
    comm = Path(f"/proc/{worker.pid}/comm")  # its command line has the word from the start
    wait_until(lambda: comm.read_text() == "sleep\n", "it is another program")
    looks: list[Look] = []
    while worker.pid not in sampler.refusals:
        looks.append(sampler.look(float(len(looks))))
        assert len(looks) <= 3 * MISSES
    assert not [event for look in looks for event in look.events]  # it has not ended
    keys = {one.handle.key for look in looks for one in look.went}
    assert [look.replaced for look in looks if look.replaced] == [keys]
    assert not looks[-1].samples
    assert "not a Python process" in sampler.refusals[worker.pid].what


def test_a_process_whose_first_thread_ends_goes_on(stack: ExitStack, marker: str):
    """Given a zombie whose other thread works, it is watched, and a dump says what is the matter.

    When the other thread ends, too, the process has ended.
    """
    worker = stack.enter_context(start_target("first_thread_ends.py", marker))
    sampler = Sampler([TargetSpec("web", match=marker)])
    stack.callback(sampler.close)
    before = sampler.look(0.0).samples[0].values
    worker.send("go")
    wait_until(lambda: state_of(worker.pid) == "Z", "its first thread has ended")
    worker.send("how are you")
    assert worker.read_line() == "0"
    for number in range(MISSES + 1):
        if number == 1:
            sampler.watched[WorkerName("web", 0)].handle.forget_memory()
        look = sampler.look(1.0 + number)
        assert (look.events, look.went, look.replaced) == ([], [], set())
        assert set(look.samples[0].values) == set(before)
        assert look.samples[0].values["rss_bytes"] > before["rss_bytes"] / 2
    with pytest.raises(TargetError, match="the first thread of process"):
        check_target(worker.pid)
    worker.kill()
    look = sampler.look(20.0)
    assert [event.kind for event in look.events] == ["exit"]


def test_without_descriptors_nobody_has_ended(stack: ExitStack, marker: str):
    """Given a daemon that may open nothing more, what it cannot look at is unknown, not over."""
    start(stack, marker)
    sampler = Sampler([TargetSpec("web", match=marker)])
    stack.callback(sampler.close)
    assert len(sampler.look(10.0).samples) == 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    looks = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        looks = [sampler.look(15.0 + number) for number in range(MISSES + 1)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for look in looks:
        assert (look.events, look.went, look.samples) == ([], [], [])
        assert look.unknown["web/0"] == "Too many open files"
    assert len(sampler.look(30.0).samples) == 1
