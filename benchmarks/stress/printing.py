"""`python -u` prints long lines into a slow pipe: what a short write leaves over is lost."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from benchmarks.report import table
from benchmarks.stress.checkouts import Freezer, start_freezer
from benchmarks.stress.freezes import Moments
from benchmarks.stress.looks import is_alive
from benchmarks.stress.results import Result, announce
from helpers.running_target import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.stress.options import Options

WIDTH = 20_000
"""Bytes of a line, as the fixture prints it."""

CHUNK = 8192
PACE_S = 0.001


@dataclass
class Printed:
    """What came through the pipe.

    Attributes:
        method, checkout: what it was dumped by.
        dumps, refused: whole dumps, and those that the tool would not do.
        lines: whole lines that came.
        broken: lines that did not come as they were printed.
        lost: bytes that did not come.
        texts: examples.
    """

    method: str
    checkout: str = "this"
    dumps: int = 0
    refused: int = 0
    lines: int = 0
    broken: int = 0
    lost: int = 0
    texts: list[str] = field(default_factory=list)

    def take_line(self, number: int, line: bytes) -> None:
        """Compare one line with what must have been printed; a broken one swallows what follows."""
        expected = str(number).rjust(WIDTH - 1, chr(ord("a") + number % 26)).encode()
        if line == expected:
            self.lines += 1
        else:
            self.broken += 1


class SlowReader(threading.Thread):
    """Reads the pipe slowly and keeps all of it in a file."""

    def __init__(self, pipe: BinaryIO, output: BinaryIO) -> None:
        """Start reading."""
        super().__init__(daemon=True)
        self._pipe, self._output = pipe, output
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        """Read until the writer has ended and the pipe is empty."""
        while chunk := os.read(self._pipe.fileno(), CHUNK):
            self._output.write(chunk)
            if not self._stopped.is_set():
                self._stopped.wait(PACE_S)

    def hurry(self) -> None:
        """Read the rest as fast as it comes."""
        self._stopped.set()


@contextmanager
def _printing(python: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with subprocess.Popen(
        [python, "-u", str(TARGETS / "stress_printing.py")], stdout=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            assert process.stdout is not None
            select.select([process.stdout], [], [], 30)
            first = process.stdout.readline()
            yield process, int(first)
        finally:
            process.kill()


def dump_while_printing(printed: Printed, freezer: Freezer, python: str, dumps: int) -> Printed:
    """Dump a printing target many times; then compare every byte that came."""
    moments = Moments(4)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        with _printing(python) as (process, pid):
            assert process.stdout is not None
            reader = SlowReader(process.stdout, output)  # type: ignore[arg-type]
            for _ in range(dumps):
                moments.pass_one()
                snapshot = str(Path(folder) / "x.heapgraph")
                answer = freezer.ask("dump", pid=pid, method=printed.method, output=snapshot)
                printed.dumps += answer["outcome"] == "ok"
                printed.refused += answer["outcome"] == "refused"
                if answer["outcome"] == "failed" or not is_alive(pid):
                    printed.texts.append(str(answer.get("error", "dead")))
                    break
            process.kill()
            reader.hurry()
            reader.join()
        output.seek(0)
        _compare(printed, output)
    return printed


def _compare(printed: Printed, output: BinaryIO) -> None:
    """Line by line; the last one was cut by the kill. What is missing shows by the numbers."""
    number = 0
    for line in output:
        if not line.endswith(b"\n"):
            return
        printed.take_line(number, line[:-1])
        if len(line) != WIDTH:
            printed.lost += -len(line) % WIDTH
        digits = line.rstrip(b"\n")[-12:].lstrip(b"abcdefghijklmnopqrstuvwxyz")
        number = int(digits) + 1 if digits.isdigit() else number + 1


def run_printing(options: Options) -> Result:
    """Whole dumps by every method of every checkout."""
    rows = []
    for checkout in options.checkouts:
        for method in options.methods[checkout.name]:
            with start_freezer(checkout) as freezer:
                row = dump_while_printing(
                    Printed(method, checkout.name), freezer, options.python, options.dumps
                )
            announce(f"printing {method} {checkout.name}: {row.broken} lines broken")
            rows.append(row)
    head = ("method", "dumps", "refused", "whole lines", "broken lines", "bytes lost", "errors")
    cells = [
        [
            row.method if row.checkout == "this" else f"{row.method} ({row.checkout})",
            *map(str, (row.dumps, row.refused, row.lines, row.broken, row.lost)),
            "; ".join(row.texts) or "none",
        ]
        for row in rows
    ]
    harmed = sum(bool(row.broken or row.lost or row.texts) for row in rows)
    return Result(table(head, cells), [asdict(row) for row in rows], harmed)
