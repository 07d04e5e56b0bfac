"""Copy the memory of a process while it runs, and stop it only for what has changed since.

No clone, so no memory is charged to the target and no register of it changes. The first pass clears
the kernel's marks of written pages and copies everything. When what was written meanwhile can be
copied within the aim, the target stands for that long. Else it stands for a look and a new clearing
only, and what was found is copied while it runs: less is written in that shorter time, and so on.
"""

from __future__ import annotations

import gc
import os
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.live.freeze_helper import HelperEnded, HelperFailure
from heapgraph.capture.live.memory_copy import check_alive
from heapgraph.capture.live.page_changes import (
    Changes,
    Moment,
    compare,
    is_copied_whole,
    look_at,
    marked_whole,
    own_ranges,
    ranges_of,
    unmarked_ranges,
)
from heapgraph.capture.live.written_pages import (
    WrittenPages,
    frames_are_hidden,
    has_soft_dirty,
)
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.process.page_ranges import common, missing, united, within_gap
from heapgraph.units import format_seconds, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.live.freeze_helper import FreezeHelper
    from heapgraph.capture.live.memory_copy import MemoryCopy
    from heapgraph.capture.process.maps import Mapping

Array: TypeAlias = npt.NDArray[Any]

AIM_MS = 10.0
"""How long the target may stand at a time, unless told otherwise."""

MAX_PASSES = 4
"""Copies, the one within the last stop included."""

_MAX_FULL_PASSES = 2
_MAX_STOPS = 10
_WOKE_UP = "a thread in a call that a stop would cut short woke up in the stop"
_SHRINKS = 0.5
"""A pass is worth another one when at most this share of it was written again."""

_LIMIT = 3.0
"""A stop ends without a result when it would take this many times the aim."""

_STOP_S = 0.001
"""What stopping and letting go of the threads takes; measured 0.3-1 ms with up to 60 threads."""

_RANGE_S = 2e-6
"""What each range costs besides its bytes."""

_SPARE = 1 << 20
"""Bytes around what a mapping holds that get a place in the copy too, for what is filled next."""

_LARGE = 1 << 20
_PRIORITY = -20


class PrecopyRefused(Exception):
    """It does not work for this target; the message says why. The target goes on as before."""


@dataclass
class PrecopyResult:
    """What was done.

    Attributes:
        maps: the target's mappings at the moment that the copy shows.
        pause_s: seconds for which the target stood, all stops together.
        stops_s: each of them; the copy shows the moment of the last.
        passes: bytes copied by each pass; the last one while the target stood.
        clears_s: seconds for which threads that write for the first time to a page had to wait.
        notes: sentences for the user.
    """

    maps: list[Mapping] = field(default_factory=list)
    pause_s: float = 0.0
    stops_s: list[float] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)
    clears_s: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def precopy_refusal() -> str:
    """Why this kernel or this user cannot do it; "" when they can."""
    try:
        if not has_soft_dirty():
            return "this kernel marks no written pages (CONFIG_MEM_SOFT_DIRTY)"
        if frames_are_hidden():
            return "page frame numbers are hidden: CAP_SYS_ADMIN is missing"
    except OSError as error:
        return f"pages cannot be looked at: {error.strerror}"
    return ""


def precopy(
    pid: int, helper: FreezeHelper, copy: MemoryCopy, aim_ms: float = AIM_MS
) -> PrecopyResult:
    """Copy the private writable memory of a process, as it is at one moment.

    Args:
        pid: the target; its main thread's id.
        helper: stops it; must hold nothing.
        copy: gets the memory; what is not filled has no place in it or is zeros.
        aim_ms: how long it may stand at a time.

    Returns:
        The mappings of that moment, and what it took.

    Raises:
        PrecopyRefused: kernel or user lack something, or the target writes too much; also when the
            helper has failed or was killed. What `copy` holds then is of no moment.
        UnreadableMemory, TargetNotFound: the target has ended.
        OSError: memory for the copy is short.

    Cost:
        Time and memory of `MemoryCopy.take` for everything the target has filled. The target: the
        clearing makes threads wait that write to a page for the first time, some 5 ms a GiB by the
        source of the kernel; afterwards each page costs its next writer one fault without a copy.
    """
    if refusal := precopy_refusal():
        raise PrecopyRefused(refusal)
    try:
        with closing(WrittenPages(pid)) as pages, _opened(f"/proc/{pid}/mem") as memory:
            return _Precopy(pid, helper, copy, pages, memory, aim_s=aim_ms / 1e3).run()
    except PermissionError as error:
        raise PrecopyRefused(f"its pages may not be looked at: {error.strerror}") from error
    except (FileNotFoundError, ProcessLookupError) as error:
        raise UnreadableMemory("the process has ended") from error


class _Precopy:
    """The passes over one target.

    Args:
        pid, helper, copy: see `precopy`.
        pages: of the target.
        memory: descriptor of its memory.
        aim_s: how long it may stand at a time.
    """

    def __init__(
        self,
        pid: int,
        helper: FreezeHelper,
        copy: MemoryCopy,
        pages: WrittenPages,
        memory: int,
        *,
        aim_s: float,
    ) -> None:
        self._pid = pid
        self._helper = helper
        self._copy = copy
        self._pages = pages
        self._memory = memory
        self._aim_s = aim_s
        self._full_passes = 0
        self._bytes_a_s = 1e9
        self._look_s = 0.0
        self._unmarked = self._placed = np.empty((0, 2), np.int64)
        self._result = PrecopyResult()

    def run(self) -> PrecopyResult:
        """Pass after pass, until what is left fits into one stop."""
        base = self._copy_all()
        for _ in range(_MAX_STOPS):
            changes, now = self._look(base)
            if self._predict(changes) <= self._aim_s:
                self._make_room(changes.stale)
                self._copy.prepare()
                with self._stopped() as stop:
                    changes, now = self._look(base)
                    if fits := self._predict(changes) <= self._aim_s * _LIMIT:
                        self._copy_rest(changes, now)
                if fits and stop.was_still:
                    self._drop_rest(now, changes)
                    return self._result
                if fits:
                    continue  # the marks are as they were: look and copy again
            base = self._next_base(base, changes, now)
        raise PrecopyRefused(_WOKE_UP)

    def _copy_all(self) -> Moment:
        """Everything the target has filled, while it runs."""
        self._full_passes += 1
        self._result.clears_s.append(self._pages.clear())
        self._unmarked = unmarked_ranges(self._pid)
        base = look_at(self._pid, self._pages, None)
        wanted = united(base.own, ranges_of(base.maps, is_copied_whole))
        room = np.column_stack((wanted[:, 0] - _SPARE, wanted[:, 1] + _SPARE))
        places = common(within_gap(room, 0), own_ranges(base.maps))
        self._make_room(places)
        self._copy.drop(map(tuple, missing(self._placed, wanted).tolist()))
        self._take(wanted)
        return base

    def _next_base(self, base: Moment, changes: Changes, now: Moment) -> Moment:
        """Copy once more what has changed, or everything; or give up."""
        grown = marked_whole(now)
        if grown * 2 > changes.stale_bytes:
            if self._full_passes >= _MAX_FULL_PASSES:
                raise PrecopyRefused(
                    f"{format_size(grown)} of its memory count as written to as a whole: it writes "
                    "everywhere, or its mappings grow while they are copied"
                )
            return self._copy_all()
        stop_s = self._look_s + self._result.clears_s[-1] + _STOP_S
        has_shrunk = changes.stale_bytes <= _SHRINKS * self._result.passes[-1]
        if not has_shrunk or len(self._result.passes) >= MAX_PASSES - 1 or stop_s > self._aim_s:
            raise PrecopyRefused(self._why_it_does_not_fit(changes, stop_s))
        with self._stopped() as stop:
            changes, now = self._look(base)
            self._result.clears_s.append(self._pages.clear())
        if not stop.was_still:  # what it wrote between the look and the clearing is not known
            if self._full_passes >= _MAX_FULL_PASSES:
                raise PrecopyRefused(_WOKE_UP)
            return self._copy_all()
        self._drop_rest(now, changes)
        self._make_room(changes.stale)
        self._take(changes.stale)
        return now

    def _why_it_does_not_fit(self, changes: Changes, stop_s: float) -> str:
        written, copied = format_size(changes.stale_bytes), format_size(self._result.passes[-1])
        predicted = format_seconds(self._predict(changes))
        again = "" if stop_s <= self._aim_s else f" (one more pass: {format_seconds(stop_s)})"
        return (
            f"it wrote to {written} while {copied} were copied: to copy that it would stand for "
            f"{predicted}{again}, longer than the aim of {format_seconds(self._aim_s)}"
        )

    def _copy_rest(self, changes: Changes, now: Moment) -> None:
        """The last pass, while the target stands."""
        self._make_room(changes.stale)
        self._take(changes.stale)
        self._result.maps = now.maps

    def _drop_rest(self, now: Moment, changes: Changes) -> None:
        """Make zeros of what the target has discarded or unmapped, whichever pass copied it."""
        whole = ranges_of(now.maps, is_copied_whole)
        rest = missing(self._placed, united(now.own, changes.stale, whole))
        self._copy.drop(map(tuple, rest.tolist()))

    def _look(self, base: Moment) -> tuple[Changes, Moment]:
        begin = time.perf_counter()
        now = look_at(self._pid, self._pages, base)
        check_alive(self._memory, 0)
        changes = compare(base, now, self._unmarked)
        self._look_s = time.perf_counter() - begin
        return changes, now

    def _predict(self, changes: Changes) -> float:
        """Seconds for which the target would stand for a look and a copy."""
        copy_s = changes.stale_bytes / self._bytes_a_s + len(changes.stale) * _RANGE_S
        return _STOP_S + self._look_s + copy_s

    def _make_room(self, ranges: Array) -> None:
        new = missing(ranges, self._placed)
        if len(new):
            self._copy.add(map(tuple, new.tolist()))
            self._placed = united(self._placed, new)

    def _take(self, ranges: Array) -> None:
        """Copy ranges, small ones many at a time."""
        begin = time.perf_counter()
        is_large = ranges[:, 1] - ranges[:, 0] >= _LARGE
        total = self._copy.take(self._memory, map(tuple, ranges[is_large].tolist()))
        total += self._copy.take_scattered(self._pid, self._memory, ranges[~is_large])
        elapsed_s = time.perf_counter() - begin
        if total >= _LARGE:
            self._bytes_a_s = total / elapsed_s
        self._result.passes.append(total)

    @contextmanager
    def _stopped(self) -> Iterator[_Stop]:
        """The target stands for the length of the block."""
        stop = _Stop()
        with _undisturbed():
            try:
                self._helper.pause(self._pid, self._aim_s * _LIMIT * 2)
            except HelperFailure as failure:
                raise PrecopyRefused(
                    f"it cannot be stopped: {failure.text}: {os.strerror(failure.error_number)}"
                ) from failure
            except HelperEnded as ended:
                raise PrecopyRefused("the freeze helper was killed") from ended
            try:
                yield stop
            finally:
                state = self._let_go()
        stop.was_still = state == "clean"
        if state not in ("clean", "moved"):
            raise PrecopyRefused(f"the stop ended before it was looked at ({state})")

    def _let_go(self) -> str:
        try:
            pause_s, state = self._helper.release()
        except HelperEnded:
            return "the freeze helper was killed"
        self._result.stops_s.append(pause_s)
        self._result.pause_s += pause_s
        return state


@contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass
class _Stop:
    """Whether no thread ran in it: some are left asleep, and may wake up."""

    was_still: bool = False


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No collection of garbage here, and the processor is ours first: somebody stands and waits."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    was_enabled = gc.isenabled()
    gc.disable()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    try:
        yield
    finally:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, before)
        if was_enabled:
            gc.enable()
