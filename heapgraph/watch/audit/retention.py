"""How long the log is kept: the oldest files go, after a line that says what was cut off.

What is too old is told by the clock of the machine, which may be wrong for a while and then jump.
So nothing is deleted in the first hour, nor in an hour in which the clock was set.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from heapgraph.watch.audit.files import FileName, names_in
from heapgraph.watch.audit.tail import last_line

if TYPE_CHECKING:
    from collections.abc import Callable

TRUST_AFTER_S = 3600.0
"""The clock has to run evenly for so long before it is believed."""

_SET_S = 60.0
"""Time of day and steady clock differ by more: it was set."""


class Cut(NamedTuple):
    """What is to be deleted.

    Attributes:
        names: of files, the oldest first.
        detail: of the line that says so: the number of files, first and last line, and the hash
            of the last, with which the line after it can be checked.
    """

    names: tuple[str, ...]
    detail: dict[str, Any]

    def delete(self, folder: int) -> None:
        """Delete the files; one that is gone already is no failure."""
        for name in self.names:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        os.fsync(folder)


class Retention:
    """Decides what is too old.

    Args:
        keep_s: seconds after its last line that a file is kept.
        clock: time of day, seconds since 1970.
        steady: clock that no change of the time of day moves.
    """

    def __init__(
        self, keep_s: float, clock: Callable[[], float], steady: Callable[[], float]
    ) -> None:
        """Begin to watch the clock."""
        self._keep_s = keep_s
        self._clock, self._steady = clock, steady
        self._since = (clock(), steady())

    def due(self, folder: int, current: FileName | None) -> Cut | None:
        """What is to be deleted now: looked at once an hour.

        Args:
            folder: of the log.
            current: the file that is appended to, which stays.
        """
        now, steady = self._clock(), self._steady()
        elapsed, counted = now - self._since[0], steady - self._since[1]
        if abs(elapsed - counted) > _SET_S:
            self._since = (now, steady)
            return None
        if counted < TRUST_AFTER_S:
            return None
        self._since = (now, steady)
        return _too_old(folder, current, now - self._keep_s)


def _too_old(folder: int, current: FileName | None, before: float) -> Cut | None:
    """The oldest files, as far as all their lines are older than a time."""
    names: list[str] = []
    without_lines: list[str] = []  # they go with what is before and after them
    first, last, last_hash = 0, 0, ""
    for name in names_in(folder):
        if name == current:
            break
        end = last_line(folder, name)
        if end is None:
            without_lines.append(name.name)
            continue
        seq, line_hash, at = end
        if at >= before:
            break
        first, last, last_hash = first or name.first_seq, seq, line_hash
        names += [*without_lines, name.name]
        without_lines = []
    if not last:
        return None
    detail = {"files": len(names), "first_seq": first, "last_seq": last, "last_hash": last_hash}
    return Cut(tuple(names), detail)
