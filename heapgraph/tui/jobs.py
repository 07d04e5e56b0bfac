"""Long work beside the terminal: one thread, one job after another, with progress and cancel."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.analysis.registry import Progress

_Result = TypeVar("_Result")


class Cancelled(Exception):
    """The user does not want the result any more."""


class Job:
    """One piece of work.

    Attributes:
        title: what it is, for the user.
        phase, done, total: how far it is; total 0 = unknown.
        begun: when it was asked for, by `time.monotonic`.
    """

    def __init__(self, title: str) -> None:
        """Nothing is done yet."""
        self.title = title
        self.begun = time.monotonic()
        self.phase, self.done, self.total = "", 0, 0
        self.is_cancelled = False

    def report(self, phase: str, done: int, total: int) -> None:
        """The progress callback of the work.

        Raises:
            Cancelled: nobody waits for it any more.
        """
        self.phase, self.done, self.total = phase, done, total
        if self.is_cancelled:
            raise Cancelled

    def describe(self) -> str:
        """The state in one line."""
        parts = [self.title]
        if self.phase:
            parts.append(self.phase)
        if self.total:
            parts.append(f"{self.done} of {self.total}")
        return ": ".join(parts[:2]) + (f" ({parts[2]})" if len(parts) > 2 else "")  # noqa: PLR2004


class JobThread:
    """Runs jobs in one thread, in the order they come: a graph computes in one thread only.

    The thread is a daemon: who quits does not wait for a search that cannot be interrupted.
    """

    def __init__(self) -> None:
        """Start the thread."""
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._work, name="heapgraph-jobs", daemon=True).start()

    def submit(self, job: Job, work: Callable[[Progress], _Result]) -> Future[_Result]:
        """Queue a piece of work; it is called with the job's progress callback."""
        future: Future[_Result] = Future()

        def run() -> None:
            try:
                job.report("", 0, 0)  # given up while it waited?
                future.set_result(work(job.report))
            except BaseException as failure:  # noqa: BLE001 - the waiting side decides
                future.set_exception(failure)

        self._queue.put(run)
        return future

    def _work(self) -> None:
        while True:
            self._queue.get()()
