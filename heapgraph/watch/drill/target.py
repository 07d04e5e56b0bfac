"""A little process that is watched in a drill, and how it is: that it is unharmed is measured."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.process.child_processes import children_of
from heapgraph.watch.drill.findings import NotAsExpectedError, wait_until
from heapgraph.watch.drill.processes import (
    descriptors_of,
    state_of,
    status_number,
)

if TYPE_CHECKING:
    from heapgraph.watch.drill.findings import Findings

_PROGRAM = Path(__file__).with_name("target_program.py")
_LIMIT_S = 30.0
_RUNS = ("R", "S", "D")


@dataclass(frozen=True)
class _Looks:
    """How a process looks from outside."""

    threads: int
    descriptors: dict[str, str]
    children: list[int]


class DrillTarget:
    """A process that beats.

    Args:
        marker: a text in its command line, by which it is found.
    """

    def __init__(self, marker: str) -> None:
        """Start it, and wait until it runs."""
        self.marker = marker
        command = [sys.executable, "-I", "-S", str(_PROGRAM), marker]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._unread = b""
        self._ended = False
        self.widest_ms = 0.0
        if self._line() != "ready":
            raise NotAsExpectedError("the target did not start")
        self._before = self._looks()
        self._beats = 0

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    @property
    def rss_bytes(self) -> int:
        """Its resident memory."""
        return status_number(self.pid, "VmRSS") * 1024

    def ask(self, line: str) -> str:
        """Have it do something.

        Raises:
            NotAsExpectedError: it does not answer.
        """
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write(line.encode() + b"\n")
        return self._line()

    def beats(self) -> int:
        """Its beats so far."""
        count, widest = self.ask("beats").split()
        self.widest_ms = max(self.widest_ms, float(widest))
        return int(count)

    def forget_gaps(self) -> None:
        """What follows is measured anew: what was before was the drill's own doing."""
        self._beats = self.beats()
        self.widest_ms = 0.0

    def has_crew(self) -> None:
        """Its children are part of how it looks from now on."""
        self._before = self._looks()

    def check_unharmed(self, findings: Findings) -> None:
        """It runs, nobody traces it, it is as it was, and ends when told to.

        Raises:
            NotAsExpectedError: one of these is not so.
        """
        if self._ended:
            return
        wait_until(lambda: state_of(self.pid) in _RUNS, "the target runs or sleeps", 5)
        first = self.beats()
        wait_until(lambda: self.beats() > first, "the target's heart beats", 5)
        if tracer := status_number(self.pid, "TracerPid"):
            raise NotAsExpectedError(f"not so: nobody traces the target; process {tracer} does")
        after = self._looks()
        if after != self._before:
            raise NotAsExpectedError(f"the target was {self._before}, and is {after}")
        beats, code = self.beats(), self.end()
        if code != 0:
            raise NotAsExpectedError(f"the target ended with {code} when told to end, not with 0")
        findings.saw(
            f"target unharmed: {beats} beats, longest gap {self.widest_ms:.0f} ms, no tracer,"
            " descriptors and children as before, exit code 0"
        )

    def end(self) -> int:
        """Tell it to end; its exit code."""
        self._ended = True
        if self.process.poll() is None:
            self.ask("end")
        return self._wait()

    def kill(self) -> None:
        """End it now, as a fault."""
        self._ended = True
        self.process.kill()
        self._wait()

    def _wait(self) -> int:
        code = self.process.wait(_LIMIT_S)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None  # noqa: S101
            pipe.close()
        return code

    def _looks(self) -> _Looks:
        return _Looks(
            status_number(self.pid, "Threads"), descriptors_of(self.pid), children_of(self.pid)
        )

    def _line(self) -> str:
        assert self.process.stdout is not None  # noqa: S101
        descriptor, deadline = self.process.stdout.fileno(), time.monotonic() + _LIMIT_S
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            chunk = os.read(descriptor, 4096) if left > 0 and waiting.poll(left * 1000) else b""
            if not chunk:
                raise NotAsExpectedError(
                    f"not so: the target answers; its state is {state_of(self.pid)!r}"
                )
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()
