"""What can be seen of a target from outside, by /proc alone."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.processes import children_of, state_of

if TYPE_CHECKING:
    from collections.abc import Callable

SETTLED_S = 1.0
"""How long what a capture made may still be there after it."""

_POLL_S = 0.002
_pause = threading.Event()


def pause(seconds: float) -> None:
    """Let time pass between two freezes: these have no event to wait for."""
    _pause.wait(seconds)


def became(condition: Callable[[], bool], limit_s: float) -> bool:
    """Whether a condition comes to hold within a time."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        pause(_POLL_S)
    return True


def status_of(pid: int) -> dict[str, str]:
    """/proc/PID/status; empty when there is none."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    lines = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in lines}


def kilobytes(status: dict[str, str], name: str) -> int:
    """One size of a status, in KiB."""
    return int(status.get(name, "0").split()[0])


@dataclass(frozen=True)
class Look:
    """A target at one moment.

    Attributes:
        state: the letter of its main thread.
        tracer: who traces it; 0 for nobody.
        virtual, anonymous: KiB of address space and of its own resident memory.
        children: all of them, zombies too.
    """

    state: str
    tracer: int
    virtual: int
    anonymous: int
    children: frozenset[int]


def look_at(pid: int) -> Look:
    """Look at a target now."""
    status = status_of(pid)
    try:
        children = frozenset(children_of(pid))
    except (FileNotFoundError, ProcessLookupError):
        children = frozenset()
    return Look(
        state_of(pid),
        int(status.get("TracerPid", "0")),
        kilobytes(status, "VmSize"),
        kilobytes(status, "RssAnon"),
        children,
    )


def left_children(pid: int, before: frozenset[int]) -> int:
    """How many children are there that were not before, and stay."""

    def new() -> frozenset[int]:
        return look_at(pid).children - before

    became(lambda: not new(), SETTLED_S)
    return len(new())


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    return state_of(pid) not in ("", "Z", "X")


def context_switches(pid: int) -> int:
    """How often the threads of a process have come off a processor."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total


def cores_in(folder: Path) -> list[str]:
    """Core files that lie in a folder."""
    return [name for name in os.listdir(folder) if name.startswith("core")]  # noqa: PTH208
