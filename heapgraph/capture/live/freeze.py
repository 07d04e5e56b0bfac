"""Have the memory of a live process of one moment, at the lowest price for it.

The methods, the gentlest first; `auto` takes the first that works, and says why not those before.
Where a target is idle and has large heaps of malloc, a clone comes first: see `copy_saving`.

    idle    nothing is stopped: it is read while none of its threads runs, which is then proved
    precopy it is copied while it runs, and stands only for what it has written meanwhile; needs
            soft-dirty pages in the kernel (CONFIG_MEM_SOFT_DIRTY)
    clone   one thread stands while the kernel copies the page tables; the copy never runs
    pause   every thread stands while the memory is copied

No code of the target runs in any of them. Whatever becomes of this process, the target goes on as
if nothing had been: native/freeze/arch/heal.h has how, docs/safety.md what was tried.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from heapgraph.capture.live.copying import (
    NotTaken,
    NotWorthACopy,
    copy_idle,
    copy_paused,
    copy_running,
)
from heapgraph.capture.live.freeze_helper import FreezeHelper, HelperEnded, HelperFailure
from heapgraph.capture.live.freeze_limits import (
    DEFAULT_MAX_PAUSE_MS,
    check_pause_limit,
    predict_clone_pause_s,
    predict_copy_pause_s,
    resident_bytes,
)
from heapgraph.capture.live.frozen import FreezeMethod, FrozenClone, FrozenCopy
from heapgraph.capture.live.memory_limits import MemoryPlan, copy_saving, plan_memory
from heapgraph.capture.process.maps import handles_faults, huge_bytes, read_maps
from heapgraph.capture.process.permissions import check_target, explain_refusal
from heapgraph.errors import CaptureInterrupted, UsageError
from heapgraph.units import format_seconds, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.process.maps import Mapping

Method: TypeAlias = Literal["auto", "idle", "precopy", "clone", "pause"]

METHODS: tuple[FreezeMethod, ...] = get_args(FreezeMethod)
"""In the order of trying."""

CLONE_REFUSALS = {
    errno.EAGAIN: "a limit on processes is reached (pids.max of its group, or ulimit -u)",
    errno.ENOMEM: "memory may not be overcommitted (vm.overcommit_memory = 2), or none is left",
    errno.EPERM: "its filter of system calls (seccomp) forbids a call of these, or may forbid it",
    errno.ENOEXEC: "the process runs 32-bit code",
}

HELPER_REFUSALS = {
    "busy": "each of its threads is in a call that a stop would cut short, or waits for a disk",
    "section": "its threads are inside an allocator's critical section",
    "seccomp": CLONE_REFUSALS[errno.EPERM],
    "stack": "none of its threads could find back by itself: small stacks, or shadow stacks",
    "uffd": "it handles page faults of its own (userfaultfd), and may ask for news of a clone: it "
    "would get a descriptor for each",
    "guard": "no timer can be made that would end a stop: raise the limit on pending signals "
    "(ulimit -i)",
    "code": "its C library is of a kind that is not known, so no thread could find back by itself",
}

_WHAT = {
    "idle": "read while it is idle",
    "precopy": "copied while it runs",
    "clone": "cloned",
    "pause": "paused",
}

_NEXT_STEPS = {
    "idle": "use --method auto",
    "precopy": "use --method auto",
    "clone": "use --method pause: it stands for about {predicted} while it is copied",
    "pause": "use --method clone",
}


def why_refused(failure: HelperFailure) -> str:
    """Why a helper did not stop a thread, or have it make a clone: a sentence for the user."""
    if failure.code == "memory":
        return f"{failure.text}: of its memory group, or of the machine"
    if failure.code in HELPER_REFUSALS:
        return HELPER_REFUSALS[failure.code]
    number = failure.error_number
    return CLONE_REFUSALS.get(number, f"{failure.text}: {os.strerror(number)}")


@contextmanager
def freeze(
    pid: int, method: Method = "auto", max_pause_ms: float | None = None
) -> Iterator[FrozenClone | FrozenCopy]:
    """Have a process's memory of one moment for the length of a `with` block; it runs on meanwhile.

    Args:
        pid: the target; its main thread's id.
        method: one of METHODS, or "auto": the first of them that works.
        max_pause_ms: how long the target may stand, DEFAULT_MAX_PAUSE_MS when None. A clone that is
            predicted to take longer is refused before anything is done; a pause is ended at the
            limit.

    Yields:
        What to read, until `Frozen.release` or the end of the block.

    Raises:
        TargetNotFound, TargetAlreadyTraced, TargetPermissionDenied: see `permissions`.
        CaptureInterrupted: no method works, the limit would be broken, the target ended, or there
            is too little memory for heapgraph itself.

    Cost:
        "idle": nothing. "precopy": it stands for about 10 ms, and each page costs its next writer a
        fault.
        "clone": one thread stands for about 15-20 ms per GiB of resident memory,
        the others when they first write; each page the target writes before the release costs it a
        copy of 4 KiB. "pause": every thread stands for 0.2-0.5 s per GiB.
    """
    if method not in get_args(Method):
        allowed = ", ".join(get_args(Method))
        raise UsageError(f"unknown method {method!r}", "", f"use one of {allowed}")
    check_pause_limit(max_pause_ms)
    limit_s = (max_pause_ms or DEFAULT_MAX_PAUSE_MS) / 1e3
    status = check_target(pid)
    plan = plan_memory(pid, status)
    with FreezeHelper(plan) as helper:
        frozen = _Choice(pid, helper, plan, resident_bytes(status), limit_s).take(method)
        try:
            yield frozen
        finally:
            frozen.release()


class _Choice:
    """The methods that can be tried on one target, and why they were not taken."""

    def __init__(
        self, pid: int, helper: FreezeHelper, plan: MemoryPlan, resident: int, limit_s: float
    ) -> None:
        self.pid = pid
        self.helper = helper
        self.plan = plan
        self.resident = resident
        self.limit_s = limit_s
        self.before: list[Mapping] = read_maps(pid)

    def take(self, method: Method) -> FrozenClone | FrozenCopy:
        """The first of the wanted methods that works."""
        passed_over: dict[str, str] = {}
        wanted: list[FreezeMethod] = [*METHODS] if method == "auto" else [method]
        cheaper = self._why_clone() if method == "auto" else ""
        try:
            self.helper.reap(self.pid)
            while wanted:
                each = wanted.pop(0)
                try:
                    frozen = self._try(each, cheaper)
                except NotWorthACopy as reason:
                    passed_over[each], cheaper = str(reason), ""
                    wanted = ["clone", "idle", "precopy", "pause"]
                except NotTaken as reason:
                    passed_over[each] = str(reason)
                except HelperFailure as failure:
                    passed_over[each] = self._explain(failure)
                else:
                    passed_over.pop(each, None)  # it was put off only
                    frozen.passed_over = passed_over
                    return frozen
        except HelperEnded as error:
            raise CaptureInterrupted(
                "the freeze helper ended before it answered",
                "it was killed, or kept from running for more than a second while a thread of the "
                "target stood; the target goes on",
                "try again",
            ) from error
        raise self._refusal(passed_over)

    def _try(self, method: FreezeMethod, cheaper: str) -> FrozenClone | FrozenCopy:
        match method:
            case "idle":
                return copy_idle(self.pid, self.helper, self.before, self.resident, cheaper)
            case "precopy":
                return copy_running(self.pid, self.helper, self.before, self.limit_s)
            case "clone":
                return self._clone()
            case "pause":
                return copy_paused(self.pid, self.helper, self.before, self.limit_s)

    def _why_clone(self) -> str:
        """Why a clone is cheaper than a copy, should it be idle; "" where it is not, or may not."""
        may_clone = not self._clone_refusal() and (
            predict_clone_pause_s(self.resident) <= self.limit_s
        )
        return copy_saving(self.before, self.plan) if may_clone else ""

    def _clone_refusal(self) -> str:
        if self.plan.clone_refusal:
            return self.plan.clone_refusal
        if huge := huge_bytes(self.before):
            return (
                f"{format_size(huge)} of its memory are from a pool of huge pages: writing to one "
                "that a clone shares ends the target when the pool is empty"
            )
        return HELPER_REFUSALS["uffd"] if handles_faults(self.before) else ""

    def _clone(self) -> FrozenClone | FrozenCopy:
        self._check_predicted_pause()
        if refusal := self._clone_refusal():
            raise NotTaken(refusal)
        child, pause_s = self.helper.freeze(self.pid)
        return FrozenClone(self.helper, self.pid, child, pause_s, self.before)

    def _refusal(self, passed_over: dict[str, str]) -> CaptureInterrupted:
        last = next(reversed(passed_over))
        predicted = format_seconds(predict_copy_pause_s(self.resident))
        if len(passed_over) > 1:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in passed_over.items())
            return CaptureInterrupted(
                f"no method reads the memory of process {self.pid} without harm now",
                reasons,
                "try again at another moment",
            )
        return CaptureInterrupted(
            f"process {self.pid} cannot be {_WHAT[last]}",
            passed_over[last],
            _NEXT_STEPS[last].format(predicted=predicted),
        )

    def _explain(self, failure: HelperFailure) -> str:
        """Why this method does not work here, when another may; raises when none will."""
        if failure.code == "seize":
            raise explain_refusal(self.pid, failure.error_number) from failure
        if failure.code == "gone":
            raise CaptureInterrupted(
                f"process {self.pid} ended while it was being frozen",
                "",
                "choose a running process",
            ) from failure
        return why_refused(failure)

    def _check_predicted_pause(self) -> None:
        predicted_s = predict_clone_pause_s(self.resident)
        if predicted_s <= self.limit_s:
            return
        raise CaptureInterrupted(
            f"the target would stand for about {format_seconds(predicted_s)}, "
            f"longer than the limit of {format_seconds(self.limit_s)}",
            f"it has {format_size(self.resident)} of resident memory, whose page tables are to be "
            "copied",
            f"allow it: --max-pause {predicted_s * 1.5e3:.0f}",
        )
