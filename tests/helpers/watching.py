"""Runs `heapgraph watch` as a program: waits for its readiness, ends it, keeps what it says."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT_S = 60.0


class RunningDaemon:
    """A daemon that has said it is ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Begin to read what it says."""
        self.process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()

    def wait_for(self, text: str, limit_s: float = LIMIT_S) -> str:
        """The first line that holds a text, as soon as it is said."""
        deadline = time.monotonic() + limit_s
        with self._changed:
            while True:
                for line in self.lines:
                    if text in line:
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    said = "\n".join(self.lines[-30:])
                    raise TimeoutError(f"the daemon did not say {text!r}; it said:\n{said}")
                self._changed.wait(min(left, 0.5))

    def close(self) -> None:
        """Read to the end of what it has said."""
        self._reader.join(LIMIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def end(self) -> int:
        """Tell it to end, and wait."""
        self.process.terminate()
        code = self.process.wait(LIMIT_S)
        self._reader.join()
        return code


@contextmanager
def running_daemon(config: Path, *options: str) -> Iterator[RunningDaemon]:
    """Start a daemon; it has ended when the block ends."""
    command = [sys.executable, "-P", "-m", "heapgraph", "watch", "--config", str(config), *options]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    daemon = RunningDaemon(process)
    try:
        daemon.wait_for(" ready")
        yield daemon
    finally:
        process.kill()
        process.wait()
        daemon.close()
