"""Copies of a target's memory that are of one moment: because nobody ran, or everybody stood."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING, Self

from heapgraph.capture.live.freeze_helper import HelperEnded, HelperFailure
from heapgraph.capture.live.frozen import FrozenCopy
from heapgraph.capture.live.memory_copy import MemoryCopy
from heapgraph.capture.live.precopy import AIM_MS, PrecopyRefused, precopy
from heapgraph.capture.process.maps import read_maps, with_sizes
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.process.permissions import explain_refusal
from heapgraph.capture.process.residency import anonymous_residency, filled_ranges
from heapgraph.errors import CaptureInterrupted
from heapgraph.units import format_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heapgraph.capture.live.freeze_helper import FreezeHelper
    from heapgraph.capture.live.frozen import FreezeMethod
    from heapgraph.capture.process.maps import Mapping

_ATTEMPTS = 3
_PAUSES = 10
"""Stops of one target, within its limit, when a thread that was left asleep woke up in them."""

_NO_ROOM = {
    errno.EFBIG: "a limit on the size of files (ulimit -f) leaves no room for a copy",
    errno.ENOMEM: "there is not enough memory for a copy",
    errno.ENOSPC: "there is not enough memory for a copy",
}

_WATCH_S_PER_BYTE = 0.5 / 2**30
"""How long a copy takes into memory that was made ready: measured 0.2-0.5 s per GiB."""

_LONGEST_LOOK_S = 0.1
_LOOKS = 16
"""Parts of that look: it ends with the first in which a thread ran, as most do of a busy target."""


class NotTaken(Exception):
    """This method does not work here and now; the target is as it was. The text says why."""


class NotWorthACopy(NotTaken):
    """It could be copied, but a clone takes far less memory."""


class Copier:
    """Copies what a target can write to; a context manager until `freeze_as` hands the copy on.

    Args:
        pid: the target.
        before: its mappings with sizes.

    Cost: 0.3 s per GiB to make the memory of the copy ready, before the target is asked for
    anything.
    """

    def __init__(self, pid: int, before: Sequence[Mapping]) -> None:
        """Make room for the copy."""
        self._pid = pid
        self._before = before
        self._files = ExitStack()
        self._memory = _open_memory(pid)
        self._files.callback(os.close, self._memory)
        self._copy = self._files.enter_context(MemoryCopy(self._ranges(before)))
        self.maps: list[Mapping] = []
        self.residency = anonymous_residency(pid, before)
        try:
            self._copy.prepare()
        except OSError as error:
            self._files.close()
            if error.errno not in _NO_ROOM:
                raise
            raise NotTaken(_NO_ROOM[error.errno]) from error

    def _ranges(self, maps: Sequence[Mapping]) -> list[tuple[int, int]]:
        return filled_ranges(self._pid, [each for each in maps if each.is_own])

    def take(self) -> None:
        """Copy everything now, and note the mappings of this moment."""
        try:
            maps = read_maps(self._pid, sizes=False)
            self.maps = with_sizes(maps, self._before, lambda _: False)
            ranges = self._ranges(maps)
            self._copy.add(ranges)
            self._copy.take(self._memory, ranges)
        except UnreadableMemory as error:
            raise _ended(self._pid) from error

    def freeze_as(self, method: FreezeMethod, helper: FreezeHelper, pause_s: float) -> FrozenCopy:
        """Hand the copy on to whoever walks it."""
        self._files.pop_all()
        return FrozenCopy(
            method,
            helper,
            pause_s,
            pid=self._pid,
            copy=self._copy,
            memory=self._memory,
            maps=self.maps,
            residency=self.residency,
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the memory back, unless it was handed on."""
        self._files.close()


def copy_idle(
    pid: int,
    helper: FreezeHelper,
    before: Sequence[Mapping],
    resident: int,
    cheaper: str = "",
) -> FrozenCopy:
    """Copy a target in which nobody runs, without stopping anything, and prove that nobody did.

    Args:
        pid: the target.
        helper: watches its threads.
        before: its mappings with sizes.
        resident: its resident bytes.
        cheaper: why another method needs less memory; "" where none does.

    Raises:
        NotWorthACopy: it is idle, and another method is cheaper.
        NotTaken: a thread ran.
        CaptureInterrupted: the target, or the helper, ended.

    Cost: nothing for the target. First a look for as long as the copy will take (0.1 s at most), so
    that a busy target is known before memory is made ready for it.
    """
    look_s = min(resident * _WATCH_S_PER_BYTE, _LONGEST_LOOK_S)
    if not any(_looks_idle(helper, pid, look_s) for _ in range(_ATTEMPTS)):
        raise NotTaken("one of its threads runs")
    if cheaper:
        raise NotWorthACopy(cheaper)
    with Copier(pid, before) as copier:
        if any(_stays_idle(helper, pid, copier.take) for _ in range(_ATTEMPTS)):
            return copier.freeze_as("idle", helper, 0.0)
    raise NotTaken("one of its threads woke up while it was read")


def _looks_idle(helper: FreezeHelper, pid: int, look_s: float) -> bool:
    return all(
        _stays_idle(helper, pid, lambda: Event().wait(look_s / _LOOKS)) for _ in range(_LOOKS)
    )


def _stays_idle(helper: FreezeHelper, pid: int, act: Callable[[], object]) -> bool:
    try:
        helper.watch(pid)
    except HelperFailure:
        return False
    act()
    return helper.prove()


def copy_running(
    pid: int, helper: FreezeHelper, before: Sequence[Mapping], limit_s: float
) -> FrozenCopy:
    """Copy a target while it runs, and stop it for what it has written meanwhile.

    Args:
        pid: the target.
        helper: stops its threads.
        before: its mappings with sizes.
        limit_s: how long it may stand.

    Raises:
        NotTaken: the kernel or the user lack something, or the target writes too much.
        CaptureInterrupted: the target ended.
    """
    with ExitStack() as files:
        copy = files.enter_context(MemoryCopy())
        memory = _open_memory(pid)
        files.callback(os.close, memory)
        try:
            done = precopy(pid, helper, copy, min(AIM_MS, limit_s * 1e3))
            maps = with_sizes(done.maps, before, lambda _: False)
            residency = anonymous_residency(pid, maps)
        except PrecopyRefused as reason:
            raise NotTaken(str(reason)) from reason
        except UnreadableMemory as error:
            raise _ended(pid) from error
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise NotTaken(_NO_ROOM[error.errno]) from error
        frozen = FrozenCopy(
            "precopy",
            helper,
            done.pause_s,
            pid=pid,
            copy=copy,
            memory=memory,
            maps=maps,
            residency=residency,
        )
        frozen.notes += done.notes
        files.pop_all()
        return frozen


def _open_memory(pid: int) -> int:
    try:
        return os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise explain_refusal(pid, error.errno or 0) from error


def _ended(pid: int) -> CaptureInterrupted:
    return CaptureInterrupted(
        f"process {pid} ended while its memory was copied", "", "choose a running process"
    )


def copy_paused(
    pid: int, helper: FreezeHelper, before: Sequence[Mapping], limit_s: float
) -> FrozenCopy:
    """Stop the target, copy it, let it go.

    Args:
        pid: the target.
        helper: stops its threads.
        before: its mappings with sizes.
        limit_s: how long it may stand.

    Raises:
        NotTaken: a thread asleep in a call that a stop would have cut short woke up every time.
        HelperFailure: it cannot be stopped.
        CaptureInterrupted: the limit came first; the target, or the helper, ended.
    """
    stood_s = 0.0
    with Copier(pid, before) as copier:
        for _ in range(_PAUSES):
            if stood_s >= limit_s:
                break
            helper.pause(pid, limit_s - stood_s)
            try:
                copier.take()
            finally:
                pause_s, state = _release(helper)
                stood_s += pause_s
            if state == "expired":
                raise CaptureInterrupted(
                    f"the pause limit of {format_seconds(limit_s)} came before all memory was read",
                    "the target has more memory than can be copied in that time",
                    "use --method clone, or a higher --max-pause",
                )
            if state == "clean":
                return copier.freeze_as("pause", helper, stood_s)
    raise NotTaken("a thread in a call that a stop would cut short woke up in the pause")


def _release(helper: FreezeHelper) -> tuple[float, str]:
    try:
        return helper.release()
    except HelperEnded as error:
        raise CaptureInterrupted(
            "the target ran on while its memory was read",
            "the freeze helper was killed by another process",
            "try again",
        ) from error
