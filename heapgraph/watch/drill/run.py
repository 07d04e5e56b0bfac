"""Runs drills, one after another; one that needs namespaces gets a process of its own in them."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from heapgraph.errors import HeapgraphError
from heapgraph.safe_text import printable
from heapgraph.watch.drill.findings import Findings, NotAsExpectedError, Result
from heapgraph.watch.drill.registry import NAMESPACES
from heapgraph.watch.drill.stage import PREFIX, Stage
from heapgraph.watch.tied import tied

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.watch.drill.registry import Drill

_LONGEST_S = 120.0

_UNSHARE = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private")
_TRY = "mount -t tmpfs none /proc/fs 2>/dev/null || mount -t tmpfs none /mnt"


def run_drill(drill: Drill) -> Result:
    """Run one drill, and end all that it has started.

    Args:
        drill: of the registry.

    Returns:
        Its result; "skipped" with the reason where it cannot run here. A drill that has failed is
        a result, too.

    Cost: 2 to 30 s, and a daemon and its targets meanwhile.
    """
    if drill.needs != NAMESPACES:
        return run_here(drill)
    reason = why_no_namespaces()
    if reason:
        return Result(drill.name, "skipped", 0.0, drill.expectation, (reason,))
    return _run_inside(drill)


def run_here(drill: Drill) -> Result:
    """Run one drill in this process, with what it needs being there."""
    body = _body(drill)
    findings, started, outcome = Findings(), time.monotonic(), "passed"
    with Stage() as stage:
        try:
            body(stage, findings)
            stage.check_unharmed(findings)
        except NotAsExpectedError as failure:
            outcome = "failed"
            findings.lines += [f"the daemon said: {line}" for line in stage.last_lines()]
            findings.saw(str(failure))
        except (HeapgraphError, OSError, subprocess.SubprocessError) as failure:
            outcome = "failed"
            findings.saw(f"{type(failure).__name__}: {failure}")
    seconds = round(time.monotonic() - started, 2)
    seen = tuple(printable(line) for line in findings.lines)
    return Result(drill.name, outcome, seconds, drill.expectation, seen)


def _body(drill: Drill) -> Callable[[Stage, Findings], None]:
    """The function of a drill; its module is loaded for it."""
    module, _, name = drill.function.partition(":")
    found: Callable[[Stage, Findings], None] = getattr(
        importlib.import_module(f"heapgraph.watch.drill.{module}"), name
    )
    return found


def why_no_namespaces() -> str:
    """Why a drill cannot have namespaces of its own; "" where it can."""
    command = ["unshare", *_UNSHARE, "sh", "-c", _TRY]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_LONGEST_S, check=False, text=True
        )
    except FileNotFoundError:
        return "needs the program unshare (util-linux)"
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        return "needs root, to mount in namespaces of its own" + (f" ({said[-1]})" if said else "")
    return ""


def _run_inside(drill: Drill) -> Result:
    """Run a drill as the first process of its namespaces: with it, all in there ends."""
    inner = [sys.executable, "-P", "-m", "heapgraph.watch.drill", drill.name]
    unshare = shutil.which("unshare") or "unshare"
    command = tied([unshare, *_UNSHARE, *inner], signal.SIGKILL)
    try:
        # Its folder is removed out here: in there, what was mounted below it is still busy.
        with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
            done = subprocess.run(
                command,
                capture_output=True,
                timeout=_LONGEST_S,
                check=False,
                text=True,
                env={**os.environ, "TMPDIR": folder},
            )
        row = json.loads(done.stdout)
        return Result(**{**row, "seen": tuple(row["seen"])})
    except subprocess.TimeoutExpired:
        why = f"it did not end within {_LONGEST_S:.0f} s"
    except (ValueError, TypeError, KeyError):
        why = f"it ended with {done.returncode}: {printable(done.stderr[-500:])}"
    return Result(drill.name, "failed", 0.0, drill.expectation, (why,))
