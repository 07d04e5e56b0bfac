"""A screen that runs long work beside itself, shows how far it is, and can give it up."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, TypeVar

from textual.screen import Screen

from heapgraph.errors import HeapgraphError
from heapgraph.tui.cells import safe
from heapgraph.tui.jobs import Cancelled, Job, JobThread

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from heapgraph.analysis.registry import Progress

_Result = TypeVar("_Result")
_PROGRESS_EVERY_S = 0.1


def explained(failure: Exception) -> HeapgraphError:
    """Any exception as one with three parts."""
    if isinstance(failure, HeapgraphError):
        return failure
    if isinstance(failure, MemoryError):
        return HeapgraphError(
            "not enough memory for this",
            "a snapshot needs up to 250 bytes per object while it is browsed",
            "copy the file to a machine with more memory; the target is not needed any more",
        )
    return HeapgraphError(
        f"{type(failure).__name__}: {failure}",
        "a defect in heapgraph, or a snapshot that was damaged or tampered with",
        "heapgraph verify FILE checks the snapshot; if it is sound, report this",
    )


class WorkingScreen(Screen[None], inherit_bindings=False):
    """Runs one piece of work at a time; new work takes the place of the old.

    Args:
        jobs: the thread that works; all screens share one, since a graph computes in one only.
    """

    def __init__(self, jobs: JobThread) -> None:
        """Do nothing yet."""
        super().__init__()
        self.jobs = jobs
        self._job: Job | None = None

    def on_mount(self) -> None:
        """Begin to look how far the work is."""
        self.set_interval(_PROGRESS_EVERY_S, self.show_progress)

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed for the user."""
        return self._job is not None

    @property
    def job_age_s(self) -> float:
        """Seconds since the work was asked for; 0 when there is none."""
        return 0.0 if self._job is None else time.monotonic() - self._job.begun

    @property
    def progress_text(self) -> str:
        """How far the work is, in one line; "" when there is none."""
        return "" if self._job is None else safe(self._job.describe())

    def run_job(
        self,
        title: str,
        work: Callable[[Progress], _Result],
        then: Callable[[_Result], None],
        jobs: JobThread | None = None,
    ) -> None:
        """Run work in the background and go on with its result.

        Args:
            title: what it is, for the user.
            work: called in the other thread with a progress callback.
            then: called here with what it returned, unless it was given up.
            jobs: another thread than that of the screen.
        """
        self.cancel_job()
        self._job = job = Job(title)
        future = (jobs or self.jobs).submit(job, work)
        self.run_worker(self._wait(job, future, then), group="job")
        self.show_progress()  # at once: a key that changes nothing yet was heard
        self.work_changed()

    async def _wait(
        self, job: Job, future: Future[_Result], then: Callable[[_Result], None]
    ) -> None:
        try:
            result = await asyncio.wrap_future(future)
        except Cancelled:
            return
        except Exception as failure:  # noqa: BLE001 - a defect must not end the browser
            if not job.is_cancelled:
                self.work_failed(explained(failure))
        else:
            if not job.is_cancelled:
                self._go_on(then, result)
        finally:
            if self._job is job:
                self._job = None
                self.show_progress()
                self.work_changed()

    def _go_on(self, then: Callable[[_Result], None], result: _Result) -> None:
        try:
            then(result)
        except Exception as failure:  # noqa: BLE001 - a defect must not end the browser
            self.work_failed(explained(failure))

    def cancel_job(self) -> None:
        """Give up the work in the background, if there is any."""
        if self._job is not None:
            self._job.is_cancelled = True
            self._job = None

    @abstractmethod
    def show_progress(self) -> None:
        """Show `progress_text`; called all the time."""

    @abstractmethod
    def work_failed(self, failure: HeapgraphError) -> None:
        """Tell the user."""

    @abstractmethod
    def work_changed(self) -> None:
        """Work was begun or is over: other keys do something."""

    async def settled(self) -> None:
        """Wait until nothing is being computed: for tests and measurements."""
        while self.is_busy:
            await self.workers.wait_for_complete()
