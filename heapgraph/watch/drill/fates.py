"""Drills: what becomes of targets: gone, restarting, stopped, their pid given to another."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.process.start_time import started_of
from heapgraph.watch.drill.findings import wait_until
from heapgraph.watch.drill.killed import OBJECTS
from heapgraph.watch.drill.processes import processes_with, state_of
from heapgraph.watch.drill.stage import GROWTH_MIB, RULE

if TYPE_CHECKING:
    from heapgraph.watch.drill.findings import Findings
    from heapgraph.watch.drill.stage import Stage

RESTARTS, RESTARTS_IN_S = 20, 10.0
CENSUS = "heapgraph.watch.census"
_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def gone(stage: Stage, findings: Findings) -> None:
    """The target is killed while its memory is copied."""
    target, hook = stage.target(), stage.receiver()
    target.ask(f"objects {OBJECTS}")
    daemon = stage.steady(findings, target, stage.settings(target.rss_bytes, hook))
    stage.grow(target)
    daemon.wait_for(f"{RULE} is firing")  # of a rule that is only pending nobody is told
    wait_until(lambda: daemon.job("heapgraph_freeze"), "its memory is copied")
    target.kill()
    daemon.wait_for(f"process {target.pid} has ended")
    findings.saw("killed while it was copied; the daemon says that it has ended")
    findings.wait(lambda: hook.of_status("firing"), "the alert goes out all the same")
    told = hook.of_status("firing")[0].data
    findings.must(not told["snapshot"]["id"], "it names no snapshot")
    findings.must(told["snapshot"]["refused"], f"it says why: {told['snapshot']['refused']}")
    findings.wait(lambda: hook.of_status("resolved"), "and then that it is over")
    findings.wait(
        lambda: processes_with(stage.marker) == [], "no copy of the target is left behind"
    )
    findings.must(not stage.left_overs(), "the store has no half", stage.left_overs())
    after = stage.target()
    said = daemon.wait_for(f"process {after.pid}, CPython")
    findings.must("web/0" in said, "the next process has its place", said)


def restarting(stage: Stage, findings: Findings) -> None:
    """The target, too large from the start, is restarted twenty times in ten seconds."""
    target, hook = stage.target(), stage.receiver()
    config = stage.settings(target.rss_bytes, hook, snapshot=False, warm_up="3s")
    daemon = stage.steady(findings, target, config)
    started = due = time.monotonic()
    for _ in range(RESTARTS):
        target.kill()
        target = stage.target()
        stage.grow(target)
        due += RESTARTS_IN_S / RESTARTS
        wait_until(partial(_is_past, due), "the time of the next restart")
    took = time.monotonic() - started
    findings.saw(f"{RESTARTS} restarts in {took:.1f} s, each too large at once")
    findings.must(not hook.messages, "nobody is told while they warm up", len(hook.messages))
    seen = daemon.said(", CPython")
    findings.must(
        all("web/0" in line for line in seen),
        f"all {len(seen)} processes that were seen had the same place",
        seen,
    )
    findings.wait(lambda: hook.of_status("firing"), "the last one, which stays, is told of")
    findings.must(len(hook.messages) == 1, "once", len(hook.messages))


def _is_past(moment: float) -> bool:
    return time.monotonic() >= moment


def stopped(stage: Stage, findings: Findings) -> None:
    """The target is stopped by a signal, and stays so."""
    target, hook = stage.target(), stage.receiver()
    config = stage.settings(target.rss_bytes, hook)
    daemon = stage.steady(findings, target, config)
    target.ask(f"hold {GROWTH_MIB}")
    os.kill(target.pid, signal.SIGSTOP)
    try:
        findings.wait(lambda: state_of(target.pid) == "T", "stopped by SIGSTOP")
        findings.wait(lambda: hook.of_status("firing"), "the alert goes out")
        told = hook.of_status("firing")[0].data
        snapshot = told["snapshot"]["id"] or f"refused: {told['snapshot']['refused']}"
        findings.must(told["snapshot"]["id"] or told["snapshot"]["refused"], snapshot)
        findings.saw(told["verdict"])
        findings.must(state_of(target.pid) == "T", "it is stopped still", state_of(target.pid))
        findings.must(not stage.left_overs(), "the store has no half", stage.left_overs())
        findings.must(daemon.end() == 0, "the daemon, told to end, ends with 0")
        findings.must(state_of(target.pid) == "T", "it is stopped still", state_of(target.pid))
    finally:
        os.kill(target.pid, signal.SIGCONT)
    findings.saw("continued by SIGCONT")
    target.forget_gaps()


def pid_reuse(stage: Stage, findings: Findings) -> None:
    """The target ends, and another process has its pid at the next look; then without a daemon."""
    target, hook = stage.target(), stage.receiver()
    config = stage.settings(target.rss_bytes, hook, snapshot=False, times=4)
    daemon = stage.steady(findings, target, config)
    stage.grow(target)
    daemon.wait_for(f"{RULE} is pending")
    pid = target.pid
    target.kill()
    _give_next(pid)
    second = stage.target()
    findings.must(second.pid == pid, f"another process has pid {pid}", second.pid)
    findings.wait(
        lambda: len(daemon.said(f"web/0: process {pid}, CPython")) > 1,
        "the daemon says that another has begun, in the same place",
    )
    findings.must(daemon.said(f"web/0: process {pid} has ended"), "and that the first has ended")
    daemon.kill()
    stage.grow(second)
    middle = stage.daemon(config)
    middle.wait_for(f"{RULE} is pending")
    middle.end()
    findings.must(_starts(stage) == [started_of(second.pid)], "the state knows it by its start")
    second.kill()
    _give_next(pid)
    third = stage.target()
    findings.must(third.pid == pid, f"and again, while no daemon runs: pid {pid}", third.pid)
    last = stage.daemon(config, is_recorded=True)
    last.wait_looks(8)
    findings.must(not hook.messages, "what the first two had is put down to nobody else")
    findings.must(not last.said("is firing"), "the rule begins anew")
    findings.must(last.end() == 0, "told to end, it ends with 0")
    findings.must(
        _starts(stage) == [started_of(third.pid)], "the state knows the third by its start alone"
    )


def _give_next(pid: int) -> None:
    """Have the kernel give a pid to the next process of this namespace."""
    wait_until(lambda: state_of(pid) == "", "the first process is gone")
    _LAST_PID.write_text(str(pid - 1))


def _starts(stage: Stage) -> list[int]:
    """When the processes began that the rules have in mind, as the daemon has written it down."""
    rows = stage.state().get("rules", {}).get("workers", [])
    return [row["process"][1] for row in rows if row["process"] is not None]
