"""Shows a recording to the rules, by its own clock: what they would have done.

It is the same state machine as in the daemon. A look is made of the samples that lie within half
an interval of its first one, at most one of each worker, as the daemon takes them.
"""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from heapgraph.errors import UsageError
from heapgraph.safe_text import begun, printable
from heapgraph.watch.model import Census, Event, Sample, Worker
from heapgraph.watch.rules.engine import RuleEngine
from heapgraph.watch.rules.recording import MOST_LINE_BYTES, line_of, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heapgraph.watch.model import Transition, WorkerName
    from heapgraph.watch.rules.recording import Record
    from heapgraph.watch.settings.model import WatchSettings

__all__ = ["Recording", "Replay", "line_of"]

_BACK_S = 60.0
"""By which a line may be earlier than one before it: a census is written when it is done."""


@dataclass
class Recording:
    """A file of records, read one after another in constant memory.

    Attributes:
        path: of the file.
        is_cut: whether the last line had no end, so that it was left out: the daemon was killed
            while it wrote.
    """

    path: Path
    is_cut: bool = False

    def records(self) -> Iterator[Record]:
        """All records, in the order of the file.

        Raises:
            UsageError: it cannot be read, or a line is none of a recording; with its number.
        """
        latest = float("-inf")
        with self._opened() as stream:
            number = 0
            while line := stream.readline(MOST_LINE_BYTES + 1):
                number += 1
                if len(line) > MOST_LINE_BYTES:
                    raise self._refusal(number, f"it has more than {MOST_LINE_BYTES} bytes")
                if not line.endswith(b"\n"):
                    self.is_cut = True
                    return
                try:
                    record = record_of(line.decode("utf-8"))
                except ValueError as error:  # of JSON and of UTF-8 too
                    raise self._refusal(number, str(error)) from error
                at = _moment(record)
                if at < latest - _BACK_S:
                    reason = "its clock goes back: the machine was started again in between"
                    raise self._refusal(number, reason)
                latest = max(latest, at)
                yield record

    def _opened(self) -> IO[bytes]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"the recording {self.path} cannot be read: {reason}",
                "the path is wrong, or this user may not read it",
                "record one: heapgraph watch --record FILE",
            ) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UsageError(
                f"the recording {self.path} is no regular file",
                "a folder, a pipe or a device has that path",
                "name the file",
            )
        return os.fdopen(descriptor, "rb")

    def _refusal(self, number: int, reason: str) -> UsageError:
        return UsageError(
            f"line {number} of {self.path} is none of a recording",
            begun(printable(reason), 300),
            f"see the line: sed -n {number}p {shlex.quote(str(self.path))}",
        )


@dataclass
class Replay:
    """What was shown to the rules so far.

    Attributes:
        settings: with the rules.
        samples, events, censuses, processes: counted.
        first_at, last_at: moments of the recording; None before the first record.
        unknown_targets: targets of the recording that the settings do not have.
    """

    settings: WatchSettings
    samples: int = 0
    events: int = 0
    censuses: int = 0
    processes: int = 0
    first_at: float | None = None
    last_at: float | None = None
    unknown_targets: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin with rules that have seen nothing."""
        self.engine = RuleEngine(self.settings)
        self._targets = {one.name for one in self.settings.targets}
        self._look: list[Sample] = []
        self._looked_at: set[WorkerName] = set()

    def transitions(self, records: Iterator[Record]) -> Iterator[Transition]:
        """What the rules say of the records, as they go by.

        Cost: constant memory; 20 us for each sample and ten rules.
        """
        for record in records:
            name = record.name if isinstance(record, Worker) else record.worker
            if name.target not in self._targets:
                self.unknown_targets.add(name.target)
            at = _moment(record)
            self.first_at = at if self.first_at is None else self.first_at
            self.last_at = at if self.last_at is None else max(at, self.last_at)
            if self._look and at - self._look[0].taken_at > self.settings.interval_s / 2:
                yield from self._finish_look()
            yield from self._show(record)
        yield from self._finish_look()

    def _show(self, record: Record) -> list[Transition]:
        if isinstance(record, Sample):
            self.samples += 1
            found = self._finish_look() if record.worker in self._looked_at else []
            self._look.append(record)
            self._looked_at.add(record.worker)
            return found
        if isinstance(record, Event):
            self.events += 1
            return self.engine.event(record)
        if isinstance(record, Census):
            self.censuses += 1
            return self.engine.census(record)
        self.processes += 1
        return self.engine.begin(record)

    def _finish_look(self) -> list[Transition]:
        samples, self._look = self._look, []
        self._looked_at.clear()
        if not samples:
            return []
        return self.engine.look(max(one.taken_at for one in samples), samples)


def _moment(record: Record) -> float:
    if isinstance(record, Worker):
        return record.seen_at
    return record.at if isinstance(record, Event) else record.taken_at
