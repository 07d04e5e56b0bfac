"""Writes down what the daemon sees, so that rules can be tried on it: `heapgraph rules test`."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from heapgraph.errors import OutputNotWritten
from heapgraph.private_folder import is_own_file
from heapgraph.units import format_size
from heapgraph.watch.rules.recording import line_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heapgraph.watch.daemon.watcher import Seen
    from heapgraph.watch.model import Census
    from heapgraph.watch.rules.recording import Record

MAX_BYTES = 4 * 2**30
"""A record ends there: 100 workers at 5 s write 40 MB an hour."""


class FileRecorder:
    """Appends to a file of one's own.

    Args:
        path: made, 0600; one of ours is gone on with, as a service that is started again needs it.
        say: told once that the record ends, for its size or because it cannot be written.

    Raises:
        OutputNotWritten: it is another user's, no regular file, or cannot be made.
    """

    def __init__(self, path: Path, say: Callable[[str], None] = lambda _text: None) -> None:
        """Open it."""
        self._path, self._say = path, say
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutputNotWritten(
                f"{path} cannot be written", str(error.strerror), "name another file"
            ) from error
        if not is_own_file(descriptor):
            os.close(descriptor)
            raise OutputNotWritten(
                f"{path} is not written to",
                "it is no regular file, another user's, or others can write to it",
                "name another file",
            )
        self._written = os.fstat(descriptor).st_size
        self._descriptor: int | None = descriptor

    def write(self, seen: Seen) -> None:
        """Take in one look."""
        # As the rules were shown them: an end frees the name for the one that comes.
        records: list[Record] = [*seen.events, *seen.came, *seen.samples]
        self._append("".join(map(line_of, records)))

    def write_census(self, census: Census) -> None:
        """Take in a census."""
        self._append(line_of(census))

    def _append(self, text: str) -> None:
        """Add whole lines, or end the record: what it was is still good for `rules test`."""
        if self._descriptor is None:
            return
        if self._written + len(text) > MAX_BYTES:
            self._end(f"it has {format_size(self._written)}")
            return
        content = text.encode("ascii")
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._written)
            self._end(str(error.strerror))
            return
        self._written += len(text)

    def _end(self, why: str) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._say(f"{self._path} is not written on: {why}")
