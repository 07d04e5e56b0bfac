"""Starts a fixture program as a live target and always ends it.

A target announces that it is ready by its first line on standard output, so that no test ever
sleeps; commands and answers go over the same pipes.

    with start_target(FIXTURES / "freeze_sleep.py", "0.5") as target:
        dump(target.pid, ...)
        target.send("report")
        assert target.read_line() == "fine"
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TARGETS = Path(__file__).resolve().parents[2] / "fixtures" / "targets"
"""The folder of the fixture programs."""

ANSWER_LIMIT_S = 60.0
"""How long a line may take; far above what any fixture needs, so that only a hang reaches it."""

_STDERR_SHOWN = 4000


class RunningTarget:
    """A fixture program that has said it is ready.

    Attributes:
        process: the Popen object; `process.returncode` after it ended.
        ready: its first line.
    """

    def __init__(self, process: subprocess.Popen[bytes], errors: BinaryIO) -> None:
        """Take over a process just started; `errors` is the file its standard error goes to."""
        self.process = process
        self.ready = ""
        self._errors = errors
        self._unread = b""

    @property
    def pid(self) -> int:
        """Its process id; valid until the context manager has ended."""
        return self.process.pid

    def read_line(self, timeout_s: float = ANSWER_LIMIT_S) -> str:
        """Return the next line of its standard output, without the line end.

        Raises:
            TimeoutError: no whole line within `timeout_s`.
            EOFError: it closed its standard output; the message holds its standard error.
        """
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        limit = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            remaining = limit - time.monotonic()
            if remaining <= 0 or not can_be_read(descriptor, remaining):
                raise TimeoutError(
                    f"no line from the target in {timeout_s} s{self.standard_error()}"
                )
            chunk = os.read(descriptor, 65536)
            if not chunk:
                raise EOFError(f"the target closed its standard output{self.standard_error()}")
            self._unread += chunk
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode()

    def send(self, line: str) -> None:
        """Write one line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """End it now, whatever state it is in; no effect when it has ended."""
        self.process.kill()
        self.process.wait()

    def standard_error(self) -> str:
        """The end of what it has written to its standard error, for a message; "" when nothing."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")[-_STDERR_SHOWN:]
        return f"; its standard error:\n{text}" if text else ""


def can_be_read(descriptor: int, limit_s: float) -> bool:
    """Wait for a descriptor of any number: select() knows the first 1,024 only."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(limit_s * 1000))


@contextmanager
def start_target(
    program: Path | str,
    *args: object,
    python: str | Path = sys.executable,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    ready_limit_s: float = ANSWER_LIMIT_S,
) -> Iterator[RunningTarget]:
    """Start `python program args...`, wait for its first line, kill it at the end.

    Args:
        program: path of the fixture; a bare file name is taken from `TARGETS`.
        *args: its arguments, converted with str().
        python: the interpreter to run it with.
        env: variables added to the environment of the test.
        cwd: the folder it runs in, where the kernel puts its core files; default: the test's.
        ready_limit_s: how long its first line may take; more for one that imports very much.

    Yields:
        The target, its first line in `.ready`.
    """
    path = Path(program)
    if path.parent == Path():
        path = TARGETS / path
    command = [str(python), str(path), *map(str, args)]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        ) as process,
    ):
        target = RunningTarget(process, errors)
        try:
            target.ready = target.read_line(ready_limit_s)
            yield target
        finally:
            target.kill()
