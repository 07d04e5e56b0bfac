"""Censuses and snapshots: within the budget, written down before they begin, one after another."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from heapgraph.errors import HeapgraphError, TargetError
from heapgraph.watch.audit.record import Entry, TargetRef
from heapgraph.watch.census.client import CensusServer
from heapgraph.watch.census.runner import run_census
from heapgraph.watch.children import processor_time_of_children, run_child
from heapgraph.watch.daemon.budget import BUSY, Refusal
from heapgraph.watch.daemon.dumping import dump_into, said
from heapgraph.watch.store.stored_snapshot import StoredSnapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from heapgraph.watch.audit.log import Audit
    from heapgraph.watch.audit.record import Actor, Reason
    from heapgraph.watch.daemon.budget import Spending
    from heapgraph.watch.daemon.profiles import Profiles
    from heapgraph.watch.model import Census, ProcessKey, Worker
    from heapgraph.watch.settings.model import Budget
    from heapgraph.watch.store.snapshots import SnapshotStore

    _Result = TypeVar("_Result", "Census", "StoredSnapshot")

LONGEST_REPORT_S = 300.0

BYTES_PER_FILE_BYTE = 8
"""Resident bytes of a target for each byte of its snapshot, at least: 15 are usual."""


class JobRefused(HeapgraphError):
    """It is not done now, because of what it would cost.

    Args:
        refusal: why.
    """

    def __init__(self, what: str, refusal: Refusal) -> None:
        """Say it in words."""
        super().__init__(what, refusal.text, "it is tried again, or change [watch] budget")
        self.refusal = refusal


@dataclass(frozen=True)
class Asked:
    """Who wants something, and why; for the audit log and the notes of the store.

    Attributes:
        actor: who.
        origin: from where; "" for the daemon itself.
        reason: which rule's observation, or None.
        text: the rule's name, or what was asked.
    """

    actor: Actor
    text: str
    origin: str = ""
    reason: Reason | None = None


class Jobs:
    """Does what rules and peers ask for.

    Args:
        budget: of each job.
        spending: what jobs have cost.
        store: takes snapshots in; None: there is no store, and no snapshot.
        profiles: takes profiles in; None: none are made.
        audit: what is not written there is not done.
        own: pids of children that run.
        clock: steady.
    """

    def __init__(
        self,
        *,
        budget: Budget,
        spending: Spending,
        store: SnapshotStore | None,
        profiles: Profiles | None,
        audit: Audit,
        own: set[int],
        clock: Callable[[], float],
    ) -> None:
        """Nothing runs yet."""
        self._budget = budget
        self.spending = spending
        self.store = store
        self.profiles = profiles
        self.audit = audit
        self._own = own
        self._clock = clock
        self._server = CensusServer(own)
        self._turn = asyncio.Semaphore(budget.at_once)
        self._taking: dict[ProcessKey, asyncio.Future[StoredSnapshot | None]] = {}
        self.host = socket.gethostname()

    async def census(self, worker: Worker, values: Mapping[str, float], asked: Asked) -> Census:
        """Take a census when it is its turn.

        Raises:
            JobRefused: it is not within the budget.
            AuditUnavailable: it cannot be written down.
            TargetError: it could not be taken.
        """
        profile = None if self.profiles is None else self.profiles.new_file(worker.name)

        async def take() -> Census:
            census = await run_census(
                worker.name,
                worker.key,
                max_pause_ms=self._budget.max_pause_ms,
                profile=profile,
                own=self._own,
                server=self._server,
            )
            if self.profiles is not None:
                self.profiles.keep(census)
            return census

        try:
            return await self._in_turn("census", worker, values, asked, take)
        except BaseException:
            if profile is not None:
                with suppress(OSError):  # there is none, or the disk is read-only
                    profile.unlink()
            raise

    def is_taking(self, worker: Worker) -> bool:
        """Whether a snapshot of this process is being taken, or waits for its turn."""
        return worker.key in self._taking

    async def shared_snapshot(self, worker: Worker) -> StoredSnapshot | None:
        """Wait for the snapshot of this process that is being taken, for whomever.

        Returns:
            What was taken; None where none was being taken, or it failed or was cancelled.
        """
        # Again after one that failed: of several that waited for it, the first takes one then.
        while (taking := self._taking.get(worker.key)) is not None:
            stored = await asyncio.shield(taking)
            if stored is not None:
                return stored
        return None

    async def snapshot(
        self,
        worker: Worker,
        values: Mapping[str, float],
        asked: Asked,
        *,
        wait_s: float | None = None,
    ) -> StoredSnapshot:
        """Take a snapshot into the store when it is its turn.

        Args:
            worker: whose; nobody may be taking one of it.
            values: its latest sample.
            asked: who wants it.
            wait_s: for its turn, at most; None: however long the others take.

        Raises:
            JobRefused: it is not within the budget, or its turn did not come.
            StoreFull: there is no room.
            AuditUnavailable: it cannot be written down.
            TargetError: it could not be taken.
        """
        store = self.store
        if store is None:
            raise TargetError("no snapshot", "there is no store", "set [store] path")
        if self.is_taking(worker):
            raise TargetError(f"no snapshot of {worker.name}", "one of it is being taken", "")
        self.check_room(worker, values)

        async def take() -> StoredSnapshot:
            return await dump_into(
                store,
                worker,
                max_pause_ms=self._budget.max_pause_ms,
                reason=asked.text,
                own=self._own,
            )

        taking = self._taking[worker.key] = asyncio.get_running_loop().create_future()
        stored = None
        try:
            stored = await self._in_turn("snapshot", worker, values, asked, take, wait_s=wait_s)
        finally:
            del self._taking[worker.key]
            taking.set_result(stored)
        return stored

    def check_room(self, worker: Worker, values: Mapping[str, float]) -> None:
        """Refuse a snapshot for which the store has no room.

        Raises:
            StoreFull: it has none.
        """
        if self.store is not None:
            expected = int(values.get("rss_bytes", 0.0)) // BYTES_PER_FILE_BYTE
            self.store.check_room(worker, expected)

    async def report(self, snapshot_id: str) -> None:
        """Write what `heapgraph suspects` says of a snapshot beside it.

        Raises:
            HeapgraphError: the question failed.
            OSError: it cannot be written.
            TimeoutError: it took too long.
        """
        if self.store is None:
            return
        path = self.store.path_of(snapshot_id)
        command = [sys.executable, "-P", "-m", "heapgraph", "suspects", str(path)]
        done = await run_child(command, longest_s=LONGEST_REPORT_S, own=self._own)
        if done.code != 0:
            raise HeapgraphError(f"no report of {snapshot_id}", said(done.errors))
        self.store.add_report(snapshot_id, done.output)

    def refusal(
        self, what: str, worker: Worker, values: Mapping[str, float], *, share: float = 1.0
    ) -> Refusal | None:
        """Why a job should not begin now, asked before anything waits for it."""
        now, spending = self._clock(), self.spending
        refusal = spending.refusal(what, worker.name.target, now, values, share=share)
        if refusal is None or refusal.reason == BUSY:
            refusal = spending.pause_refusal(worker.name, now) or refusal
        return refusal

    def close(self) -> None:
        """End what is kept for further jobs."""
        self._server.close()

    def _processor_time(self) -> float:
        return processor_time_of_children() + self._server.processor_time()

    @asynccontextmanager
    async def _my_turn(self, what: str, wait_s: float | None) -> AsyncIterator[None]:
        """As many at a time as the budget has.

        Raises:
            JobRefused: the turn did not come in time.
        """
        try:
            async with asyncio.timeout(wait_s):
                await self._turn.acquire()
        except TimeoutError as error:
            text = f"others ran for {wait_s:g} s, and at most {self._budget.at_once} may at once"
            raise JobRefused(what, Refusal(BUSY, text, 5.0)) from error
        try:
            yield
        finally:
            self._turn.release()

    async def _in_turn(
        self,
        what: str,
        worker: Worker,
        values: Mapping[str, float],
        asked: Asked,
        work: Callable[[], Coroutine[None, None, _Result]],
        *,
        wait_s: float | None = None,
    ) -> _Result:
        """Wait for the turn, ask the budget, write it down, do it, write down what came of it."""
        async with self._my_turn(f"no {what} of {worker.name}", wait_s):
            refusal = self.refusal(what, worker, values)
            if refusal is not None:
                raise JobRefused(f"no {what} of {worker.name}", refusal)
            entry = Entry(
                "dump" if what == "snapshot" else what,
                asked.actor,
                asked.origin,
                TargetRef.of(worker, self.host),
                asked.reason,
            )
            act = self.audit.begin(entry)
            before = self._processor_time()
            self.spending.begin()
            try:
                result = await work()
            except asyncio.CancelledError:
                act.end("cancelled")
                raise
            except HeapgraphError as error:
                act.end("failed", {"error": error.what, "cause": error.cause})
                raise
            except BaseException as error:
                act.end("failed", {"error": type(error).__name__})
                raise
            finally:
                spent = self._processor_time() - before
                self.spending.end(what, worker.name.target, self._clock(), spent)
            self.spending.pauses.note(worker.name, self._clock(), result.pause_ms, result.objects)
            act.end("done", _detail(result))
            return result


def _detail(result: Census | StoredSnapshot) -> dict[str, object]:
    """What the audit log says of it."""
    found: dict[str, object] = {
        "pause_ms": result.pause_ms,
        "objects": result.objects,
        "quality": result.quality,
        "method": result.method,
    }
    if result.why_paused:
        found["why_paused"] = result.why_paused
    if isinstance(result, StoredSnapshot):
        found |= {"id": result.id, "sha256": result.sha256, "redacted": result.redacted}
    return found
