"""What is read stands still, what runs is untouched, and every way out lets the target go."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from heapgraph.capture.heap.walk import HeapWalk, writable_regions
from heapgraph.capture.live.copying import Copier, NotTaken
from heapgraph.capture.live.freeze import METHODS, freeze
from heapgraph.capture.live.freeze_helper import FreezeHelper
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.maps import read_maps
from heapgraph.capture.process.permissions import read_status
from heapgraph.capture.process.residency import filled_ranges
from heapgraph.errors import CaptureInterrupted, TargetNotFound
from helpers.methods import each_method
from helpers.processes import children_of, read_u64, state_of, wait_until
from helpers.running_target import RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.live.frozen import Frozen

BEFORE, AFTER = 41, 42
SHORT_PAUSE_MS = 20
PEER_LIMIT_S = 20.0
"""Far above what it takes; with the socket in the clone it would be as long as the freeze."""

ENDS_WITHIN_S = 1.0
UNBLOCKABLE = 1 << signal.SIGKILL - 1 | 1 << signal.SIGSTOP - 1


@pytest.fixture
def target() -> Iterator[RunningTarget]:
    with start_target("freeze_orders.py") as running:
        yield running


def marker_of(target: RunningTarget) -> int:
    address: int = json.loads(target.ready)["marker"]
    return address


def copied_bytes(pid: int) -> int:
    """Bytes of pages that a process has for itself; pages of files that it only read are not."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_Dirty"))


def has_ended(clone: int) -> bool:
    """It may wait in the process table for init, whose child it is, to look at it."""
    return state_of(clone) in ("Z", "")


def order(target: RunningTarget, line: str) -> None:
    target.send(line)
    assert target.read_line() == line


def value_in(frozen: Frozen, address: int) -> int:
    """Eight bytes of the frozen moment."""
    with frozen.open_memory() as memory:
        return memory.u64(address)


@pytest.mark.parametrize("method", each_method())
def test_what_is_read_keeps_the_value_of_the_freeze(target: RunningTarget, method: str) -> None:
    marker = marker_of(target)
    order(target, f"set {BEFORE}")
    with freeze(target.pid, method) as frozen:  # type: ignore[arg-type]
        assert frozen.method == method
        order(target, f"set {AFTER}")
        assert value_in(frozen, marker) == BEFORE
        assert read_u64(target.pid, marker) == AFTER
        assert read_status(target.pid)["TracerPid"] == "0"
    assert (frozen.pause_s == 0) == (method == "idle")
    assert frozen.pause_s < 1
    assert frozen.notes == []


def test_a_target_that_waits_is_read_without_a_stop(target: RunningTarget) -> None:
    with freeze(target.pid) as frozen:
        assert frozen.method == "idle"
        assert frozen.passed_over == {}


SAVING = "a copy would take 1.00 GiB"


@pytest.fixture
def large_heaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heapgraph.capture.live.freeze.copy_saving", lambda *_: SAVING)


@pytest.mark.usefixtures("large_heaps")
def test_a_target_that_waits_is_cloned_where_a_copy_is_dear(target: RunningTarget) -> None:
    with freeze(target.pid) as frozen:
        assert frozen.method == "clone"
        assert frozen.passed_over == {"idle": SAVING}
    with freeze(target.pid, "idle") as frozen:  # as it was wanted
        assert frozen.method == "idle"


@pytest.mark.usefixtures("large_heaps")
def test_what_cannot_be_cloned_is_copied_however_dear(
    target: RunningTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    with freeze(target.pid, max_pause_ms=1e-6) as frozen:
        assert (frozen.method, frozen.passed_over) == ("idle", {})
    monkeypatch.setattr(FreezeHelper, "freeze", mock.Mock(side_effect=NotTaken("no clone")))
    with freeze(target.pid) as frozen:
        assert (frozen.method, frozen.passed_over) == ("idle", {"clone": "no clone"})


@pytest.mark.usefixtures("large_heaps")
def test_large_heaps_are_no_reason_where_a_thread_runs() -> None:
    with start_target("freeze_states.py", "compute") as target, freeze(target.pid) as frozen:
        assert frozen.passed_over["idle"] == "one of its threads runs"


def test_a_target_that_runs_is_cloned_and_it_is_said_why() -> None:
    with start_target("freeze_states.py", "compute") as target, freeze(target.pid) as frozen:
        assert frozen.method in ("precopy", "clone")
        assert frozen.passed_over["idle"] == "one of its threads runs"
        assert list(frozen.passed_over) == list(METHODS[: METHODS.index(frozen.method)])


def test_a_release_ends_the_clone_and_leaves_no_zombie(target: RunningTarget) -> None:
    with freeze(target.pid, "clone") as frozen:
        clone = frozen.code_pid
        assert children_of(target.pid) == []  # it is nobody's child but init's
        assert state_of(clone) == "t"
        frozen.release()
        frozen.release()
        wait_until(lambda: has_ended(clone), "it ended")
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on the kernel
            read_u64(clone, marker_of(target))
    assert frozen.notes == []


def test_a_clone_holds_no_descriptor(target: RunningTarget) -> None:
    with freeze(target.pid, "clone") as frozen:
        assert not list(Path(f"/proc/{frozen.code_pid}/fd").iterdir())
        assert list(Path(f"/proc/{target.pid}/fd").iterdir())


def test_the_clone_outlives_a_target_that_becomes_another_program(target: RunningTarget) -> None:
    marker = marker_of(target)
    order(target, f"set {BEFORE}")
    with freeze(target.pid, "clone") as frozen:
        target.send("exec")
        assert "marker" in json.loads(target.read_line())
        assert read_u64(frozen.code_pid, marker) == BEFORE
    assert children_of(target.pid) == []
    assert frozen.notes == []
    order(target, "set 0")


def test_reading_the_clone_copies_none_of_its_pages() -> None:
    """A copied page would be charged to the target's memory limit."""
    with start_target("kinds.py") as running:
        target = inspect_target(running.pid)
        with freeze(target.pid, "clone") as frozen:
            maps = read_maps(frozen.code_pid, sizes=False)
            before = copied_bytes(frozen.code_pid)
            walk = HeapWalk(frozen.code_pid, target.layout, target.version, maps)
            walk.load(filled_ranges(frozen.code_pid, writable_regions(maps)))
            gained = copied_bytes(frozen.code_pid) - before
        read = walk.emit([]).counts["bytes_read"]
    assert read > 10 * 2**20
    assert gained == 0


def test_the_clone_is_the_first_to_go_when_memory_runs_out(target: RunningTarget) -> None:
    with freeze(target.pid, "clone") as frozen:
        assert Path(f"/proc/{frozen.code_pid}/oom_score_adj").read_text() == "1000\n"
        assert Path(f"/proc/{target.pid}/oom_score_adj").read_text() != "1000\n"


def test_no_signal_reaches_the_clone(target: RunningTarget) -> None:
    with freeze(target.pid, "clone") as frozen:
        status = read_status(frozen.code_pid)
    assert int(status["SigBlk"], 16) | UNBLOCKABLE == 2**64 - 1


def test_a_peer_sees_the_target_close_at_once(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "peer"))
        listener.listen()
        with start_target("freeze_orders.py", "--socket", tmp_path / "peer") as target:
            connection, _ = listener.accept()
            with connection, freeze(target.pid, "clone"):
                connection.settimeout(PEER_LIMIT_S)
                order(target, "close")
                assert connection.recv(1) == b""


@pytest.mark.parametrize("method", each_method())
def test_an_error_in_the_block_lets_the_target_go(target: RunningTarget, method: str) -> None:
    with pytest.raises(KeyError), freeze(target.pid, method):  # type: ignore[arg-type]
        raise KeyError
    order(target, "hello")
    assert children_of(target.pid) == []
    assert read_status(target.pid)["TracerPid"] == "0"


def test_the_target_goes_on_when_the_helper_is_killed_with_a_clone(target: RunningTarget) -> None:
    with freeze(target.pid, "clone") as frozen:
        clone = frozen.code_pid
        os.kill(frozen.helper.pid, signal.SIGKILL)
        wait_until(lambda: has_ended(clone), "the clone ended")
        order(target, "hello")
    assert "killed" in frozen.notes[0]
    assert children_of(target.pid) == []
    order(target, "hello again")


def test_a_pause_that_lost_its_helper_is_not_trusted(
    target: RunningTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = FreezeHelper.pause

    def pause_and_die(helper: FreezeHelper, pid: int, limit_s: float) -> None:
        pause(helper, pid, limit_s)
        os.kill(helper.pid, signal.SIGKILL)
        order(target, "hello")

    monkeypatch.setattr(FreezeHelper, "pause", pause_and_die)
    with pytest.raises(CaptureInterrupted, match="ran on"), freeze(target.pid, "pause"):
        pass
    order(target, "hello again")


def test_the_clone_ends_with_a_target_that_is_killed(target: RunningTarget) -> None:
    with freeze(target.pid, "clone") as frozen:
        clone = frozen.code_pid
        target.kill()
        wait_until(lambda: has_ended(clone), "the clone ended", limit_s=ENDS_WITHIN_S)
        frozen.release()
    assert frozen.notes == []


def test_a_target_killed_while_paused_ends_cleanly(target: RunningTarget) -> None:
    with FreezeHelper() as helper:
        helper.pause(target.pid, 0)
        assert state_of(target.pid) == "t"
        os.kill(target.pid, signal.SIGKILL)
        wait_until(lambda: state_of(target.pid) in ("Z", ""), "it ended")
        helper.release()
    assert target.process.wait(timeout=10) == -signal.SIGKILL
    with pytest.raises(TargetNotFound), freeze(target.pid):
        pass


def test_a_pause_ends_at_its_limit_and_says_so(
    target: RunningTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Copier.take

    def take_for_long(copier: Copier) -> None:
        take(copier)
        target.send("hello")
        assert target.read_line() == "hello"  # answered although nobody released it

    monkeypatch.setattr(Copier, "take", take_for_long)
    with (
        pytest.raises(CaptureInterrupted, match="limit") as caught,
        freeze(target.pid, "pause", max_pause_ms=SHORT_PAUSE_MS),
    ):
        pass
    assert len(caught.value.parts()) == 3


def test_a_dump_that_is_stopped_does_not_stop_its_target(target: RunningTarget) -> None:
    """Ctrl-Z in a pause: the helper keeps the limit by itself."""
    with start_target("freeze_holder.py", target.pid, "pause", "300") as holder:
        assert holder.ready == "paused"
        os.kill(holder.pid, signal.SIGSTOP)
        target.send("hello")
        assert target.read_line() == "hello"


@pytest.mark.parametrize("method", ["clone", "pause"])
def test_without_a_guard_no_thread_is_stopped(target: RunningTarget, method: str) -> None:
    """Given a limit that leaves no timer, nothing would end a stop when the helper hangs."""
    limit = resource.getrlimit(resource.RLIMIT_SIGPENDING)
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, limit[1]))
    try:
        with pytest.raises(CaptureInterrupted) as caught, freeze(target.pid, method):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_SIGPENDING, limit)
    assert "ulimit -i" in " ".join(caught.value.parts())
    target.send("hello")
    assert target.read_line() == "hello"


def test_a_helper_that_is_stopped_does_not_stop_its_target(target: RunningTarget) -> None:
    """Its guard ends it, also in a pause without a limit."""
    with FreezeHelper() as helper:
        helper.pause(target.pid, 0)
        os.kill(helper.pid, signal.SIGSTOP)
        target.send("hello")
        assert target.read_line() == "hello"


def test_a_clone_that_would_take_too_long_is_refused_before_it_is_made() -> None:
    with start_target("freeze_orders.py", "--memory", 100) as target:
        with (
            pytest.raises(CaptureInterrupted, match="would stand") as caught,
            freeze(target.pid, "clone", max_pause_ms=1),
        ):
            pass
        assert "MiB" in caught.value.cause
        with freeze(target.pid, "clone", max_pause_ms=1000) as frozen:
            assert frozen.method == "clone"


def test_a_tool_that_is_killed_leaves_nothing_behind(target: RunningTarget) -> None:
    with start_target("freeze_holder.py", target.pid) as holder:
        clone = int(holder.ready)
        assert state_of(clone) == "t"
        holder.kill()
        wait_until(lambda: has_ended(clone), "the clone ended")
    order(target, "hello")
    assert children_of(target.pid) == []


def test_a_target_that_cannot_be_stopped_is_still_read(
    target: RunningTarget, tmp_path: Path
) -> None:
    """In state D it runs no code of its own; it stops, if it wakes up, before it does."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    order(target, f"set {BEFORE}")
    target.send(f"spawn {fifo}")
    wait_until(lambda: state_of(target.pid) == "D", "uninterruptible")
    with freeze(target.pid) as frozen:
        assert frozen.method == "pause"
        assert list(frozen.passed_over) == ["idle", "precopy", "clone"]
        target.send(f"set {AFTER}")
        os.close(os.open(fifo, os.O_WRONLY))
        assert target.read_line() == f"spawn {fifo}"
        assert target.read_line() == f"set {AFTER}"
        assert value_in(frozen, marker_of(target)) == BEFORE


def test_a_target_that_wakes_up_in_state_d_stops_late(
    target: RunningTarget, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    target.send(f"spawn {fifo}")
    wait_until(lambda: state_of(target.pid) == "D", "uninterruptible")
    with FreezeHelper() as helper:
        helper.pause(target.pid, 0)
        os.close(os.open(fifo, os.O_WRONLY))
        wait_until(lambda: state_of(target.pid) == "t", "stopped late")
        helper.release()
    assert target.read_line() == f"spawn {fifo}"


def test_a_target_that_stays_in_state_d_is_left_as_it_was(
    target: RunningTarget, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    target.send(f"spawn {fifo}")
    wait_until(lambda: state_of(target.pid) == "D", "uninterruptible")
    with pytest.raises(CaptureInterrupted, match="cannot be cloned"), freeze(target.pid, "clone"):
        pass
    assert read_status(target.pid)["TracerPid"] == "0"
    os.close(os.open(fifo, os.O_WRONLY))
    assert target.read_line() == f"spawn {fifo}"
    order(target, "hello")
