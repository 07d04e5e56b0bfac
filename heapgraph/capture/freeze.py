"""Make the memory of a live process stand still, at the price of a few milliseconds of its time.

Two ways. "clone": the target is made to clone itself; the clone never runs and is a copy-on-write
image, so the target stands only while the kernel copies its page tables. "pause": the target
itself is stopped until its memory has been read. No code of the target runs in either.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

from heapgraph.capture.call_instruction import find_call_instruction
from heapgraph.capture.freeze_helper import FreezeHelper, HelperEnded, HelperFailure
from heapgraph.capture.freeze_limits import (
    check_pause_limit,
    predict_clone_pause_s,
    predict_copy_pause_s,
    resident_bytes,
)
from heapgraph.capture.memory_limits import plan_memory
from heapgraph.capture.permissions import check_target, explain_refusal
from heapgraph.errors import CaptureInterrupted, TargetError, UsageError
from heapgraph.units import format_seconds, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

Method: TypeAlias = Literal["auto", "clone", "pause"]

_CLONE_REFUSALS = {
    errno.EAGAIN: "a limit on processes is reached (pids.max of its group, or ulimit -u)",
    errno.ENOMEM: "memory may not be overcommitted (vm.overcommit_memory = 2), or none is left",
    errno.EPERM: "its seccomp filter forbids the call, and only root may suspend the filter",
    errno.ENOEXEC: "the process runs 32-bit code",
}


class Frozen:
    """A process whose memory stands still.

    Attributes:
        memory_pid: read the memory of this process: the clone, or the target itself.
        method: "clone" or "pause".
        notes: sentences for the user: a fallback that was taken, a limit that is near.
    """

    def __init__(
        self,
        helper: FreezeHelper,
        target_pid: int,
        memory_pid: int,
        pause_s: float,
        notes: list[str],
    ) -> None:
        """Take over what the helper holds; use `freeze` instead."""
        self.memory_pid = memory_pid
        self.method: Literal["clone", "pause"] = "pause" if memory_pid == target_pid else "clone"
        self.notes = notes
        self._helper = helper
        self._target_pid = target_pid
        self._pause_s = pause_s
        self._is_held = True

    @property
    def helper_pid(self) -> int:
        """The process that holds the target: for messages and logs."""
        return self._helper.pid

    @property
    def helper(self) -> FreezeHelper:
        """The helper, for code that runs in the clone (`traverse`)."""
        return self._helper

    @property
    def pause_s(self) -> float:
        """Seconds for which the target stood, measured by the helper; for "pause" 0 until released.

        Releasing a clone stops one thread once more, for less than a millisecond; not counted.
        """
        return self._pause_s

    def release(self) -> None:
        """Let the target go, or end the clone; again has no effect.

        Raises:
            CaptureInterrupted: the pause ended before this call (its limit, or the helper was
                killed), so what was read since then is not of one moment.
            MemoryRanShort: the helper ended the clone, before the target's memory ran out.
        """
        if not self._is_held:
            return
        self._is_held = False
        try:
            pause_s, state = self._helper.release(self._instruction())
        except HelperEnded as error:
            if self.method == "clone":
                self.notes.append("the freeze helper was killed; the clone ended with it")
                return
            raise CaptureInterrupted(
                "the target ran on while its memory was read",
                "the freeze helper was killed by another process",
                "try again",
            ) from error
        if self.method == "pause":
            self._pause_s = pause_s
        if state == "zombie":
            self.notes.append("an ended clone stays in the process table until the target ends")
        if state == "expired":
            raise CaptureInterrupted(
                f"the pause limit of {format_seconds(pause_s)} came before all memory was read",
                "the target has more memory than can be copied in that time",
                "use --method clone, or a higher --max-pause",
            )

    def _instruction(self) -> int:
        """Where the target can be told to forget its clone: an exec has moved its code.

        0 where it is unknown; the helper then tries what it was given before.
        """
        if self.method == "pause":
            return 0
        try:
            return find_call_instruction(self._target_pid)
        except TargetError:
            return 0


@contextmanager
def freeze(
    pid: int, method: Method = "auto", max_pause_ms: float | None = None
) -> Iterator[Frozen]:
    """Freeze a process for the length of a `with` block.

    Whatever happens in the block, and even when this process is killed in it, the target goes on:
    its interrupted system calls return as if nothing had been, a stopped target stays stopped.

    Args:
        pid: the target; its main thread's id.
        method: "clone", "pause", or "auto": clone, and pause when the target cannot be cloned.
        max_pause_ms: how long the target may stand. A clone that is predicted to take longer is
            refused before anything is done; a pause is ended at the limit, and `release` raises.

    Yields:
        What to read, until `Frozen.release` or the end of the block.

    Raises:
        TargetNotFound, TargetAlreadyTraced, TargetPermissionDenied: see `permissions`.
        CaptureInterrupted: the limit would be broken, the target ended, it cannot be cloned, or
            there is too little memory for heapgraph itself.

    Cost:
        "clone": one thread stands for about 15-20 ms per GiB of resident memory, the others when
        they first write; each page the target writes before the release costs it a copy of 4 KiB.
        "pause": every thread stands until the release.
    """
    if method not in ("auto", "clone", "pause"):
        raise UsageError(f"unknown method {method!r}", "", "use auto, clone or pause")
    check_pause_limit(max_pause_ms)
    status = check_target(pid)
    resident = resident_bytes(status)
    plan = plan_memory(pid, status)
    notes: list[str] = []
    clone_refused = ""
    if method != "pause":
        _check_predicted_pause(resident, max_pause_ms)
        clone_refused = plan.clone_refusal
    with FreezeHelper(plan) as helper:
        frozen: Frozen | None = None
        if method != "pause" and not clone_refused:
            try:
                frozen = _clone(helper, pid, notes, has_seccomp=status.get("Seccomp", "0") != "0")
            except (HelperFailure, HelperEnded) as failure:
                clone_refused = _explain_failure(pid, failure)
        if frozen is None:
            predicted = format_seconds(predict_copy_pause_s(resident))
            if method == "clone":
                raise CaptureInterrupted(
                    f"process {pid} cannot be cloned",
                    clone_refused,
                    f"use --method pause: it stands for about {predicted} while it is copied",
                )
            frozen = _pause(helper, pid, max_pause_ms, notes)
            if clone_refused:
                notes.append(f"paused instead of cloned (about {predicted}): {clone_refused}")
        yield frozen
        frozen.release()


def _clone(helper: FreezeHelper, pid: int, notes: list[str], *, has_seccomp: bool) -> Frozen:
    instruction = find_call_instruction(pid)
    child, pause_s = helper.freeze(pid, instruction, has_seccomp=has_seccomp)
    return Frozen(helper, pid, child, pause_s, notes)


def _pause(helper: FreezeHelper, pid: int, max_pause_ms: float | None, notes: list[str]) -> Frozen:
    try:
        helper.pause(pid, (max_pause_ms or 0) / 1e3)
    except (HelperFailure, HelperEnded) as failure:
        text = _explain_failure(pid, failure)
        raise CaptureInterrupted(f"process {pid} cannot be paused", text) from failure
    return Frozen(helper, pid, pid, 0.0, notes)


def _explain_failure(pid: int, failure: HelperFailure | HelperEnded) -> str:
    """Why this method does not work here, when another may; raises when none will."""
    if isinstance(failure, HelperEnded):
        raise CaptureInterrupted(
            "the freeze helper ended before it answered",
            "it was killed by another process; the target goes on",
            "try again",
        ) from failure
    if failure.code == "seize":
        raise explain_refusal(pid, failure.error_number) from failure
    if failure.code == "gone":
        raise CaptureInterrupted(
            f"process {pid} ended while it was being frozen", "", "choose a running process"
        ) from failure
    if failure.code == "busy":
        return "each of its threads waits for a disk, or is inside an allocator's critical section"
    if failure.code == "memory":
        return f"{failure.text}: of its memory group, or of the machine"
    number = failure.error_number
    return _CLONE_REFUSALS.get(number, f"{failure.text}: {os.strerror(number)}")


def _check_predicted_pause(resident: int, max_pause_ms: float | None) -> None:
    predicted_s = predict_clone_pause_s(resident)
    if max_pause_ms is None or predicted_s * 1e3 <= max_pause_ms:
        return
    raise CaptureInterrupted(
        f"the target would stand for about {format_seconds(predicted_s)}, "
        f"longer than the limit of {format_seconds(max_pause_ms / 1e3)}",
        f"it has {format_size(resident)} of resident memory, whose page tables are to be copied",
        f"allow it: --max-pause {predicted_s * 1.5e3:.0f}",
    )
