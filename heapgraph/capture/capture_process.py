"""Copies the memory of a live process into a packed core file, by the compiled helper.

The helper (native/capture/) writes to the file or pipe itself, so nothing of the memory passes
through this process: what both need does not grow with the target.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.live.freeze import HELPER_REFUSALS, why_refused
from heapgraph.capture.live.freeze_helper import HelperFailure
from heapgraph.capture.live.freeze_limits import check_pause_limit
from heapgraph.capture.live.memory_limits import plan_memory
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.permissions import check_target, explain_refusal, read_status
from heapgraph.errors import CaptureInterrupted, HeapgraphError, UsageError
from heapgraph.native.library import LIBRARY_FOLDER
from heapgraph.snapshot.pending_file import PendingFile
from heapgraph.snapshot.write_errors import write_error
from heapgraph.units import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.capture.live.memory_limits import MemoryPlan

CAPTURE_HELPER = LIBRARY_FOLDER / "heapgraph_capture"
"""The helper program; it needs nothing else, and can be copied into a container."""

PAUSE_LIMIT_MS = 10_000.0
"""How long a target may stand while it is written, unless somebody allows more."""

_LONGEST_MS = 2**31 - 1

OWN_NEED = 64 << 20
"""Bytes that the helper takes at most."""

_OF_THE_CLONE = {"clone", "inject", "memory", *HELPER_REFUSALS}
_OF_THE_TARGET = ("traced", "thread", "self", "kernel", "gone")
_CAUSES = {
    "stall": "the program that reads the output has taken nothing for a minute",
    "ended": "it ended, or its frozen clone was killed (for instance by the out-of-memory killer)",
    "packing": "a limit on this program's own memory (ulimit -v) is too low",
    "woke": "a thread was left asleep, since a stop would have cut its call short, and woke",
    "signal": "the helper was ended by a signal",
}


@dataclass(frozen=True)
class CaptureResult:
    """What a capture did.

    Attributes:
        method: "clone" or "pause".
        pause_s: seconds for which a thread of the target, or all of it, stood.
        stored: bytes of memory that are in the capture.
        written: bytes of the capture, packed.
        notes: sentences for the user.
    """

    method: str
    pause_s: float
    stored: int
    written: int
    notes: list[str]


def capture_process(
    pid: int,
    output: str | os.PathLike[str] | int,
    *,
    method: str = "clone",
    max_pause_ms: float | None = None,
    force: bool = False,
) -> CaptureResult:
    """Copy the memory of a live Python process; `dump_core` makes a snapshot of it anywhere.

    Args:
        pid: the target.
        output: the file to write, or an open descriptor: a pipe.
        method: "clone": a copy-on-write child is read, the target stands for milliseconds.
            "pause": the target stands until all of it is written.
        max_pause_ms: how long it may stand for "pause"; `PAUSE_LIMIT_MS` unless given.
        force: overwrite an existing file.

    Raises:
        UsageError: a method or a limit that is none.
        TargetError: the target cannot be captured; the subclass says why. It goes on.
        SnapshotWriteFailed: the output exists (without force) or cannot be written.

    Cost: 5 to 10 s per GiB of the target's memory, at most 64 MiB here whatever its size. While
        the clone lives, each page that the target writes costs it a copy of 4 KiB.
    """
    if method not in ("clone", "pause"):
        raise UsageError(f"unknown method {method!r}", "", "use clone or pause")
    check_pause_limit(max_pause_ms)
    inspect_target(pid)
    arguments = [str(pid)]
    plan = None
    if method == "pause":
        limit_ms = min(max_pause_ms or PAUSE_LIMIT_MS, _LONGEST_MS)
        arguments = ["--pause", f"{max(limit_ms, 1):.0f}", str(pid)]
    else:
        plan = _plan(pid)
        arguments = [word for place in plan.places for word in ("--watch", place)] + arguments
    if isinstance(output, int):
        return _run(pid, arguments, output, plan)
    path = Path(output)
    with PendingFile(path, force=force) as pending:
        result = _run(pid, arguments, pending.file.fileno(), plan, path)
        pending.publish()
    return result


def _plan(pid: int) -> MemoryPlan:
    """Refuse a clone for which the target's memory groups, or the machine, have no room."""
    plan = plan_memory(pid, read_status(pid), own_need=OWN_NEED)
    if plan.clone_refusal:
        raise CaptureInterrupted(
            f"process {pid} cannot be cloned",
            plan.clone_refusal,
            f"raise the limit, or let it stand: heapgraph capture {pid} --method pause",
        )
    return plan


def _run(
    pid: int,
    arguments: Sequence[str],
    descriptor: int,
    plan: MemoryPlan | None,
    path: Path | None = None,
) -> CaptureResult:
    """Run the helper to its end; it is gone when this returns, and what it held is let go."""
    try:
        process = subprocess.Popen(
            [str(CAPTURE_HELPER), "--report", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.PIPE,
            # Away from the terminal: Ctrl-C is for this side, which then ends the helper.
            start_new_session=True,
        )
    except OSError as error:
        raise HeapgraphError(
            f"the capture helper {CAPTURE_HELPER} cannot be started: {error.strerror}",
            "heapgraph was installed without its compiled part, or for another processor",
            "reinstall it: pip install --force-reinstall heapgraph",
        ) from error
    with process:
        try:
            report = process.communicate()[1]
        except BaseException:
            process.terminate()
            process.wait()
            raise
    return _read_report(pid, report.decode(errors="replace"), plan, path)


def _read_report(
    pid: int, report: str, plan: MemoryPlan | None, path: Path | None
) -> CaptureResult:
    word, *values = report.split() or ["nothing"]
    if word == "error" and values[0] == "short" and plan is not None:
        raise plan.explain_shortage(int(values[2]), int(values[3]))
    if word == "error":
        raise _explained(pid, HelperFailure(values[0], int(values[1]), " ".join(values[2:])), path)
    if word != "captured":
        raise CaptureInterrupted(
            f"the capture of process {pid} was not completed",
            "the helper was killed, or was kept from running for longer than the target may stand; "
            "the target goes on",
            "try again",
        )
    stored, written, withheld, is_clean = map(int, values[2:])
    notes = []
    if withheld and values[0] == "clone":
        notes.append(
            f"a clone gets none of {format_size(withheld)} of its memory (MADV_DONTFORK): "
            "use --method pause"
        )
    if not is_clean:
        notes.append("an ended clone stays in the process table until the target ends")
    return CaptureResult(values[0], int(values[1]) / 1e9, stored, written, notes)


def _explained(pid: int, failure: HelperFailure, path: Path | None) -> HeapgraphError:
    """What a failure of the helper means to the user."""
    if failure.code == "write":
        error = OSError(failure.error_number, os.strerror(failure.error_number))
        if path is not None:
            return write_error(path, error)
        return CaptureInterrupted(
            f"the capture of process {pid} cannot be written: {error.strerror}",
            "the program that reads the output ended, or its disk is full",
            "look at its messages; the target goes on",
        )
    if failure.code in _OF_THE_TARGET:
        check_target(pid)  # raises, and knows more
    if failure.code in _OF_THE_CLONE:
        return CaptureInterrupted(
            f"process {pid} cannot be cloned",
            why_refused(failure),
            f"let it stand while it is read: heapgraph capture {pid} --method pause",
        )
    if failure.code == "seize":
        return explain_refusal(pid, failure.error_number)
    if failure.code == "limit":
        return CaptureInterrupted(
            f"process {pid} stood for as long as it may, and not all of its memory was written",
            "its memory is too large for that time, or what takes the output is too slow",
            "use --method clone, write to a file, or allow more: --max-pause MS",
        )
    return CaptureInterrupted(
        f"process {pid} could not be captured: {failure.text}",
        _CAUSES.get(failure.code, os.strerror(failure.error_number)),
        "look whether it still runs, then try again",
    )
