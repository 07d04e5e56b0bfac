"""Running a command under limits and knowing what it cost.

This module, and the process that uses it, stay small: a child's peak memory as the kernel counts it
is never below that of the process that started it.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
READY_LIMIT_S = 600
"""How long a target may take to build its heap."""


@dataclass(frozen=True)
class Limits:
    """What a command may cost.

    Attributes:
        seconds: wall time.
        memory: bytes of address space; None for no limit.
    """

    seconds: float
    memory: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What a command said and cost.

    Attributes:
        answer: the JSON document on its standard output; empty when it failed.
        seconds: wall time from start to end.
        peak_memory: bytes of resident memory at most.
        failure: "" or why there is no answer, in a few words for a table.
    """

    answer: dict[str, Any]
    seconds: float
    peak_memory: int
    failure: str = ""


def run(command: list[str], limits: Limits, environment: dict[str, str] | None = None) -> Outcome:
    """Run a command that prints one JSON document and say what it cost.

    A command over its limits is ended; that is an outcome, not an error.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **(environment or {})},
        )
        if limits.memory is not None:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (limits.memory, limits.memory))
        in_time, usage, status = _wait(process.pid, limits.seconds)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = usage.ru_maxrss * 1024
        failure = "" if in_time else f"not done in {limits.seconds:.0f} s"
        if in_time and process.returncode != 0:
            failure = _failure(errors, process.returncode)
        if failure:
            return Outcome({}, seconds, peak, failure)
        output.seek(0)
        return Outcome(json.loads(output.read()), seconds, peak)


def _wait(pid: int, limit_s: float) -> tuple[bool, resource.struct_rusage, int]:
    """Wait for a child, or end it: whether it ended by itself, its usage, its status."""
    descriptor = os.pidfd_open(pid)
    try:
        in_time = bool(select.select([descriptor], [], [], limit_s)[0])
        if not in_time:
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        return in_time, usage, status
    finally:
        os.close(descriptor)


def _failure(errors: BinaryIO, returncode: int) -> str:
    """The last line a failed command wrote, for a table cell."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), f"exit code {returncode}")
    if "MemoryError" in last or "bad_alloc" in last:
        return "out of its memory limit"
    return f"failed: {last.strip()[:80]}"


class Target:
    """A service_heap program that has built its heap."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Take over a started program."""
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, question: str = "") -> str:
        """Its next line, after sending it one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if question:
            self._process.stdin.write(question + "\n")
            self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], READY_LIMIT_S)[0]:
            raise TimeoutError(f"the target said nothing in {READY_LIMIT_S} s")
        return self._process.stdout.readline().strip()

    def resident_memory(self) -> int:
        """Bytes of resident memory now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise LookupError(f"process {self.pid} has no VmRSS")


@contextmanager
def start_target(objects: int) -> Iterator[Target]:
    """Start a service heap of about `objects` objects; ended at the end, whatever happens."""
    command = [sys.executable, str(ROOT / "benchmarks" / "service_heap.py"), str(objects)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        try:
            target = Target(process)
            if target.ask() != "ready":
                raise EOFError("the target ended before it was ready")
            yield target
        finally:
            process.kill()
