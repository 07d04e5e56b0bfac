"""The lines of the daemon: what happens on stdout, the daemon about itself on stderr."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Self

from heapgraph.cli.output import print_at_once
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

MOST_WAITING = 1000
"""Lines that wait for a reader; of more the newest are dropped, and counted."""

END_S = 2.0
"""How long the end of the daemon waits for its last lines."""


class DaemonLines:
    """Prints lines with the time of day; whoever reads them, or does not, holds nothing up.

    Lines are written by a thread of each stream. A full disk, or a pipe whose reader has ended,
    loses lines, and so does a reader that stops to read, once `MOST_WAITING` wait. That is said
    once on the other stream, and again only after lines could be written in between; where lines
    were dropped, a line says how many.
    """

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._stdout = _Writer(is_stderr=False, tell=self.note)
        self._stderr = _Writer(is_stderr=True, tell=self.say)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write what waits, as far as somebody reads it within `END_S`."""
        limit = time.monotonic() + END_S
        for one in (self._stdout, self._stderr):
            one.end(limit)

    def say(self, text: str) -> None:
        """One line of what happens: a log reads it."""
        self._stdout.put(_timed(text))

    def note(self, text: str) -> None:
        """One line of the daemon about itself."""
        self._stderr.put(_timed(text))


def _timed(text: str) -> str:
    return f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}"


class _Writer:
    """Writes to one stream, in a thread of its own.

    Args:
        is_stderr: which stream.
        tell: says on the other one that something is lost.
    """

    def __init__(self, *, is_stderr: bool, tell: Callable[[str], None]) -> None:
        self._is_stderr = is_stderr
        self._name = "stderr" if is_stderr else "stdout"
        self._tell = tell
        self._lines: deque[str] = deque()
        self._change = threading.Condition()
        self._dropped = 0
        self._has_failed = self._is_ended = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Have a line written; it is dropped where too many wait."""
        with self._change:
            if self._is_ended:
                return
            is_full = len(self._lines) >= MOST_WAITING
            if is_full:
                self._dropped += 1
            else:
                self._note_dropped()
                self._lines.append(line)
            is_first = is_full and self._dropped == 1
            self._change.notify()
        if is_first:
            self._tell(f"nobody reads {self._name}: lines are dropped; the daemon goes on")

    def end(self, limit: float) -> None:
        """Write what waits, until a moment of the steady clock."""
        with self._change:
            self._note_dropped()
            self._is_ended = True
            self._change.notify()
        self._thread.join(max(0.0, limit - time.monotonic()))

    def _note_dropped(self) -> None:
        """Put a line where others would have been."""
        if self._dropped:
            count = (
                "1 line was" if self._dropped == 1 else f"{format_count(self._dropped)} lines were"
            )
            self._lines.append(_timed(f"{count} dropped here: nobody read them"))
            self._dropped = 0

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._lines and not self._is_ended:
                    self._change.wait()
                if not self._lines:
                    return
                line = self._lines.popleft()
            failure = print_at_once(line, to_stderr=self._is_stderr)
            is_news = failure is not None and not self._has_failed
            self._has_failed = failure is not None
            if failure is not None and is_news:
                why = failure.strerror or type(failure).__name__
                self._tell(
                    f"{self._name} cannot be written to ({why}); the daemon goes on without it"
                )
