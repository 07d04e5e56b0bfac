"""Which processes a target of the settings is: looked for in /proc, by what the user named."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from heapgraph.capture.process.start_time import stat_fields
from heapgraph.watch.sampling.process_handle import PROC
from heapgraph.watch.settings.group_paths import (
    Membership,
    WantedGroup,
    memberships_of,
    wanted_group,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.watch.settings.model import TargetSpec

_LONGEST_COMMAND_LINE = 1 << 14

_OWN_MODULE, _OWN_PROGRAM = "heapgraph", "/heapgraph"
_HEAD = 5
"""Words of a command line among which the program or module stands, behind options of Python."""


def processes() -> list[int]:
    """The pids of all processes that can be seen here, rising."""
    return sorted(int(name) for name in os.listdir(PROC) if name.isdecimal())  # noqa: PTH208 - fast


def parent_of(pid: int) -> int:
    """The pid of the parent of a process; 0 where that cannot be told."""
    try:
        return int(stat_fields((PROC / str(pid) / "stat").read_text())[1])
    except (OSError, ValueError, IndexError):
        return 0


def matching(spec: TargetSpec, pids: list[int]) -> Iterator[int]:
    """The processes that a target means; never this one, and by their text no heapgraph.

    The text that names a target is in the command lines of those who ask about it.

    Args:
        spec: the target.
        pids: the processes to choose from.

    Cost: 10 us for each process.
    """
    if spec.pid:
        yield from (pid for pid in pids if pid == spec.pid)
        return
    own = os.getpid()
    group = None if spec.match else _group_of(spec)
    for pid in pids:
        if pid == own:
            continue
        if group is not None:
            if group.has(memberships(pid)):
                yield pid
        elif spec.match in (line := command_line(pid)) and not _is_heapgraph(line):
            yield pid


def _is_heapgraph(line: str) -> bool:
    head = line.split()[:_HEAD]
    return any(
        word.partition(".")[0] == _OWN_MODULE or word.endswith(_OWN_PROGRAM) for word in head
    )


def _group_of(spec: TargetSpec) -> WantedGroup:
    return WantedGroup(spec.unit, is_unit=True) if spec.unit else wanted_group(spec.cgroup)


def command_line(pid: int) -> str:
    """The arguments of a process, with spaces between; what it has written there itself.

    "" where it cannot be read, and for kernel threads.
    """
    return _read(pid, "cmdline").replace("\0", " ").rstrip()


def control_group(pid: int) -> list[str]:
    """The paths of the control groups of a process, one for each hierarchy."""
    return [one.path for one in memberships(pid)]


def memberships(pid: int) -> list[Membership]:
    """In which groups a process is, one for each hierarchy."""
    return memberships_of(_read(pid, "cgroup"))


def _read(pid: int, name: str) -> str:
    with suppress(OSError), (PROC / str(pid) / name).open("rb") as stream:
        return stream.read(_LONGEST_COMMAND_LINE).decode(errors="replace")
    return ""
