"""Python processes below another one: what is meant when a supervisor's pid was given."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_MAX_LOOKED_AT = 200
_MAX_NAMED = 3


def python_children(pid: int) -> list[int]:
    """Descendants of a process that have Python mapped, those nearest to it first; a few of them.

    This process, and what it has started, are not meant: a shell that is asked about runs them.

    Cost: one read of `/proc/PID/maps` for each descendant, 200 at most.
    """
    found: list[int] = []
    own = os.getpid()
    queue = children_of(pid)
    looked_at = 0
    while queue and looked_at < _MAX_LOOKED_AT and len(found) < _MAX_NAMED:
        child, *queue = queue
        looked_at += 1
        if child == own:
            continue
        if maps_python(child):
            found.append(child)
        queue += children_of(child)
    return found


def children_of(pid: int) -> list[int]:
    """The child processes of a process, by age; none where the kernel does not list them."""
    children: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                children += map(int, (task / "children").read_text().split())
    return sorted(children)


def maps_python(pid: int) -> bool:
    """Whether a file called python... or libpython... is mapped into a process."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/maps").read_bytes().splitlines()
        names = {line.rpartition(b"/")[2] for line in lines if b"/" in line}
        return any(name.startswith((b"python", b"libpython")) for name in names)
    return False
