"""Lines onto the disk, one after another, each with the hash of the one before.

Whatever fails, the next attempt looks at the disk first: what is there is the truth. Bytes that are
no whole line stay where they are; the chain goes on in a new file, whose first line says so.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from heapgraph.private_folder import FolderRefused, open_private
from heapgraph.watch.audit import files
from heapgraph.watch.audit.failures import AuditLocked, AuditUnavailable
from heapgraph.watch.audit.record import DAEMON, Entry, day_of, hash_of, line_of
from heapgraph.watch.audit.retention import Retention
from heapgraph.watch.audit.tail import read_tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heapgraph.watch.audit.tail import Tail


class Chain:
    """The end of the chain, and the file that is appended to. Not safe for several threads.

    Args:
        path: the folder.
        keep_s: seconds after which a file is deleted.
        clock: time of day, seconds since 1970.
        steady: clock that no change of the time of day moves.
    """

    def __init__(
        self,
        path: Path,
        keep_s: float,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        """Open nothing yet: the first line does."""
        self._path = path
        self._clock = clock
        self._retention = Retention(keep_s, clock, steady)
        self._folder = self._file = -1
        self._name: files.FileName | None = None
        self._size = 0
        self._seq: int | None = None  # None: the disk was not looked at yet
        self._hash = self._tried = ""
        self._trouble = ""
        self._failed = 0

    @property
    def is_open(self) -> bool:
        """Whether a line was written since it was opened or closed."""
        return self._file >= 0

    def append(self, entry: Entry) -> int:
        """Write a line and wait for the disk; see `Audit.write`."""
        try:
            self._check_file()
            if self._file < 0:
                self._take_up()
            self._rotate()
            self._check_room(entry)
            return self._write(entry)
        except OSError as failure:
            self._give_up(failure.strerror or type(failure).__name__)
            raise AuditUnavailable(
                f"the audit log {self._path} cannot be written: {failure.strerror}",
                "what cannot be written down is not done",
                "make room there, or set required = false in [audit]",
            ) from failure

    def close(self) -> None:
        """Let others write to it."""
        self._leave_file()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _take_up(self) -> None:
        """Find the end of the chain on the disk, and go on from there."""
        if self._folder < 0:
            self._folder = _locked(self._path)
        tail = read_tail(self._folder)
        if self._seq is None or (tail.seq == self._seq + 1 and tail.hash == self._tried):
            self._seq, self._hash = tail.seq, tail.hash
        elif (tail.seq, tail.hash) != (self._seq, self._hash):
            # Somebody has cut it off or written to it: a gap that shows is better than one closed.
            self._trouble = f"{self._trouble}; the log was changed by somebody else".lstrip("; ")
            self._start_file()
        if self._file < 0 and tail.file is not None and not tail.torn:
            self._file = files.open_to_append(self._folder, tail.file.name)
            self._name, self._size = tail.file, tail.size
        if self._file < 0:
            self._start_file()
        self._explain(tail)

    def _explain(self, tail: Tail) -> None:
        """Write down why the log does not simply go on."""
        for torn in tail.torn:
            detail = {"file": torn.file, "bytes": torn.size, "sha256": torn.sha256}
            self._write(Entry("audit.torn", DAEMON, detail=detail))
        if self._trouble:
            lost = {"error": self._trouble, "not_written": self._failed}
            self._write(Entry("audit.resumed", DAEMON, detail=lost))
        self._trouble, self._failed = "", 0

    def _rotate(self) -> None:
        """Begin a new file with a new day; delete what is too old, after a line that says so."""
        if self._name is not None and self._size and self._name.day != day_of(self._clock()):
            self._leave_file()
            self._start_file()
        if cut := self._retention.due(self._folder, self._name):
            self._write(Entry("audit.cut", DAEMON, detail=cut.detail))
            cut.delete(self._folder)

    def _check_file(self) -> None:
        """Leave a file that is not as it was left: moved away, truncated, written to."""
        if self._file < 0 or self._name is None:
            return
        try:
            about = os.stat(self._name.name, dir_fd=self._folder, follow_symlinks=False)
            own = os.fstat(self._file)
            is_same = (about.st_dev, about.st_ino) == (own.st_dev, own.st_ino)
        except FileNotFoundError:
            is_same = False
        if not is_same or about.st_size != self._size:
            self._leave_file()
            self._trouble = f"{self._name.name} was changed by somebody else"

    def _check_room(self, entry: Entry) -> None:
        """Nothing new is begun on a full disk; the outcome of what was begun may take the rest."""
        if not files.keep_free(self._file, self._size) and entry.outcome in ("", "intent"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _write(self, entry: Entry) -> int:
        """Write a line to the file that is open."""
        seq = (self._seq or 0) + 1
        try:
            line = line_of(entry, seq, self._hash, self._clock())
        except (ValueError, TypeError) as failure:
            raise AuditUnavailable(
                f"{entry.event} cannot be written to the audit log: {failure}",
                "what cannot be written down is not done",
                "a defect in heapgraph: please report it",
            ) from failure
        self._tried = hash_of(line)
        if os.write(self._file, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._file)
        self._seq, self._hash = seq, self._tried
        self._size += len(line)
        return seq

    def _start_file(self) -> None:
        day = day_of(self._clock())
        self._file, self._name = files.create(self._folder, (self._seq or 0) + 1, day)
        self._size = 0
        if not files.keep_free(self._file, 0):  # or each attempt would leave a torn file
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _leave_file(self) -> None:
        if self._file >= 0:
            files.give_back(self._file)
            os.close(self._file)
            self._file = -1

    def _give_up(self, why: str) -> None:
        """After a failure nobody knows what is on the disk: look before the next line."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._trouble, self._failed = why, self._failed + 1


def _locked(path: Path) -> int:
    """A descriptor of the folder; nobody else has its lock."""
    try:
        folder = open_private(path, create=True)
    except FolderRefused as failure:
        raise AuditUnavailable(
            f"the audit log {path} is not private: {failure}",
            "somebody else could change what is written there",
            "name a folder of this user's own in [audit]",
        ) from failure
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failure:
        os.close(folder)
        raise AuditLocked(
            f"another process writes to the audit log {path}",
            "a second heapgraph watch on this host has the same settings",
            f"see who: fuser {path}",
        ) from failure
    return folder
