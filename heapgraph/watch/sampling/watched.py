"""One process that is watched: found to be Python, held, and read again and again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.collector_counters import CollectorPlace, find_collector
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.memory import ProcessMemory, UnreadableMemory
from heapgraph.errors import HeapgraphError
from heapgraph.watch.model import Sample, Worker
from heapgraph.watch.sampling.process_counters import read_process_counters
from heapgraph.watch.sampling.process_handle import ProcessHandle, boot_age

if TYPE_CHECKING:
    from heapgraph.capture.cpython.collector_counters import CollectorCounters
    from heapgraph.watch.model import WorkerName


MISSES = 3
"""Looks in a row at which a collector is not where it was, before a process is taken for another
program: one may come in the middle of a change."""


@dataclass(frozen=True)
class PythonFacts:
    """What was found out of a process when it was first seen.

    Attributes:
        version: "3.12.1".
        executable: path of its program, as it sees it.
        place: where its collector's counters are; None where they could not be found.
    """

    version: str
    executable: str
    place: CollectorPlace | None


class WatchedProcess:
    """A process with its descriptors; close it when it is gone.

    Attributes:
        handle: the process.
        worker: what the daemon calls it.
    """

    def __init__(self, handle: ProcessHandle, worker: Worker, place: CollectorPlace | None) -> None:
        """Take over an open handle."""
        self.handle = handle
        self.worker = worker
        self._place = place
        self._misses = 0

    @property
    def is_another_program(self) -> bool:
        """The process has started another program: nothing is where it was, again and again."""
        return self._misses >= MISSES

    def sample(self, now: float) -> Sample:
        """Read its counters.

        Args:
            now: steady clock.

        Raises:
            TargetNotFound: it has ended.

        Cost: 40-100 us; it is not stopped.
        """
        values = read_process_counters(self.handle)
        generations: tuple[tuple[int, int, int], ...] = ()
        counters = self._read_counters()
        if counters is not None:
            generations = counters.generations
            values["gc_enabled"] = float(counters.enabled)
            if counters.tracked is not None:
                values["gc_tracked"] = float(counters.tracked)
            names = ("gc_collections", "gc_collected", "gc_uncollectable")
            for name, column in zip(names, zip(*generations, strict=True), strict=True):
                values[name] = float(sum(column))
        return Sample(self.worker.name, now, values, generations)

    def close(self) -> None:
        """Give its descriptors back."""
        self.handle.close()

    def _read_counters(self) -> CollectorCounters | None:
        """Of its collector; None where they cannot be read now."""
        if self._place is None:
            return None
        try:
            counters = self._place.read(self.handle.read_memory)
        except UnreadableMemory:  # in the middle of a change, or it has another memory now
            self._misses += 1
            self.handle.forget_memory()
            return None
        except HeapgraphError:  # without the right to: less, not nothing
            return None
        self._misses = 0
        return counters


def find_python(pid: int) -> PythonFacts:
    """Find out which CPython a process runs.

    Raises:
        TargetError: it runs none, or this user may not look.

    Cost: 10-40 ms.
    """
    target = inspect_target(pid)
    place = None
    with suppress(UnreadableMemory), ProcessMemory(pid) as memory:
        place = find_collector(memory, target.layout, target.runtime_address)
    return PythonFacts(target.version_text, target.executable, place)


def watch_process(
    handle: ProcessHandle, name: WorkerName, facts: PythonFacts, now: float
) -> WatchedProcess:
    """Begin to watch a process.

    Args:
        handle: the process; taken over.
        name: its target and slot.
        facts: of `find_python`.
        now: steady clock.
    """
    started_at = now - max(0.0, boot_age() - handle.started_s)
    worker = Worker(name, handle.key, facts.version, facts.executable, started_at, now)
    return WatchedProcess(handle, worker, facts.place)
