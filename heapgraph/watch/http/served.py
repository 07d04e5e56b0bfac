"""What the endpoint needs of the daemon: one protocol, and what it may refuse with.

Everything but `start_snapshot` and `cancel` answers from what is known already, at once, and is
called in the event loop. Nothing here stops a target except `start_snapshot`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from heapgraph.errors import HeapgraphError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from heapgraph.watch.audit.record import Actor
    from heapgraph.watch.model import Census, Observation, RuleState, Worker, WorkerName


class SnapshotRefused(HeapgraphError):
    """A snapshot is not taken. Its texts go to the peer: names and numbers, no values."""


class SnapshotRunning(SnapshotRefused):
    """One is being taken already.

    Args:
        what, cause, hint: as in HeapgraphError.
        operation: id of the one that runs, "" where it is not one of the endpoint.
    """

    def __init__(self, what: str, cause: str = "", hint: str = "", *, operation: str = "") -> None:
        """Keep the operation."""
        super().__init__(what, cause, hint)
        self.operation = operation


class OverBudget(SnapshotRefused):
    """It would cost the target or the host more than the settings allow.

    Args:
        what, cause, hint: as in HeapgraphError.
        retry_after_s: when it is worth asking again.
    """

    def __init__(
        self, what: str, cause: str = "", hint: str = "", *, retry_after_s: float = 60.0
    ) -> None:
        """Keep the time."""
        super().__init__(what, cause, hint)
        self.retry_after_s = retry_after_s


class StoreFull(SnapshotRefused):
    """The store has no room for it."""


class AlreadyEnded(HeapgraphError):
    """An operation that has ended cannot be cancelled."""


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One worker, as it is now.

    Attributes:
        worker: which process it is.
        is_up: whether it runs.
        values: the latest sample, by names of `watch.model.METRICS`.
        sample_age_s: how old that is; None: there is none.
    """

    worker: Worker
    is_up: bool
    values: Mapping[str, float]
    sample_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """Where one rule stands for one worker.

    Attributes:
        rule, worker, state: which, for whom, and where.
        since: time of day of the last change, ISO 8601 UTC; "" where there was none.
        observation: why; its texts may hold names of types and holders.
        withheld: why nothing is done although it fires, else "".
    """

    rule: str
    worker: WorkerName
    state: RuleState
    since: str = ""
    observation: Observation | None = None
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot in the store.

    Attributes:
        id: letters, digits, `.`, `_`, `-`; never used again for another one.
        worker: of which worker.
        created: time of day, ISO 8601 UTC.
        size: bytes of the file.
        sha256: of the file, hex.
        objects: how many are in it.
        redacted: whether it has no values.
        quality: "good" or "poor".
        reason: the rule, or who asked for it.
        method: how its memory was taken, "" where that is not known.
        pause_ms: how long the process stood.
        why_paused: why it stood still and was not cloned, else "".
    """

    id: str
    worker: WorkerName
    created: str
    size: int
    sha256: str
    objects: int
    redacted: bool
    quality: str = "good"
    reason: str = ""
    method: str = ""
    pause_ms: float = 0.0
    why_paused: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A gzipped pprof file of a census.

    Attributes:
        file: in a folder that only the daemon can write to.
        taken_at: steady clock.
    """

    file: Path
    taken_at: float


@dataclass(frozen=True, slots=True)
class Operation:
    """A snapshot that somebody has asked for.

    Attributes:
        id: random, of hexadecimal digits.
        worker: of which worker.
        state: "running", "done", "failed" or "cancelled".
        created, ended: time of day, ISO 8601 UTC; "" while it runs.
        snapshot: id in the store when it is done, else "".
        error: what failed, its cause and what to do, at most three texts without values.
        pause_ms: how long the process stood.
        why_paused: why it stood still and was not cloned, else "".
    """

    id: str
    worker: WorkerName
    state: str
    created: str
    ended: str = ""
    snapshot: str = ""
    error: tuple[str, ...] = ()
    pause_ms: float = 0.0
    why_paused: str = ""


class Served(Protocol):
    """The daemon, as the endpoint sees it."""

    def not_ready(self) -> str:
        """Why it cannot watch yet or any more, in one sentence; "" when all is well."""

    def targets(self) -> Sequence[TargetStatus]:
        """All workers, in the order of their names."""

    def rules(self) -> Sequence[RuleStatus]:
        """All rules, for each worker that they are about."""

    def metrics_text(self, *, names: bool, accept: str) -> tuple[bytes, str]:
        """All metrics as text for Prometheus, and the content type of that.

        Args:
            names: with series that have names of types and holders as labels.
            accept: what the scraper asks for; for anything it is the text format 0.0.4.
        """

    def census(self, worker: WorkerName) -> Census | None:
        """The last census of a worker; None: there was none."""

    def next_census_s(self, worker: WorkerName) -> float | None:
        """Seconds until the next census of a worker, if nothing comes between; None: unknown."""

    def profiles(self, worker: WorkerName) -> Sequence[Profile]:
        """Profiles of censuses of the process that is the worker now, the newest first."""

    def snapshots(self) -> Sequence[StoredSnapshot]:
        """What is in the store, the newest first."""

    def open_snapshot(self, snapshot_id: str) -> BinaryIO:
        """The file, open for reading; it stays readable when the store deletes it.

        Raises:
            KeyError: it is gone.
        """

    async def start_snapshot(self, worker: WorkerName, actor: Actor, origin: str) -> Operation:
        """Begin to take a snapshot; it goes on when this has returned.

        Args:
            worker: one of `targets()`.
            actor: who asks, for the intent line of the audit log.
            origin: from where.

        Raises:
            SnapshotRefused: see its kinds.
            AuditUnavailable: it cannot be written down.
        """

    def operations(self) -> Sequence[Operation]:
        """Those that run, and the last ones that ended, the newest first."""

    async def cancel(self, operation_id: str, actor: Actor, origin: str) -> Operation:
        """End an operation; the target goes on, and no file is left.

        Raises:
            KeyError: there is no such operation.
            AlreadyEnded: too late.
            AuditUnavailable: it cannot be written down.
        """
