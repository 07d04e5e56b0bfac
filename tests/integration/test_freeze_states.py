"""Whatever the target is doing when it is frozen, it goes on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from heapgraph.capture.live.freeze import freeze
from helpers.processes import (
    children_of,
    is_blocked,
    is_paused,
    read_u64,
    resident_bytes,
    state_of,
    wait_until,
    write_u64,
)
from helpers.running_target import RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Callable

DURATION_S = 0.4  # DURATION_S of the fixture
SLACK_S = 2.0  # for a loaded machine; a call that started over would take twice its time
FREEZES = 3
GAP_ATTEMPTS = 12
GAP_S, GAP_S_PER_GIB = 0.010, 0.025

TIMED = {"sleep": "slept", "nanosleep": 0, "select": 0, "poll": 0, "lock_timeout": False}
ENDED_BY_INPUT = {"read": 5, "epoll": 1, "lock": True, "threads": 5}
BUSY = {
    "compute": 0,
    "c_call": hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 600_000).hex(),
}
METHODS = ("clone", "pause")


def freeze_often(target: RunningTarget, method: Any, during: Callable[[], None] | None = None):
    for _ in range(FREEZES):
        with freeze(target.pid, method) as frozen:
            assert frozen.method == method
            if during:
                during()
        assert children_of(target.pid) == []


def read_report(target: RunningTarget, expected: object) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(target.read_line())
    assert report["result"] == expected
    assert report["sigchld"] == 0
    assert report["children_seen"] == []
    return report


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("state", TIMED)
def test_a_timed_wait_lasts_its_whole_time(state: str, method: str) -> None:
    with start_target("freeze_states.py", state) as target:
        wait_until(lambda: is_blocked(target.pid), "blocked")
        freeze_often(target, method)
        report = read_report(target, TIMED[state])
        assert DURATION_S <= report["elapsed"] < DURATION_S + SLACK_S


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("state", ENDED_BY_INPUT)
def test_a_blocked_call_gets_what_it_waits_for(state: str, method: str) -> None:
    with start_target("freeze_states.py", state) as target:
        wait_until(lambda: is_blocked(target.pid), "blocked")
        freeze_often(target, method)
        wait_until(lambda: is_blocked(target.pid), "blocked again")
        target.send("data")
        read_report(target, ENDED_BY_INPUT[state])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("state", ENDED_BY_INPUT)
def test_a_call_whose_data_comes_while_frozen_returns_it(state: str, method: str) -> None:
    with start_target("freeze_states.py", state) as target:
        wait_until(lambda: is_blocked(target.pid), "blocked")
        with freeze(target.pid, method):  # type: ignore[arg-type]
            target.send("data")
        read_report(target, ENDED_BY_INPUT[state])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("state", BUSY)
def test_a_computation_gives_the_right_result(state: str, method: str) -> None:
    with start_target("freeze_states.py", state) as target:
        freeze_often(target, method)
        read_report(target, BUSY[state])


@pytest.mark.parametrize("method", METHODS)
def test_a_target_deadlocked_with_the_gil_is_frozen_too(method: str) -> None:
    with start_target("freeze_states.py", "gil_deadlock", "--heartbeat") as target:
        wait_until(lambda: is_paused(target.pid), "paused")
        freeze_often(target, method)
        wait_until(lambda: is_paused(target.pid), "paused again")
        os.kill(target.pid, signal.SIGUSR1)
        read_report(target, -1)  # pause() always ends with -1, by a signal


@pytest.mark.parametrize("method", METHODS)
def test_a_signal_that_comes_while_frozen_ends_the_call_as_it_should(method: str) -> None:
    with start_target("freeze_states.py", "gil_deadlock") as target:
        wait_until(lambda: is_paused(target.pid), "paused")
        with freeze(target.pid, method):  # type: ignore[arg-type]
            os.kill(target.pid, signal.SIGUSR1)
        read_report(target, -1)


@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_target_stays_stopped_and_continues_later(method: str) -> None:
    with start_target("freeze_states.py", "read", "--heartbeat") as target:
        wait_until(lambda: is_blocked(target.pid), "blocked")
        os.kill(target.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(target.pid) == "T", "stopped")
        address = json.loads(target.ready)["beats"]

        for _ in range(FREEZES):
            with freeze(target.pid, method):  # type: ignore[arg-type]
                beats = read_u64(target.pid, address)
            wait_until(lambda: state_of(target.pid) == "T", "stopped again")
            assert read_u64(target.pid, address) == beats, "a thread ran"
        assert children_of(target.pid) == []

        os.kill(target.pid, signal.SIGCONT)
        target.send("data")
        read_report(target, 5)


@pytest.mark.parametrize("state", ["read", "epoll", "lock", "threads", "c_call"])
def test_other_threads_hardly_notice_a_clone(state: str) -> None:
    """The best of some attempts counts: gaps that the machine itself makes are not ours."""
    with start_target("freeze_states.py", state, "--heartbeat") as target:
        beats = json.loads(target.ready)["beats"]
        wait_until(lambda: read_u64(target.pid, beats) > 0, "beating")
        limit_s = GAP_S + GAP_S_PER_GIB * resident_bytes(target.pid) / 2**30
        gaps = []
        for _ in range(GAP_ATTEMPTS):
            write_u64(target.pid, beats + 8, 0)
            with freeze(target.pid, "clone") as frozen:
                assert frozen.pause_s < 1
            count = read_u64(target.pid, beats)
            wait_until(lambda: read_u64(target.pid, beats) > count + 2, "beating on")  # noqa: B023
            gaps.append(read_u64(target.pid, beats + 8) / 1e9)
            if gaps[-1] < limit_s:
                break
        assert min(gaps) < limit_s
        if state in ENDED_BY_INPUT:
            target.send("data")
            read_report(target, ENDED_BY_INPUT[state])
