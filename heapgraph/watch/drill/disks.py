"""Drills: the disk is full, read-only, or no file may grow. Small disks of the drill's own."""

from __future__ import annotations

import resource
import subprocess
from typing import TYPE_CHECKING

from heapgraph.watch.drill.findings import wait_until
from heapgraph.watch.drill.killed import OBJECTS
from heapgraph.watch.drill.stage import RULE

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.watch.drill.daemon import DrillDaemon
    from heapgraph.watch.drill.findings import Findings
    from heapgraph.watch.drill.receivers import Receiver
    from heapgraph.watch.drill.stage import Stage

SMALL_DISK = "256k"
"""Room for a few lines."""


def full(stage: Stage, findings: Findings) -> None:
    """Another program takes all that is free on the disk of the store while a dump runs."""
    _mount(stage.store, "size=64m")
    target, hook = stage.target(), stage.receiver()
    target.ask(f"objects {OBJECTS}")
    daemon = stage.steady(findings, target, stage.settings(target.rss_bytes, hook))
    stage.grow(target)
    wait_until(lambda: daemon.job("dump"), "a dump begins")
    _fill(stage.store / "ballast")
    _told(stage, findings, daemon, hook)
    findings.must(daemon.said("the state is not kept"), "it says that its state is not kept")
    (stage.store / "ballast").unlink()
    findings.must(daemon.end() == 0, "told to end, it ends with 0")
    findings.must(stage.state().get("incidents"), "with room again, the state is written")


def nearly_full(stage: Stage, findings: Findings) -> None:
    """The disk of the store would have less free than the settings ask for."""
    _mount(stage.store, "size=4m")
    (stage.store / "ballast").write_bytes(b"x" * (3 << 20))
    target, hook = stage.target(), stage.receiver()
    config = stage.settings(target.rss_bytes, hook, keep_free=0.5)
    daemon = stage.steady(findings, target, config)
    stage.grow(target)
    refused = _told(stage, findings, daemon, hook)
    findings.must("free" in refused, "it was not even begun: the limit of the settings")
    findings.must(
        not [line for line in _audit_lines(stage) if '"dump"' in line],
        "the audit log has no dump",
    )


def file_limit(stage: Stage, findings: Findings) -> None:
    """No file that the daemon or its children write may have more than 64 KiB."""
    target, hook = stage.target(), stage.receiver()
    daemon = stage.steady(findings, target, stage.settings(target.rss_bytes, hook))
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (64 << 10, 64 << 10))
    stage.grow(target)
    _told(stage, findings, daemon, hook)


def read_only(stage: Stage, findings: Findings) -> None:
    """The store becomes read-only while the daemon runs."""
    target, hook = stage.target(), stage.receiver()
    config = stage.settings(target.rss_bytes, hook)
    daemon = stage.steady(findings, target, config)
    # Made read-only before it is laid over the store: the daemon may be writing there just now.
    aside = stage.folder / "aside"
    aside.mkdir()
    _run("mount", "--bind", stage.store, aside)
    _run("mount", "-o", "remount,bind,ro", aside)
    _run("mount", "--move", aside, stage.store)
    stage.grow(target)
    _told(stage, findings, daemon, hook)
    findings.must(daemon.said("the state is not kept"), "it says that its state is not kept")
    findings.must(daemon.end() == 0, "told to end, it ends with 0")
    second = stage.failing_daemon(config)
    second.wait_for("error:")
    findings.must(second.process.wait(20) != 0, "a daemon does not begin with such a store")
    findings.must(
        second.said("cause:") and not second.said("Traceback"),
        "and says why: " + " ".join(second.lines[-3:]),
    )
    _run("umount", stage.store)
    again = stage.daemon(config)
    findings.must(again.end() == 0, "with the store writable again, it begins")


def audit_full(stage: Stage, findings: Findings) -> None:
    """The disk of the audit log is full: what cannot be written down is not done."""
    target, hook = stage.target(), stage.receiver()
    _mount(stage.audit, f"size={SMALL_DISK}")
    daemon = stage.steady(findings, target, stage.settings(target.rss_bytes, hook))
    _fill(stage.audit / "ballast")
    stage.grow(target)
    findings.wait(lambda: hook.of_status("firing"), "the alert goes out")
    told = hook.of_status("firing")[0].data
    refused = told["snapshot"]["refused"]
    findings.must("audit log" in refused, f"it says why there is no snapshot: {refused}")
    findings.must("unknown" in told["verdict"], f"and no holder: {told['verdict']}")
    findings.must(not stage.snapshots(), "nothing was dumped", stage.snapshots())
    findings.must(daemon.said("audit log"), "the daemon says it, too")
    findings.must(daemon.end() == 0, "told to end, it ends with 0")
    (stage.audit / "ballast").unlink()
    findings.must(stage.verified_audit().is_intact, "the audit chain holds")


def _told(stage: Stage, findings: Findings, daemon: DrillDaemon, hook: Receiver) -> str:
    """The alert goes out, with the holder, and says why there is no snapshot; its words."""
    findings.wait(lambda: hook.of_status("firing"), "the alert goes out")
    told = hook.of_status("firing")[0].data
    findings.must(not told["snapshot"]["id"], "it names no snapshot")
    refused = str(told["snapshot"]["refused"])
    findings.must(refused, f"it says why: {refused}")
    findings.must(told["suspect"], f"it names the holder: {told['verdict']}")
    findings.must(not stage.snapshots(), "the store has no snapshot", stage.snapshots())
    findings.must(not stage.left_overs(), "and no half of one", stage.left_overs())
    findings.must(daemon.process.poll() is None, "the daemon goes on")
    findings.must(not daemon.said("an answer failed"), f"nothing in it failed over {RULE}")
    return refused


def _mount(folder: Path, options: str) -> None:
    folder.mkdir(mode=0o700)
    _run("mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "heapgraph-drill", folder)


def _fill(path: Path) -> None:
    """Leave no byte of a disk free."""
    try:
        with path.open("wb", buffering=0) as stream:
            while True:
                stream.write(b"x" * 4096)
    except OSError:
        return


def _audit_lines(stage: Stage) -> list[str]:
    return [line for file in stage.audit.glob("*.jsonl") for line in file.read_text().splitlines()]


def _run(*words: object) -> None:
    subprocess.run(list(map(str, words)), check=True, capture_output=True, timeout=20)
