"""What a drill sees, and whether it is what was expected."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_S = 0.01

LIMIT_S = 60.0
"""How long a drill waits for what must come; many times what it takes."""


class NotAsExpectedError(Exception):
    """A drill has failed: what was not as it must be, in words."""


@dataclass(frozen=True)
class Result:
    """What came of a drill.

    Attributes:
        name: of the drill.
        outcome: "passed", "failed" or "skipped".
        seconds: how long it took.
        expected: in words.
        seen: one line for each thing that was seen, the last one the reason of a failure or skip.
    """

    name: str
    outcome: str
    seconds: float
    expected: str
    seen: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


class Findings:
    """Lines of what was seen."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.lines: list[str] = []

    def saw(self, text: str) -> None:
        """Note what was seen and could not have failed."""
        self.lines.append(text)

    def must(self, holds: object, text: str, but: object = "") -> None:
        """Note what holds.

        Args:
            holds: whether it does.
            text: what must hold, in words.
            but: what was found in its place, where it does not hold.

        Raises:
            NotAsExpectedError: it does not hold.
        """
        if not holds:
            raise NotAsExpectedError(f"not so: {text}" + (f"; but: {but}" if but else ""))
        self.lines.append(text)

    def wait(self, condition: Callable[[], object], text: str, limit_s: float = LIMIT_S) -> None:
        """Note what holds as soon as it does.

        Raises:
            NotAsExpectedError: it did not come to hold in time.
        """
        wait_until(condition, text, limit_s)
        self.lines.append(text)


def wait_until(condition: Callable[[], object], text: str, limit_s: float = LIMIT_S) -> None:
    """Return as soon as a condition holds.

    Raises:
        NotAsExpectedError: it did not come to hold in time.
    """
    deadline, pause = time.monotonic() + limit_s, Event()
    while not condition():
        if time.monotonic() > deadline:
            raise NotAsExpectedError(f"not so within {limit_s:.0f} s: {text}")
        pause.wait(_POLL_S)
