"""Ask the types themselves what their objects refer to, in the frozen clone or in a twin.

A C type without a table of its fields has a traverse function, which names every reference the
collector knows. It is code of the target, so it runs where it can do no harm: in a process
without other threads that is thrown away, whose system calls are not carried out. An object whose
function faults or hangs is left out, and keeps what the scan of its words says.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.heap.traverse_budget import (
    MAX_FAULTS_OF_FUNCTION,
    MAX_VISITS,
    PATIENCE_S,
    TraverseBudget,
)
from heapgraph.capture.live.freeze_helper import HelperEnded, HelperFailure
from heapgraph.capture.process.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from heapgraph.capture.live.freeze_helper import FreezeHelper

Array: TypeAlias = npt.NDArray[Any]

BATCH_OBJECTS = 1 << 16
"""Objects per run: one order to the helper and a few system calls each."""

BUFFER_WORDS = 1 << 20
"""Visits the clone's buffer holds before it is emptied; 8 MiB in the clone."""

# The control block of native/freeze/twin/traverse.h, then the arrays it points to.
_WORD = 8
_CONTROL_WORDS = 6
_NEXT, _OUT = 0, 4
_JOBS = 512
_ENDS = _JOBS + 2 * _WORD * BATCH_OBJECTS
_BUFFER = _ENDS + _WORD * BATCH_OBJECTS
_SIZE = _BUFFER + _WORD * BUFFER_WORDS


class CodePlace(Protocol):
    """A process in which code of the target may run: a frozen clone, or a twin."""

    @property
    def helper(self) -> FreezeHelper:
        """The program that runs it there."""

    @property
    def code_pid(self) -> int:
        """Its pid."""


@dataclass(frozen=True)
class Visits:
    """What the traverse functions of some objects visited; all uint64.

    Attributes:
        objects: addresses.
        ends: where each one's visits end in `targets`.
        targets: addresses of what was visited, in the order of the visits.
    """

    objects: Array
    ends: Array
    targets: Array


@dataclass
class TraverseLog:
    """What happened in the clone.

    Attributes:
        objects: how many were traversed to the end.
        faulted: addresses of objects whose function faulted, hung or asked for a system call.
        skipped: objects left out because their function had failed too often.
    """

    objects: int = 0
    faulted: list[int] = field(default_factory=list)
    skipped: int = 0


@dataclass
class _Overwritten(Exception):
    """What the stub left is not what it wrote.

    Attributes:
        visits: how many there were until then.
    """

    visits: int


class CloneTraversal:
    """Runs traverse functions in a frozen clone, or in a twin; a context manager.

    Args:
        place: a process frozen with the method "clone", or a twin; nothing else may run code in it.
        most_visits: of all objects together; no more than there are words of memory.

    Raises:
        HelperFailure: it may not map memory, or none that is executable.
        UnreadableMemory: it has ended.
    """

    def __init__(self, place: CodePlace, most_visits: int = MAX_VISITS) -> None:
        """Map the stub and its buffers."""
        self.log = TraverseLog()
        self._budget = TraverseBudget(most_visits)
        self._helper = place.helper
        self._faults: Counter[int] = Counter()
        self._given_up: list[int] = []
        try:
            self._base = self._helper.map_memory(_SIZE)
            self._memory = os.open(f"/proc/{place.code_pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        except HelperEnded as error:
            raise _clone_ended() from error
        except HelperFailure as failure:
            if failure.code == "gone":
                raise _clone_ended() from failure
            raise
        except OSError as error:
            raise HelperFailure("map", error.errno or 0, "its memory cannot be written") from error

    def visits(self, jobs: Array) -> Iterator[Visits]:
        """Run the functions of a batch.

        Args:
            jobs: uint64[n, 2], object and address of its function; at most BATCH_OBJECTS.

        Yields:
            The visits of those whose function ran to its end, in their order.

        Raises:
            HelperFailure: code in a twin took too much memory, and the twin was ended.
            UnreadableMemory: the process has ended.

        Cost: with the merge of the visits about half a microsecond per object.
        """
        pending = [jobs]
        while pending and not self._budget.is_spent:
            jobs = self._without_given_up(pending.pop())
            if not len(jobs):
                continue
            visits = self._run(jobs)
            done = 0 if visits is None else len(visits.objects)
            self.log.objects += done
            self._budget.objects += done
            if visits is not None and done:
                self._budget.visits += len(visits.targets)
                yield visits
            if visits is None and len(jobs) > 1:  # one of them: found by halves
                half = len(jobs) // 2
                pending += [jobs[half:], jobs[:half]]
            elif done < len(jobs):
                self._budget.overwrites += visits is None
                self._note_failure(jobs[done])
                pending.append(jobs[done + 1 :])
        self.log.skipped += sum(len(jobs) for jobs in pending)

    def _without_given_up(self, jobs: Array) -> Array:
        if not self._given_up:
            return jobs
        keep = ~np.isin(jobs[:, 1], np.array(self._given_up, dtype=np.uint64))
        self.log.skipped += int((~keep).sum())
        return jobs[keep]

    def _note_failure(self, job: Array) -> None:
        address, function = job.tolist()
        self.log.faulted.append(address)
        self._faults[function] += 1
        if self._faults[function] == MAX_FAULTS_OF_FUNCTION:
            self._given_up.append(function)

    def _run(self, jobs: Array) -> Visits | None:
        """Run until all are done, or one fails: the first that is missing in the result.

        None: one of them wrote to what is the stub's own, and nothing of this run can be believed.
        """
        try:
            return self._run_believing(jobs)
        except _Overwritten as error:
            self._budget.wasted += error.visits
            return None

    def _run_believing(self, jobs: Array) -> Visits:
        buffer = self._base + _BUFFER
        arrays = (self._base + _JOBS, self._base + _ENDS, buffer, buffer + _WORD * BUFFER_WORDS)
        self._write(_JOBS, np.ascontiguousarray(jobs))
        self._write(0, np.array((0, len(jobs), *arrays), dtype=np.uint64))
        ends = np.empty(len(jobs), dtype=np.uint64)
        parts: list[Array] = []
        done = taken = out = 0
        order = self._base
        while True:
            before = (done, taken + out)
            end = self._order(order)
            state = self._state(done, len(jobs))
            if state is None:
                raise _Overwritten(taken + out)
            first = done
            done, out, new_ends = state
            ends[first:done] = new_ends + np.uint64(taken)
            started = int(ends[done - 1]) if done else 0
            if done == len(jobs):
                break
            if self._budget.is_too_much(taken + out, taken + out - started):
                if len(jobs) > 1:  # or another one has set the stub back: which, is seen alone
                    raise _Overwritten(taken + out)
                break
            if end == "stub":
                if out != BUFFER_WORDS:  # it stops for no other reason
                    raise _Overwritten(taken + out)
                parts.append(self._read(_BUFFER, out))
                taken, out = taken + out, 0
                self._write(_OUT * _WORD, np.array([buffer], dtype=np.uint64))
            elif end != "limit" or self._budget.hangs_now(
                stands_still=before == (done, taken + out)
            ):
                break
            order = 0
        self._budget.wasted += taken + out - started
        parts.append(self._read(_BUFFER, out))
        return Visits(jobs[:done, 0], ends[:done], np.concatenate(parts)[:started])

    def _state(self, first: int, jobs: int) -> tuple[int, int, Array] | None:
        """How far the stub is: jobs done, words in the buffer, where the visits end of those done.

        What runs beside the stub can write to all of it: None when it cannot be true.
        """
        buffer = self._base + _BUFFER
        words = self._read(0, _CONTROL_WORDS).tolist()
        done, out = words[_NEXT], words[_OUT] - buffer
        if not first <= done <= jobs or not 0 <= out <= _WORD * BUFFER_WORDS or out % _WORD:
            return None
        ends = self._read(_ENDS + _WORD * first, done - first) - np.uint64(buffer)  # may wrap
        if (ends > out).any() or (ends % _WORD).any() or (ends[1:] < ends[:-1]).any():
            return None
        return done, out // _WORD, ends // np.uint64(_WORD)

    def _order(self, control: int) -> str:
        try:
            end, _ = self._helper.run(control, PATIENCE_S)
        except (HelperEnded, HelperFailure) as error:
            raise _clone_ended() from error
        if end == "memory":
            raise HelperFailure("memory", 0, "it wrote to more memory than it may")
        return end

    def _write(self, offset: int, values: Array) -> None:
        try:
            os.pwrite(self._memory, values.data, self._base + offset)
        except OSError as error:
            raise _clone_ended() from error

    def _read(self, offset: int, words: int) -> Array:
        """Words of the mapped memory, uint64[words]."""
        try:
            raw = os.pread(self._memory, words * _WORD, self._base + offset)
        except OSError as error:
            raise _clone_ended() from error
        if len(raw) != words * _WORD:
            raise _clone_ended()
        return np.frombuffer(raw, dtype=np.uint64)

    def __enter__(self) -> Self:
        """Return the traversal itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the clone's memory; what was mapped goes with the clone."""
        os.close(self._memory)


def _clone_ended() -> UnreadableMemory:
    return UnreadableMemory("the frozen clone ended")
