"""Every refusal names its cause, and none of them harms the target."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

import heapgraph
from heapgraph.capture.live.freeze import freeze
from heapgraph.capture.live.freeze_helper import HELPER, FreezeHelper, HelperFailure
from heapgraph.capture.process.permissions import read_status
from heapgraph.errors import (
    CaptureInterrupted,
    TargetAlreadyTraced,
    TargetError,
    TargetNotFound,
    UsageError,
)
from helpers.methods import without_idle
from helpers.processes import children_of, state_of, wait_until
from helpers.running_target import RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_SUCH_PID = 2**30  # above the kernel's highest pid_max
CAP_SYS_ADMIN = 21
RSEQ_ATTEMPTS = 20


@pytest.fixture
def target() -> Iterator[RunningTarget]:
    with start_target("freeze_orders.py") as running:
        yield running


def refusal(kind: type[TargetError], pid: int, method: str = "auto") -> TargetError:
    with pytest.raises(kind) as caught, freeze(pid, method):  # type: ignore[arg-type]
        pass
    assert type(caught.value) is kind
    assert caught.value.exit_code == 3
    assert str(pid) in caught.value.what
    return caught.value


def answers(target: RunningTarget) -> bool:
    target.send("hello")
    return target.read_line() == "hello"


def test_no_such_process() -> None:
    assert "heapgraph ps" in refusal(TargetNotFound, NO_SUCH_PID).hint


def test_own_process() -> None:
    assert "itself" in refusal(TargetError, os.getpid()).what


def test_a_thread_id_leads_to_its_process() -> None:
    ids: list[int] = []
    seen, done = threading.Event(), threading.Event()

    def announce() -> None:
        ids.append(threading.get_native_id())
        seen.set()
        done.wait()

    thread = threading.Thread(target=announce)
    thread.start()
    seen.wait()
    try:
        assert str(os.getpid()) in refusal(TargetNotFound, ids[0]).hint
    finally:
        done.set()
        thread.join()


def test_a_zombie(target: RunningTarget) -> None:
    target.process.kill()
    wait_until(lambda: state_of(target.pid) == "Z", "a zombie")
    assert "zombie" in refusal(TargetNotFound, target.pid).what


def test_a_traced_process_names_its_tracer(target: RunningTarget) -> None:
    with start_target("freeze_tracer.py", target.pid) as tracer:
        error = refusal(TargetAlreadyTraced, target.pid)
        assert str(tracer.pid) in error.what
        assert "python" in error.what
        with FreezeHelper() as helper, pytest.raises(HelperFailure) as caught:
            helper.freeze(target.pid)
        assert caught.value.code == "seize"
        with FreezeHelper() as helper, pytest.raises(HelperFailure) as caught:
            helper.pause(target.pid, 0)
        assert caught.value.code == "seize"
    assert answers(target)


def test_a_user_without_rights_is_told_what_to_type(target: RunningTarget) -> None:
    owned_by_root = target.pid if os.geteuid() == 0 else 1
    with start_target("freeze_unprivileged.py", owned_by_root) as tool:
        report = json.loads(tool.ready)
    assert report["error"] == "TargetPermissionDenied"
    assert report["exit_code"] == 3
    what, cause, hint = report["parts"]
    assert str(owned_by_root) in what
    assert "user 0" in cause or "ptrace_scope" in cause
    assert hint == f"sudo heapgraph dump {owned_by_root}"
    assert answers(target)


def test_a_target_that_may_not_clone_is_paused_instead() -> None:
    with start_target("freeze_orders.py", "--no-new-processes") as target:
        with without_idle(), freeze(target.pid) as frozen:
            assert frozen.method == "pause"
            assert "limit on processes" in frozen.passed_over["clone"]
        assert answers(target)
        error = refusal(CaptureInterrupted, target.pid, "clone")
        assert "limit on processes" in error.cause
        assert "--method pause" in error.hint
        assert answers(target)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the fixture is x86_64 machine code")
def test_a_thread_in_a_restartable_sequence_is_left_alone() -> None:
    """The kernel lets it out for one instruction after each stop, so one attempt may succeed."""
    with start_target("freeze_rseq.py") as target:
        seen = []
        for _ in range(RSEQ_ATTEMPTS):
            with freeze(target.pid) as frozen:
                seen.append(frozen.method)
            assert read_status(target.pid)["TracerPid"] == "0"
            if frozen.method == "pause":
                assert "critical section" in frozen.passed_over["clone"]
                break
        assert "pause" in seen


@pytest.mark.parametrize("call", ["clone", "wait4"])
def test_a_filter_that_kills_for_a_call_of_ours_is_seen_before(call: str) -> None:
    """Also for wait4, which only a thread that has to find back by itself would make."""
    with start_target("freeze_orders.py", "--filter", call) as target:
        with without_idle(), freeze(target.pid) as frozen:
            assert frozen.method == "pause"
            assert "seccomp" in frozen.passed_over["clone"]
        assert "seccomp" in refusal(CaptureInterrupted, target.pid, "clone").cause
        assert answers(target)
        assert read_status(target.pid)["Seccomp"] == "2"


def test_a_filter_that_allows_our_calls_is_no_reason_for_a_pause() -> None:
    may_read_filters = int(read_status(os.getpid())["CapEff"], 16) >> CAP_SYS_ADMIN & 1
    with start_target("freeze_orders.py", "--filter", "syslog") as target:
        with without_idle(), freeze(target.pid) as frozen:
            assert frozen.method == ("clone" if may_read_filters else "pause")
        assert answers(target)
        assert children_of(target.pid) == []
        assert read_status(target.pid)["Seccomp"] == "2"


def test_an_unknown_method() -> None:
    with pytest.raises(UsageError), freeze(os.getppid(), "copy"):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), 0, -1])
def test_a_limit_that_is_none(target: RunningTarget, tmp_path: Path, limit: float) -> None:
    with pytest.raises(UsageError, match="no number of milliseconds") as caught:
        heapgraph.dump(target.pid, tmp_path / "x.heapgraph", max_pause_ms=limit)
    assert len(caught.value.parts()) == 3
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError), freeze(target.pid, "pause", limit):
        pass
    assert answers(target)


def test_a_limit_longer_than_any_clock_is_one(target: RunningTarget) -> None:
    with freeze(target.pid, "pause", 1e300) as frozen:
        assert frozen.method == "pause"
    assert answers(target)


@pytest.mark.parametrize("text", ["", "freeze", "freeze x", "pause x y", "freeze " + "9" * 300])
def test_the_helper_refuses_what_it_does_not_understand(text: str) -> None:
    orders = f"{text}\nrelease\n".encode()
    program = subprocess.run([HELPER], input=orders, capture_output=True, timeout=10, check=True)
    *refusals, last = program.stdout.decode().splitlines()
    assert refusals
    assert all(line.startswith("error usage ") for line in refusals)
    assert last == "released 0 clean"


def test_the_helper_holds_one_thing_at_a_time(target: RunningTarget) -> None:
    with FreezeHelper() as helper:
        helper.pause(target.pid, 0)
        with pytest.raises(HelperFailure) as caught:
            helper.pause(target.pid, 0)
        assert caught.value.code == "usage"
    assert answers(target)
