"""The log that the daemon writes: nothing is done that is not written down before."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from heapgraph.watch.audit.chain import Chain
from heapgraph.watch.audit.failures import AuditLocked, AuditUnavailable
from heapgraph.watch.audit.record import DAEMON, Actor, Entry, Reason, TargetRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from heapgraph.watch.settings.model import AuditSpec


class Audit(Protocol):
    """What the rooms of the daemon write to. Safe to call from several threads at once."""

    def write(self, entry: Entry) -> int:
        """Write a line, and return its number when it is on the disk.

        Raises:
            AuditUnavailable: it is not, or nobody can tell. Do not do what it says.

        Cost: an fsync; milliseconds on a disk that has other work.
        """

    def begin(self, entry: Entry) -> Act:
        """Write that something is about to be done.

        Raises:
            AuditUnavailable: it could not be written down. Do not do it.
        """

    def close(self) -> None:
        """Write that the log was closed, and let others write to it."""


class Act:
    """Something that was begun: an intent line is written, one with the outcome has to follow.

    As a context manager it writes "done" at the end of the block, or "failed" with the kind of the
    exception, where nothing else was written.
    """

    def __init__(self, log: Audit, entry: Entry) -> None:
        """Write the intent."""
        self._log = log
        self._entry = entry
        self._open = True
        self.seq = log.write(_with(entry, "intent", {}))

    def end(
        self,
        outcome: str = "done",
        detail: Mapping[str, Any] | None = None,
        *,
        target: TargetRef | None = None,
    ) -> int:
        """Write what came of it, once.

        Args:
            outcome: "done", "failed", "refused", "cancelled".
            detail: what is known now.
            target: to whom, where that is known only now.

        Raises:
            AuditUnavailable: it could not be written down. What was done stays begun in the log.
        """
        self._open = False
        whole = {**(self._entry.detail or {}), **(detail or {}), "intent": self.seq}
        entry = self._entry
        if target is not None:
            entry = Entry(entry.event, entry.actor, entry.origin, target, entry.reason)
        return self._log.write(_with(entry, outcome, whole))

    def __enter__(self) -> Self:
        """The act itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the outcome, if nobody did."""
        if not self._open:
            return
        if kind is None:
            self.end("done")
        else:  # the text of an exception may hold values of the target
            self.end("failed", {"error": kind.__name__})


class AuditLog:
    """The log in a folder.

    Args:
        path: the folder; made if it is missing, 0700.
        keep_s: seconds after which a file is deleted.
        required: raise when a line cannot be written; else count it in `not_written`.
        clock: time of day, seconds since 1970.
        steady: clock that no change of the time of day moves.

    Attributes:
        not_written: lines that could not be written since the log was opened.
    """

    def __init__(
        self,
        path: Path,
        keep_s: float = 180 * 86400.0,
        *,
        required: bool = True,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open it, and write that it was.

        Raises:
            AuditLocked: another process writes to it.
            AuditUnavailable: it cannot be written to, and is required.
        """
        self.required = required
        self.not_written = 0
        self._lock = threading.Lock()
        self._chain = Chain(path, keep_s, clock, steady)
        try:
            self.write(_opened())
        except BaseException:
            self._chain.close()
            raise

    def write(self, entry: Entry) -> int:
        """See `Audit.write`; 0 for a line that could not be written and is not required."""
        with self._lock:
            try:
                return self._chain.append(entry)
            except AuditLocked:
                raise
            except AuditUnavailable:
                self.not_written += 1
                if self.required:
                    raise
                return 0

    def begin(self, entry: Entry) -> Act:
        """See `Audit.begin`."""
        return Act(self, entry)

    def close(self) -> None:
        """See `Audit.close`. What cannot be written any more is not a failure."""
        with self._lock:
            if self._chain.is_open:
                try:
                    self._chain.append(Entry("audit.closed", DAEMON))
                except AuditUnavailable:
                    self.not_written += 1
            self._chain.close()


class NoLog:
    """In the place of a log where the settings have none."""

    not_written = 0

    def write(self, entry: Entry) -> int:
        """Write nothing."""
        del entry
        return 0

    def begin(self, entry: Entry) -> Act:
        """Write nothing."""
        return Act(self, entry)

    def close(self) -> None:
        """Do nothing."""


def open_audit(spec: AuditSpec) -> AuditLog | NoLog:
    """The log that the settings ask for.

    Raises:
        AuditLocked: another process writes to it.
        AuditUnavailable: it cannot be written to, and is required.
    """
    if spec.path is None:
        return NoLog()
    return AuditLog(spec.path, spec.keep_s, required=spec.required)


def _opened() -> Entry:
    from heapgraph import __version__  # noqa: PLC0415 - it is read from the package's metadata

    about = {"pid": os.getpid(), "uid": os.geteuid(), "version": __version__}
    return Entry("audit.opened", DAEMON, detail={**about, "host": socket.gethostname()})


def _with(entry: Entry, outcome: str, detail: Mapping[str, Any]) -> Entry:
    """The same with an outcome."""
    kept = detail or entry.detail
    return Entry(entry.event, entry.actor, entry.origin, entry.target, entry.reason, outcome, kept)


__all__ = [
    "DAEMON",
    "Act",
    "Actor",
    "Audit",
    "AuditLocked",
    "AuditLog",
    "AuditUnavailable",
    "Entry",
    "NoLog",
    "Reason",
    "TargetRef",
    "open_audit",
]
