"""Ask the types themselves what their objects refer to, in the frozen clone.

A C type without a table of its fields has a traverse function, which names every reference the
collector knows. It is code of the target, so it runs where it can do no harm: in the clone, a
process without other threads that is thrown away, whose system calls are not carried out. An
object whose function faults or hangs is left out, and keeps what the scan of its words says.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.freeze_helper import HelperEnded, HelperFailure
from heapgraph.capture.memory import UnreadableMemory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from heapgraph.capture.freeze_helper import FreezeHelper
    from heapgraph.capture.frozen import Frozen

Array: TypeAlias = npt.NDArray[Any]

BATCH_OBJECTS = 1 << 16
"""Objects per run: one order to the helper and a few system calls each."""

BUFFER_WORDS = 1 << 20
"""Visits the clone's buffer holds before it is emptied; 8 MiB in the clone."""

PATIENCE_S = 1.0
"""A function that visits nothing for so long hangs; any other is done with an object in less."""

MAX_HANGS = 3
"""Objects that may cost PATIENCE_S; after that the rest is left to the scan."""

MAX_FAULTS_OF_FUNCTION = 16
"""A function that faulted so often is not run again: each time costs a few system calls."""

MAX_VISITS_OF_OBJECT = 1 << 28
"""A function that visits more walks in circles; the largest list of 2 GiB has as many items."""

# The control block of native/freeze/traverse.h, then the arrays it points to.
_WORD = 8
_CONTROL_WORDS = 6
_NEXT, _OUT = 0, 4
_JOBS = 512
_ENDS = _JOBS + 2 * _WORD * BATCH_OBJECTS
_BUFFER = _ENDS + _WORD * BATCH_OBJECTS
_SIZE = _BUFFER + _WORD * BUFFER_WORDS


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


class CloneTraversal:
    """Runs traverse functions in a frozen clone; a context manager.

    Args:
        frozen: has a process for it (`code_pid`); nothing else may run code in it.

    Raises:
        HelperFailure: the clone may not map memory, or none that is executable.
        UnreadableMemory: the clone has ended.
    """

    def __init__(self, frozen: Frozen) -> None:
        """Map the stub and its buffers."""
        self.log = TraverseLog()
        self._helper: FreezeHelper = frozen.helper
        self._hangs = 0
        self._faults: Counter[int] = Counter()
        self._given_up: list[int] = []
        try:
            self._base = self._helper.map_memory(_SIZE)
            self._memory = os.open(f"/proc/{frozen.code_pid}/mem", os.O_RDWR | os.O_CLOEXEC)
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

        Cost: with the merge of the visits about half a microsecond per object.
        """
        jobs = self._without_given_up(jobs)
        while len(jobs) and self._hangs < MAX_HANGS:
            visits = self._run(jobs)
            done = len(visits.objects)
            self.log.objects += done
            if done:
                yield visits
            if done < len(jobs):
                self._note_failure(jobs[done])
                jobs = jobs[done + 1 :]
                jobs = self._without_given_up(jobs)
            else:
                return
        self.log.skipped += len(jobs)

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

    def _run(self, jobs: Array) -> Visits:
        """Run until all are done, or one fails: the first that is missing in the result."""
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
            words = self._read(0, _CONTROL_WORDS).tolist()
            first, done, out = done, words[_NEXT], (words[_OUT] - buffer) // _WORD
            raw = self._read(_ENDS + _WORD * first, done - first)
            ends[first:done] = taken + (raw - np.uint64(buffer)) // _WORD
            started = int(ends[done - 1]) if done else 0
            if done == len(jobs) or taken + out - started > MAX_VISITS_OF_OBJECT:
                break
            if end == "stub":  # the buffer is full
                parts.append(self._read(_BUFFER, out))
                taken, out = taken + out, 0
                self._write(_OUT * _WORD, np.array([buffer], dtype=np.uint64))
            elif end != "limit" or (done, taken + out) == before:
                self._hangs += end == "limit"
                break
            order = 0
        parts.append(self._read(_BUFFER, out))
        return Visits(jobs[:done, 0], ends[:done], np.concatenate(parts)[:started])

    def _order(self, control: int) -> str:
        try:
            return self._helper.run(control, PATIENCE_S)[0]
        except (HelperEnded, HelperFailure) as error:
            raise _clone_ended() from error

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
