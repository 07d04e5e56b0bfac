"""Drills: the daemon, its dump, and the helper that holds the target are killed."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from heapgraph.watch.drill.findings import LIMIT_S, wait_until
from heapgraph.watch.drill.processes import PROC, state_of, status_number

if TYPE_CHECKING:
    from heapgraph.watch.drill.daemon import DrillDaemon
    from heapgraph.watch.drill.findings import Findings
    from heapgraph.watch.drill.receivers import Receiver
    from heapgraph.watch.drill.stage import Stage
    from heapgraph.watch.drill.target import DrillTarget

OBJECTS = 100_000
"""Of a target whose dump takes some tenths of a second."""

HELPER = "heapgraph_freeze"
SLICE_S = 50e-6


def daemon_in_dump(stage: Stage, findings: Findings) -> None:
    """SIGKILL of the daemon in the middle of a dump, and a new daemon."""
    target, hook, daemon = _large_target(stage, findings)
    stage.grow(target)
    wait_until(lambda: daemon.job("dump") and daemon.job(HELPER), "a dump freezes the target")
    started = daemon.kill()
    findings.saw(f"daemon killed with its dump and {len(started) - 1} more below it")
    findings.wait(
        lambda: all(state_of(pid) in ("", "Z") for pid in started),
        "what the daemon had started ends with it",
    )
    findings.must(not stage.snapshots(), "no file has the name of a snapshot", stage.snapshots())
    log = stage.verified_audit()
    findings.must(log.is_intact and log.open_intents, "the audit log holds, the dump open in it")
    findings.must(_spent(stage) > 0, "what the census cost was written down at once")
    again = stage.daemon(stage.folder / "heapgraph.toml")
    findings.wait(lambda: hook.messages, "the new daemon tells what the old one could not")
    message = hook.messages[0]
    refused = message.data["snapshot"]["refused"]
    findings.must("ended" in refused, f"the alert says why there is no snapshot: {refused}")
    findings.must(not stage.left_overs(), "the store has no half", stage.left_overs())
    findings.must(message.data["worker"]["slot"] == 0, "the worker has its place again")
    findings.must(not again.said("snapshot web"), "the dump is not tried again by itself")
    findings.must(_spent(stage) > 0, "the budget remembers what was spent")
    again.kill()
    third = stage.daemon(stage.folder / "heapgraph.toml", is_recorded=True)
    third.wait_looks(4)
    ids = {one.id for one in hook.messages}
    findings.must(len(ids) == 1, "one incident, one id, over three daemons", ids)
    findings.must(third.end() == 0, "told to end, it ends with 0")
    findings.must(stage.verified_audit().is_intact, "the audit chain of three daemons holds")


def dump_child(stage: Stage, findings: Findings) -> None:
    """SIGKILL of the child that takes the snapshot."""
    target, hook, daemon = _large_target(stage, findings)
    stage.grow(target)
    wait_until(lambda: daemon.job("dump") and daemon.job(HELPER), "a dump freezes the target")
    dump = daemon.job("dump")
    os.kill(dump, signal.SIGKILL)
    findings.saw("dump killed while its helper ran")
    _told_without_snapshot(stage, findings, hook, "signal 9")
    findings.wait(lambda: not daemon.job(HELPER), "the helper has ended, too")


def freeze_helper(stage: Stage, findings: Findings) -> None:
    """SIGKILL of the helper while it traces the target."""
    target, hook, daemon = _large_target(stage, findings)
    stage.grow(target)
    wait_until(lambda: daemon.job("dump"), "a dump begins")
    held = _kill_tracer(daemon.job("dump"), target)
    findings.must(held, "the helper was killed while it held the target")
    _told_without_snapshot(stage, findings, hook, "")


def _large_target(stage: Stage, findings: Findings) -> tuple[DrillTarget, Receiver, DrillDaemon]:
    target, hook = stage.target(), stage.receiver()
    target.ask(f"objects {OBJECTS}")
    daemon = stage.steady(findings, target, stage.settings(target.rss_bytes, hook))
    return target, hook, daemon


def _kill_tracer(dump: int, target: DrillTarget) -> bool:
    """Kill the helper of a dump while it traces the target, which takes a millisecond.

    From its start on it is stopped and let go on for a moment, again and again.
    """
    deadline = time.monotonic() + LIMIT_S
    with (PROC / str(dump) / "task" / str(dump) / "children").open("rb", buffering=0) as children:
        while not (found := os.pread(children.fileno(), 100, 0).split()):
            if time.monotonic() > deadline:
                return False
    helper = int(found[0])
    try:
        while time.monotonic() < deadline and state_of(helper) not in ("", "Z"):
            os.kill(helper, signal.SIGSTOP)
            if status_number(target.pid, "TracerPid") == helper:
                os.kill(helper, signal.SIGKILL)
                return True
            os.kill(helper, signal.SIGCONT)
            _spin(SLICE_S)
    except ProcessLookupError:
        pass
    return False


def _spin(seconds: float) -> None:
    """Let so much time pass; a wait of the system takes longer than that."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _told_without_snapshot(stage: Stage, findings: Findings, hook: Receiver, why: str) -> None:
    findings.wait(lambda: hook.of_status("firing"), "the alert goes out")
    told = hook.of_status("firing")[0].data
    findings.must(not told["snapshot"]["id"], "it names no snapshot")
    refused = told["snapshot"]["refused"]
    findings.must(refused and why in refused, f"it says why: {refused}")
    findings.must(told["suspect"], "it names the holder, which the census before had found")
    findings.must(not stage.snapshots(), "the store has no snapshot", stage.snapshots())
    findings.must(not stage.left_overs(), "and no half of one", stage.left_overs())


def _spent(stage: Stage) -> float:
    return sum(float(cost) for _, cost in stage.state().get("spending", {}).get("spent", ()))
