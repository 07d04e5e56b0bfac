"""Places of workers: a process that follows one that ended takes its place."""

from __future__ import annotations


class Slots:
    """The places of one target, numbered from 0.

    A prefork server replaces its workers all the time. Graphs, rules and alerts speak of the
    place, which stays; a new process takes the lowest place that is free.
    """

    def __init__(self, taken: dict[int, int] | None = None) -> None:
        """Take over places: pids by slot."""
        self._pids: dict[int, int] = dict(taken or {})

    def take(self, pid: int) -> int:
        """The place of a process, a free one where it has none yet."""
        for slot, holder in self._pids.items():
            if holder == pid:
                return slot
        slot = next(number for number in range(len(self._pids) + 1) if number not in self._pids)
        self._pids[slot] = pid
        return slot

    def free(self, slot: int) -> None:
        """A process has ended."""
        self._pids.pop(slot, None)
