"""A target that is looked at after each kill, and started anew when it was harmed."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.stress.looks import became, cores_in, is_alive, left_children, look_at
from helpers.processes import read_u64
from helpers.running_target import RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

GOES_ON_S = 10.0
"""How long a target may take to come to its next round, on a loaded machine."""


class Watched:
    """One live target and what it counts, read from its memory."""

    def __init__(self, target: RunningTarget, folder: Path) -> None:
        """Take over a target that is ready and runs in `folder`."""
        ready = json.loads(target.ready)
        self.target = target
        self.pid: int = ready["pid"]
        self._counters: int = ready["counters"]
        self._folder = folder
        self._before = look_at(self.pid)

    def rounds(self) -> int:
        """How many rounds it has made."""
        return read_u64(self.pid, self._counters)

    def goes_on(self, limit_s: float = GOES_ON_S) -> bool:
        """Whether it comes to another round."""
        try:
            rounds = self.rounds()
            return became(lambda: self.rounds() > rounds, limit_s)
        except OSError:
            return False

    def harm(self) -> list[str]:
        """What is not as it should be a second after a kill, in words."""
        try:
            found = self._changes()
        except OSError:  # its memory has gone, and so will it
            became(lambda: not is_alive(self.pid), 1)
            found = []
        if not is_alive(self.pid):
            found = [f"dead ({self.target.process.wait()})"]
        if cores := cores_in(self._folder):
            found.append("a core file")
            for name in cores:
                (self._folder / name).unlink()
        return found

    def _changes(self) -> list[str]:
        found = []
        if not self.goes_on():
            found.append(f"stands ({look_at(self.pid).state})")
        if read_u64(self.pid, self._counters + 8):
            found.append("wrong")
        if left := left_children(self.pid, self._before.children):
            found.append(f"{left} children")
        if not became(lambda: look_at(self.pid).tracer == self._before.tracer, 1):
            found.append("traced")
        return found


class Nursery:
    """Gives a healthy target, the same one as long as nothing has harmed it."""

    def __init__(self, kind: str, program: str, python: str, env: dict[str, str]) -> None:
        """Start none yet."""
        self._kind, self._program, self._python, self._env = kind, program, python, env
        self._stack = ExitStack()
        self._watched: Watched | None = None

    def healthy(self) -> Watched:
        """A target without harm.

        Raises:
            LookupError: it cannot run here; the text says why.
        """
        if self._watched is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            target = self._stack.enter_context(
                start_target(
                    self._program, self._kind, python=self._python, env=self._env, cwd=folder
                )
            )
            if reason := json.loads(target.ready).get("skip"):
                raise LookupError(reason)
            self._watched = Watched(target, folder)
        return self._watched

    def give_up(self) -> None:
        """End the target that was harmed."""
        self._watched = None
        self._stack.close()


@contextmanager
def nursery(kind: str, program: str, python: str, env: dict[str, str]) -> Iterator[Nursery]:
    """A nursery whose target is ended with the block."""
    made = Nursery(kind, program, python, {**os.environ, **env})
    try:
        yield made
    finally:
        made.give_up()
