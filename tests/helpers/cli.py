"""Runs the command line inside the test process, with all that `main` does around a command."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from heapgraph.cli.main import run_program


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.stdout)

    @property
    def error(self) -> list[str]:
        """The parts of the error on stderr, without their names."""
        return [line[7:] for line in self.stderr.splitlines() if line[:6] in _PART_NAMES]


_PART_NAMES = ("error:", "cause:", "next: ")


def invoke(*arguments: object) -> Outcome:
    """Run `heapgraph ARGUMENTS` in this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        code = run_program([str(argument) for argument in arguments])
    return Outcome(code, stdout.getvalue(), stderr.getvalue())


def run_process(*arguments: object, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python -m heapgraph ARGUMENTS`, or Python code, in a fresh process."""
    command = ["-c", code] if code else ["-m", "heapgraph"]
    return subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
