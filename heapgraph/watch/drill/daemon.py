"""A real daemon as a child of a drill: what it says, how it ends, what it has written."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from heapgraph.watch.drill.findings import LIMIT_S, NotAsExpectedError, wait_until
from heapgraph.watch.drill.processes import command_line, descendants_of, status_number
from heapgraph.watch.tied import tied

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = 8


class DrillDaemon:
    """`heapgraph watch` with settings of a drill; it ends with the drill, however that ends.

    Args:
        config: the settings.
        options: of the command line.
        record: the file where it writes its looks down; None: nowhere.
    """

    def __init__(self, config: Path, *options: str, record: Path | None = None) -> None:
        """Start it; `wait_ready` tells when it watches."""
        self.record = record
        command = [sys.executable, "-P", "-m", "heapgraph", "watch", "--config", str(config)]
        if record is not None:
            command += ["--record", str(record)]
        self.process = subprocess.Popen(
            tied([*command, *options], signal.SIGKILL),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    @property
    def rss_bytes(self) -> int:
        """Its resident memory."""
        return status_number(self.pid, "VmRSS") * 1024

    def wait_ready(self) -> None:
        """Wait until it watches.

        Raises:
            NotAsExpectedError: it does not.
        """
        self.wait_for(" ready")

    def wait_for(self, text: str, limit_s: float = LIMIT_S) -> str:
        """The first line that has a text, as soon as it is said.

        Raises:
            NotAsExpectedError: it did not say that in time.
        """
        deadline = time.monotonic() + limit_s
        while True:
            has_ended = self.process.poll() is not None and not self._reader.is_alive()
            if said := self.said(text):
                return said[0]
            if has_ended or time.monotonic() > deadline:
                last = " | ".join(self.lines[-_SHOWN:])
                raise NotAsExpectedError(f"not so: the daemon says {text!r}; it said: {last}")
            self._reader.join(0.01)

    def said(self, text: str) -> list[str]:
        """Its lines that have a text."""
        return [line for line in list(self.lines) if text in line]

    def job(self, word: str) -> int:
        """The pid of a child that does a job, by a word of its command line; 0: there is none."""
        for pid in descendants_of(self.pid):
            if any(part.rpartition("/")[2] == word for part in command_line(pid)):
                return pid
        return 0

    def kill(self) -> list[int]:
        """End it as a fault; the pids of what it had started."""
        started = descendants_of(self.pid)
        self.process.kill()
        self._wait()
        return started

    def end(self) -> int:
        """Tell it to end; its exit code."""
        self.process.terminate()
        return self._wait()

    def close(self) -> None:
        """End it where it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._wait()

    def looks(self, since: float = 0.0) -> list[float]:
        """Moments (steady clock) of its looks at a target, as it wrote them down."""
        assert self.record is not None  # noqa: S101
        found: dict[float, None] = {}
        for line in self.record.read_text().splitlines():
            row: dict[str, Any] = json.loads(line)
            if "values" in row and row["at"] >= since:
                found[row["at"]] = None
        return list(found)

    def wait_looks(self, count: int) -> None:
        """Wait for so many looks from now on.

        Raises:
            NotAsExpectedError: they did not come.
        """
        since = time.monotonic()
        wait_until(lambda: len(self.looks(since)) >= count, f"{count} looks")

    def _wait(self) -> int:
        code = self.process.wait(LIMIT_S)
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
