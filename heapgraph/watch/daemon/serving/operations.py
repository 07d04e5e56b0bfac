"""Snapshots that peers ask for: each runs beside the daemon, can be asked after, and cancelled."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from heapgraph.errors import HeapgraphError
from heapgraph.watch.audit.record import Entry, TargetRef
from heapgraph.watch.daemon.budget import BUSY
from heapgraph.watch.daemon.jobs import Asked, JobRefused
from heapgraph.watch.http.served import (
    AlreadyEnded,
    Operation,
    OverBudget,
    SnapshotRefused,
    SnapshotRunning,
    StoreFull,
)
from heapgraph.watch.store.snapshots import StoreFull as NoRoom

if TYPE_CHECKING:
    from collections.abc import Callable

    from heapgraph.watch.audit.record import Actor
    from heapgraph.watch.daemon.jobs import Jobs
    from heapgraph.watch.daemon.watcher import Watcher
    from heapgraph.watch.model import WorkerName
    from heapgraph.watch.store.stored_snapshot import StoredSnapshot

KEPT = 50
"""Operations that have ended and can still be asked after."""

WAIT_S = 300.0
"""How long one waits for its turn: a census takes seconds, one that hangs is ended after two
minutes."""

MOST_RUNNING, RETRY_S = 4, 30.0
"""Operations at once, those that wait included; and when it makes sense to ask again."""


class Operations:
    """What peers have asked for.

    Args:
        jobs: takes the snapshots.
        watcher: knows the workers.
        done: told when one has ended, by its outcome.
    """

    def __init__(self, jobs: Jobs, watcher: Watcher, done: Callable[[str, float], None]) -> None:
        """Nobody has asked yet."""
        self._jobs = jobs
        self._watcher = watcher
        self._done = done
        self._known: OrderedDict[str, Operation] = OrderedDict()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def all(self) -> list[Operation]:
        """Those that run and those that ended last, the newest first."""
        return list(reversed(self._known.values()))

    async def start(self, worker: WorkerName, actor: Actor, origin: str) -> Operation:
        """Begin one; see `Served.start_snapshot`."""
        running = [one for one in self.all() if one.state == "running"]
        same = next((one for one in running if one.worker == worker), None)
        process = self._watcher.workers.get(worker)
        if same is not None or (process is not None and self._jobs.is_taking(process)):
            raise SnapshotRunning(
                f"a snapshot of {worker} is being taken",
                "a peer has asked for it" if same else "a rule has asked for it",
                "wait for it, or cancel it" if same else "wait for it: GET /v1/snapshots",
                operation="" if same is None else same.id,
            )
        if process is None:
            raise SnapshotRefused(f"{worker} is not up", "its process has ended")
        if len(running) >= MOST_RUNNING:
            self._done("refused", 0.0)
            raise OverBudget(
                f"no snapshot of {worker} now",
                f"{len(running)} that peers have asked for are being taken, or wait",
                "ask again later",
                retry_after_s=RETRY_S,
            )
        values = dict(self._watcher.latest[worker].values) if worker in self._watcher.latest else {}
        self._check(process.name, values)
        one = Operation(secrets.token_hex(16), worker, "running", _now())
        self._known[one.id] = one
        asked = Asked(actor, f"{actor.kind} {actor.id}".strip(), origin)
        task = asyncio.ensure_future(self._run(one, values, asked))
        self._tasks[one.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(one.id, None))
        self._forget_oldest()
        return one

    async def cancel(self, operation_id: str, actor: Actor, origin: str) -> Operation:
        """End one; see `Served.cancel`."""
        one = self._known[operation_id]
        task = self._tasks.get(operation_id)
        if task is None or one.state != "running":
            raise AlreadyEnded(f"the operation is {one.state}", "it has ended", "")
        worker = self._watcher.workers.get(one.worker)
        target = None if worker is None else TargetRef.of(worker, self._jobs.host)
        with self._jobs.audit.begin(Entry("cancel", actor, origin, target)):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return self._known[operation_id]

    async def close(self) -> None:
        """End all that run."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check(self, worker: WorkerName, values: dict[str, float]) -> None:
        """Refuse at once what would be refused when its turn has come."""
        process = self._watcher.workers[worker]
        refusal = self._jobs.refusal("snapshot", process, values)
        if refusal is not None and refusal.reason != BUSY:  # it can wait for what runs now
            self._done("refused", 0.0)
            raise OverBudget(
                f"no snapshot of {worker} now",
                refusal.text,
                "ask again later",
                retry_after_s=refusal.retry_after_s,
            )
        if self._jobs.store is None:
            raise SnapshotRefused("no snapshot", "there is no store", "set [store] path")
        try:
            self._jobs.check_room(process, values)
        except NoRoom as error:
            self._done("refused", 0.0)
            raise StoreFull(error.what, error.cause, error.hint) from error

    async def _run(self, one: Operation, values: dict[str, float], asked: Asked) -> None:
        try:
            worker = self._watcher.workers.get(one.worker)
            if worker is None:
                raise SnapshotRefused(f"{one.worker} is not up", "its process has ended")
            stored = await self._jobs.snapshot(worker, values, asked, wait_s=WAIT_S)
        except asyncio.CancelledError:
            self._end(one, "cancelled")
            raise
        except (HeapgraphError, OSError) as error:
            said = tuple(error.parts()) if isinstance(error, HeapgraphError) else (str(error),)
            self._end(one, "failed", error=said)
            self._done("refused" if isinstance(error, JobRefused) else "failed", 0.0)
        else:
            self._end(one, "done", stored=stored)
            self._done("done", stored.pause_ms)

    def _end(
        self,
        one: Operation,
        state: str,
        *,
        stored: StoredSnapshot | None = None,
        error: tuple[str, ...] = (),
    ) -> None:
        ended = replace(one, state=state, ended=_now(), error=error[:3])
        if stored is not None:
            ended = replace(
                ended,
                snapshot=stored.id,
                pause_ms=stored.pause_ms,
                why_paused=stored.why_paused,
            )
        self._known[one.id] = ended

    def _forget_oldest(self) -> None:
        ended = [one.id for one in self._known.values() if one.state != "running"]
        for operation_id in ended[: max(0, len(ended) - KEPT)]:
            del self._known[operation_id]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
