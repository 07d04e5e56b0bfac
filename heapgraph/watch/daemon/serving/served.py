"""The daemon as its endpoint sees it: answers from what is known, and asks for snapshots."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from heapgraph.watch.http.served import (
    Operation,
    Profile,
    RuleStatus,
    StoredSnapshot,
    TargetStatus,
)
from heapgraph.watch.model import RuleState, WorkerName

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from heapgraph.watch.audit.record import Actor
    from heapgraph.watch.daemon.parts import Parts
    from heapgraph.watch.daemon.serving.operations import Operations
    from heapgraph.watch.model import Census
    from heapgraph.watch.settings.model import WatchSettings

_LATE = 4
"""Looks that may be late, in intervals, before the daemon says that it is not ready."""


class ServedDaemon:
    """See `http.served.Served`.

    Args:
        settings: of the daemon.
        parts: what it is made of.
        operations: what peers have asked for.
        metrics: makes the text of the metrics, with or without names, in the format that the
            Accept header asks for; and its content type.
        clock: steady.
    """

    def __init__(
        self,
        settings: WatchSettings,
        parts: Parts,
        operations: Operations,
        metrics: Callable[[bool, str], tuple[bytes, str]],
        clock: Callable[[], float],
    ) -> None:
        """Take over what is there."""
        self._settings = settings
        self._parts = parts
        self._operations = operations
        self._metrics = metrics
        self._clock = clock

    def not_ready(self) -> str:
        """Why it does not watch; "" when it does."""
        looked_at = self._parts.watcher.looked_at
        if looked_at is None:
            return "it has not looked at its targets yet"
        late = self._clock() - looked_at
        if late > _LATE * self._settings.interval_s + 1:
            return f"its last look at its targets was {late:.0f} s ago"
        return ""

    def targets(self) -> list[TargetStatus]:
        """All workers."""
        now, watcher = self._clock(), self._parts.watcher
        found = []
        for name, worker in sorted(watcher.workers.items()):
            sample = watcher.latest.get(name)
            values = {} if sample is None else sample.values
            age = None if sample is None else now - sample.taken_at
            found.append(TargetStatus(worker, is_up=True, values=values, sample_age_s=age))
        return found

    def rules(self) -> list[RuleStatus]:
        """All rules for each worker that they are about, with their last change."""
        watcher = self._parts.watcher
        open_ones = {(one.rule, one.worker): one for one in watcher.engine.standings()}
        found = []
        for rule in self._settings.rules:
            for name in sorted(watcher.workers):
                if rule.targets and name.target not in rule.targets:
                    continue
                standing = open_ones.get((rule.name, name))
                change = watcher.changes.get((rule.name, name))
                found.append(
                    RuleStatus(
                        rule=rule.name,
                        worker=name,
                        state=RuleState.INACTIVE if standing is None else standing.state,
                        since="" if change is None else self._time_of_day(change.at),
                        observation=None if change is None else change.observation,
                        withheld="" if change is None else change.withheld,
                    )
                )
        return found

    def metrics_text(self, *, names: bool, accept: str) -> tuple[bytes, str]:
        """All metrics, and their content type."""
        return self._metrics(names, accept)

    def census(self, worker: WorkerName) -> Census | None:
        """The last census of a worker."""
        return self._parts.watcher.censuses.get(worker)

    def next_census_s(self, worker: WorkerName) -> float | None:
        """Seconds until the next one."""
        return self._parts.schedule.next_s(worker, self._clock())

    def profiles(self, worker: WorkerName) -> list[Profile]:
        """Profiles of its process, the newest first."""
        process, profiles = self._parts.watcher.workers.get(worker), self._parts.profiles
        if process is None or profiles is None:
            return []
        return [Profile(one.file, one.taken_at) for one in profiles.of(worker, process.key)]

    def snapshots(self) -> list[StoredSnapshot]:
        """What is in the store, the newest first."""
        store = self._parts.jobs.store
        if store is None:
            return []
        return [
            StoredSnapshot(
                id=one.id,
                worker=WorkerName(one.target, one.slot),
                created=one.created,
                size=one.size,
                sha256=one.sha256,
                objects=one.objects,
                redacted=one.redacted,
                quality=one.quality,
                reason=one.reason,
                method=one.method,
                pause_ms=one.pause_ms,
                why_paused=one.why_paused,
            )
            for one in reversed(store.snapshots())
        ]

    def open_snapshot(self, snapshot_id: str) -> BinaryIO:
        """The file of a snapshot."""
        store = self._parts.jobs.store
        if store is None or store.find(snapshot_id) is None:
            raise KeyError(snapshot_id)
        try:
            descriptor = os.open(
                store.path_of(snapshot_id), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            )
        except OSError as error:
            raise KeyError(snapshot_id) from error
        return os.fdopen(descriptor, "rb")

    async def start_snapshot(self, worker: WorkerName, actor: Actor, origin: str) -> Operation:
        """Begin to take a snapshot."""
        return await self._operations.start(worker, actor, origin)

    def operations(self) -> Sequence[Operation]:
        """What peers have asked for."""
        return self._operations.all()

    async def cancel(self, operation_id: str, actor: Actor, origin: str) -> Operation:
        """End what a peer has asked for."""
        return await self._operations.cancel(operation_id, actor, origin)

    def _time_of_day(self, at: float) -> str:
        """A moment of the steady clock for people."""
        moment = datetime.fromtimestamp(time.time() - (self._clock() - at), UTC)
        return moment.isoformat(timespec="seconds")
