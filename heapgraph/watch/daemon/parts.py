"""What the daemon is made of, put together from the settings."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from heapgraph.errors import HeapgraphError
from heapgraph.watch.actions.incidents import Incidents
from heapgraph.watch.audit.log import NoLog, open_audit
from heapgraph.watch.daemon.budget import Spending
from heapgraph.watch.daemon.jobs import Jobs
from heapgraph.watch.daemon.memory import Remembered, remember
from heapgraph.watch.daemon.profiles import Profiles
from heapgraph.watch.daemon.responder import Responder
from heapgraph.watch.daemon.schedule import CensusSchedule
from heapgraph.watch.daemon.watcher import Watcher
from heapgraph.watch.sampling.sampler import Sampler
from heapgraph.watch.store.private_folder import (
    UNUSABLE,
    lock_file,
    open_private_folder,
    read_private_file,
)
from heapgraph.watch.store.snapshots import SnapshotStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heapgraph.watch.audit.log import Audit
    from heapgraph.watch.daemon.telling import Outbox
    from heapgraph.watch.daemon.watcher import Seen
    from heapgraph.watch.model import Census, Transition, WorkerName
    from heapgraph.watch.settings.model import AuditSpec, WatchSettings

_LOCK = "daemon.lock"
_LONGEST_PID = 20


class Recorder(Protocol):
    """Writes down what is seen, so that rules can be tried on it."""

    def write(self, seen: Seen) -> None:
        """Take in one look."""

    def write_census(self, census: Census) -> None:
        """Take in a census."""


@dataclass
class Parts:
    """All rooms of the daemon.

    Attributes:
        watcher, schedule, jobs, responder, incidents, profiles, audit: as made.
        folder: of the store and the state; None in a dry run.
        begun_with: transitions of rules that ended while no daemon ran.
        owed: what an earlier daemon took up and did not do, by the id of its message.
        problems: what an earlier daemon left and could not be used, in words.
        dry_run: nothing is counted, dumped or told.
        recorder: writes looks down, or None.
    """

    watcher: Watcher
    schedule: CensusSchedule
    jobs: Jobs
    responder: Responder
    incidents: Incidents
    profiles: Profiles | None
    audit: Audit
    folder: Path | None
    begun_with: list[Transition] = field(default_factory=list)
    owed: dict[str, Transition] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    dry_run: bool = False
    recorder: Recorder | None = None
    _lock: int = -1

    def forget(self, worker: WorkerName) -> None:
        """A process has ended."""
        self.schedule.forget(worker)
        if self.profiles is not None:
            self.profiles.forget(worker)

    def check_place(self) -> None:
        """Refuse to write where the store is not any more.

        Raises:
            OSError: its path leads elsewhere now.
        """
        if self.jobs.store is not None and not self.jobs.store.is_in_place():
            raise OSError(errno.ESTALE, "it was moved, replaced or made a link")

    def record(self, seen: Seen) -> None:
        """Write a look down, where that is asked for."""
        if self.recorder is not None:
            self.recorder.write(seen)

    def close(self) -> None:
        """Give everything back."""
        self.jobs.close()
        self.watcher.sampler.close()
        self.audit.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def make_parts(
    settings: WatchSettings,
    *,
    outbox: Outbox,
    say: Callable[[str], None],
    clock: Callable[[], float],
    dry_run: bool = False,
    recorder: Recorder | None = None,
) -> Parts:
    """Open the store and the log, and take over what an earlier daemon left.

    Args:
        settings: checked ones.
        outbox: where messages go.
        say: told what happens.
        clock: steady.
        dry_run: look and judge only; nothing is opened or written.
        recorder: writes looks down.

    Raises:
        HeapgraphError: another daemon has the folder, or it, or the audit log, cannot be used.
    """
    folder, lock, store, profiles, before = None, -1, None, None, Remembered()
    audit: Audit = NoLog()
    if not dry_run:
        folder = open_private_folder(settings.store.path)
        lock = lock_folder(folder)
        try:
            audit = open_audit(audit_spec(settings))
            store = SnapshotStore(settings.store)
            for name in store.set_aside:
                say(f"{name} is damaged; it and its snapshot are kept aside, as *{UNUSABLE}")
            for name in store.sweep():
                say(f"{name} was left by a daemon that was killed, and is removed")
            profiles = Profiles(folder)
            before = remember(folder, settings, clock())
        except BaseException:
            audit.close()
            os.close(lock)
            raise
    sampler = Sampler(settings.targets, before.slots())
    watcher = Watcher(settings, sampler, before.engine)
    spending, incidents = Spending(settings.budget), Incidents()
    jobs = Jobs(
        budget=settings.budget,
        spending=spending,
        store=store,
        profiles=profiles,
        audit=audit,
        own=sampler.own,
        clock=clock,
    )
    responder = Responder(
        watcher=watcher,
        jobs=jobs,
        incidents=incidents,
        outbox=outbox,
        say=say,
        clock=clock,
        tell_within_s=settings.tell_within_s,
    )
    if recorder is not None:
        responder.observe_census = recorder.write_census
    before.restore(clock(), spending, incidents, responder)
    if incidents.damaged:
        before.problems.append(
            f"{incidents.damaged} incidents in the state were damaged, and left out"
        )
    return Parts(
        watcher=watcher,
        schedule=CensusSchedule(settings.census_s, settings.warm_up_s),
        jobs=jobs,
        responder=responder,
        incidents=incidents,
        profiles=profiles,
        audit=audit,
        folder=folder,
        begun_with=before.transitions,
        owed=before.owed(clock()),
        problems=before.problems,
        dry_run=dry_run,
        recorder=recorder,
        _lock=lock,
    )


def audit_spec(settings: WatchSettings) -> AuditSpec:
    """Where the audit log is: what is done is written down also where nobody said where."""
    if settings.audit.path is not None:
        return settings.audit
    return replace(settings.audit, path=settings.store.path / "audit")


def lock_folder(folder: Path) -> int:
    """Keep a second daemon out of the folder, as long as this process lives.

    Returns:
        The descriptor that holds the lock.

    Raises:
        HeapgraphError: another one has it, or nothing can be written there.
    """
    path = folder / _LOCK
    try:
        descriptor = lock_file(path)
    except BlockingIOError as error:
        holder = ""
        with suppress(OSError):
            holder = read_private_file(path, _LONGEST_PID).decode(errors="replace").strip()
        raise HeapgraphError(
            f"{folder} is in use",
            f"another daemon{f', process {holder},' if holder.isdecimal() else ''} keeps its"
            " snapshots and state there",
            "end it first, or give this one another folder: [store] path",
        ) from error
    except OSError as error:
        raise HeapgraphError(
            f"{folder} cannot be written to",
            str(error.strerror),
            "make it writable, or name another folder: [store] path",
        ) from error
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
