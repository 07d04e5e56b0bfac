"""Everything heapgraph can fail with, and the exit code of each.

    HeapgraphError                      1
    ├── UsageError                      2
    │   └── SettingsUnusable                a settings file of the daemon that makes no sense
    ├── TargetError                     3   the target cannot be dumped
    │   ├── TargetNotFound                  no such process
    │   ├── TargetPermissionDenied          the kernel refuses ptrace
    │   ├── TargetAlreadyTraced             a debugger holds it
    │   ├── NotAPythonProcess               no CPython runtime inside
    │   ├── UnsupportedPython               a version or build without a layout table
    │   ├── CoreFileUnusable                no core file, one cut short, or its program is not here
    │   ├── CaptureInterrupted              the target went away, or a limit was hit
    │   │   └── MemoryRanShort              a clone was ended before the target's memory ran out
    │   └── SnapshotWriteFailed             disk full, output exists, no such folder
    ├── SnapshotFormatError             4   damaged, cut short, or of another format version
    ├── ObjectNotFound                  2   an OBJECT that names nothing, or more than one thing
    ├── OutputNotWritten                1   a picture or an export: disk full, it exists, no folder
    └── GateFailed                      1   a promised number is not reached

An error has three short parts: what failed (with the value), the likely cause, what to type next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class HeapgraphError(Exception):
    """What failed, why it probably did, and what to do next.

    Args:
        what: what failed, with the value in it, e.g. "no process with pid 4711".
        cause: the likely cause in one sentence.
        hint: the next thing to type or to change.
    """

    exit_code = 1

    def __init__(self, what: str, cause: str = "", hint: str = "") -> None:
        """Keep the three parts apart; str() is the first."""
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.hint = hint

    def parts(self) -> list[str]:
        """The parts that are not empty, in the order they are shown."""
        return [part for part in (self.what, self.cause, self.hint) if part]


class UsageError(HeapgraphError):
    """The command line or a parameter makes no sense."""

    exit_code = 2


class SettingsUnusable(UsageError):
    """A settings file of the daemon that cannot be read, or that makes no sense somewhere.

    Args:
        what, cause, hint: as in HeapgraphError.
        problems: all that is wrong in it, each with its place, in the order of the file.
    """

    def __init__(
        self, what: str, cause: str = "", hint: str = "", *, problems: tuple[str, ...] = ()
    ) -> None:
        """Keep the problems for programs that want them one by one."""
        super().__init__(what, cause, hint)
        self.problems = problems


class TargetError(HeapgraphError):
    """The target cannot be dumped; it goes on as before."""

    exit_code = 3


class TargetNotFound(TargetError):
    """No such process, or it ended before anything was done to it."""


class TargetPermissionDenied(TargetError):
    """The kernel does not let this user trace the target."""


class TargetAlreadyTraced(TargetError):
    """Another tracer (gdb, strace, another heapgraph) holds the target."""


class NotAPythonProcess(TargetError):
    """No CPython runtime was found in the target."""


class UnsupportedPython(TargetError):
    """A CPython version or build for which there is no layout table."""


class CoreFileUnusable(TargetError):
    """No core file, one that is cut short or damaged, or one whose program is not here."""


class CaptureInterrupted(TargetError):
    """The capture began and could not be completed."""


class MemoryRanShort(CaptureInterrupted):
    """The frozen clone was ended, because the memory of the target's groups was running out."""


class SnapshotWriteFailed(TargetError):
    """The snapshot could not be written; no file has the final name."""


class SnapshotFormatError(HeapgraphError):
    """The file is not a whole snapshot of a format this version reads.

    Args:
        what, cause, hint: as in HeapgraphError.
        member: the damaged member of the file, "" when it is the file itself.
    """

    exit_code = 4

    def __init__(self, what: str, cause: str = "", hint: str = "", *, member: str = "") -> None:
        """Keep the member's name for programs that want it."""
        super().__init__(what, cause, hint)
        self.member = member


class ObjectNotFound(HeapgraphError):
    """An OBJECT that names nothing in this snapshot, or more than one thing."""

    exit_code = 2


class OutputNotWritten(HeapgraphError):
    """A picture or an export could not be written; no file has the final name."""

    exit_code = 1


class GateFailed(HeapgraphError):
    """A limit that was asked for, or promised, is not held."""

    exit_code = 1


def failures_of(reads: Iterable[Callable[[], object]]) -> list[HeapgraphError]:
    """Try all of them; what those said that failed.

    Args:
        reads: each may raise a HeapgraphError.
    """
    failures = []
    for read in reads:
        try:
            read()
        except HeapgraphError as error:
            failures.append(error)
    return failures
