"""The checkout that is measured, and the ones it is compared with: each by a process of its own."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("freezer.py")
ANSWER_LIMIT_S = 120.0


@dataclass(frozen=True)
class Checkout:
    """A copy of heapgraph, and the interpreter it is installed for.

    Attributes:
        name: for the tables.
        python: its interpreter.
    """

    name: str
    python: str


def this_checkout() -> Checkout:
    """The one this suite belongs to."""
    return Checkout("this", sys.executable)


def other_checkout(folder: Path) -> Checkout:
    """Another one, with an environment of its own.

    Raises:
        SystemExit: it has none.
    """
    python = folder.resolve() / ".venv" / "bin" / "python"
    if not python.exists():
        sys.exit(f"{folder} has no .venv to run it with; make one there: make setup")
    return Checkout(folder.resolve().name, str(python))


class FreezerGone(Exception):
    """The freezer ended, or did not answer in time."""


class Freezer:
    """A running freezer of one checkout."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Take over a process just started; use `start_freezer`."""
        self.process = process
        self._unread = b""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def tell(self, order: str, **values: object) -> None:
        """Send an order without waiting for its answer.

        Raises:
            FreezerGone: it has ended.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"order": order, **values}).encode() + b"\n")
        except BrokenPipeError as error:
            raise FreezerGone from error

    def answer(self, limit_s: float = ANSWER_LIMIT_S) -> dict[str, Any]:
        """The next answer.

        Raises:
            FreezerGone: there is none.
        """
        assert self.process.stdout is not None
        while b"\n" not in self._unread:
            if not select.select([self.process.stdout], [], [], limit_s)[0]:
                raise FreezerGone(f"no answer in {limit_s} s")
            part = self.process.stdout.read(65536)
            if not part:
                raise FreezerGone("it has ended")
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, order: str, **values: object) -> dict[str, Any]:
        """Send an order and return the answer."""
        self.tell(order, **values)
        return self.answer()

    def methods(self) -> list[str]:
        """The methods of its checkout, without the one that chooses among them."""
        return [name for name in self.ask("methods")["methods"] if name != "auto"]


@contextmanager
def start_freezer(checkout: Checkout, helper: Path | None = None) -> Iterator[Freezer]:
    """A freezer that is ended at the end of the block.

    Args:
        checkout: whose.
        helper: a program to run in place of the freeze helper.
    """
    command = [checkout.python, "-P", str(PROGRAM), *([str(helper)] if helper else [])]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0
        ) as process,
    ):
        try:
            yield Freezer(process)
        finally:
            process.kill()
