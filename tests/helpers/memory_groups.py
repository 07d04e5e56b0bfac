"""A memory group of the test's own: made, limited, entered, removed."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.processes import wait_until
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from helpers.running_target import RunningTarget

REWRITTEN_MIB = 120

ROOTS = {1: Path("/sys/fs/cgroup/memory"), 2: Path("/sys/fs/cgroup")}
_LIMITS = {1: "memory.limit_in_bytes", 2: "memory.max"}
_USED = {1: "memory.usage_in_bytes", 2: "memory.current"}
_PEAKS = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}
_KILLS = {1: "memory.oom_control", 2: "memory.events"}


class MemoryGroup:
    """A control group with a memory limit; the hierarchy's version is the machine's.

    Attributes:
        folder: of the group.
        version: 1 or 2.
    """

    def __init__(self, folder: Path, version: int) -> None:
        """Take over a folder that was just made."""
        self.folder = folder
        self.version = version

    @property
    def used(self) -> int:
        """Bytes that its processes use."""
        return int((self.folder / _USED[self.version]).read_text())

    @property
    def kills(self) -> int:
        """Processes that the kernel ended because its memory ran out."""
        lines = (self.folder / _KILLS[self.version]).read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def limit(self, size: int) -> None:
        """Set what its processes may use, and count the least that is left from now on."""
        (self.folder / _LIMITS[self.version]).write_text(str(size))
        if self.version == 1:
            (self.folder / _PEAKS[1]).write_text("0")

    @property
    def least_left(self) -> int:
        """Bytes that were left when it used most."""
        limit, peak = _LIMITS[self.version], _PEAKS[self.version]
        return int((self.folder / limit).read_text()) - int((self.folder / peak).read_text())

    def enter(self, pid: int) -> None:
        """Move a process into it; what the process has already stays charged where it was."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def command(self, command: list[str]) -> list[str]:
        """The command line that runs `command` inside from its first instruction on."""
        script = 'echo $$ > "$0" && exec "$@"'
        return ["sh", "-c", script, str(self.folder / "cgroup.procs"), *command]


def _version() -> int:
    if (ROOTS[1] / _LIMITS[1]).exists():
        return 1
    controllers = ROOTS[2] / "cgroup.subtree_control"
    return 2 if controllers.exists() and "memory" in controllers.read_text().split() else 0


def why_no_groups() -> str:
    """Why no memory group can be made here; "" when one can."""
    if os.geteuid() != 0:
        return "only root may make control groups"
    if not _version():
        return "no control group hierarchy with a memory controller is mounted"
    return ""


needs_groups = pytest.mark.skipif(bool(why_no_groups()), reason=why_no_groups())


@contextmanager
def memory_group() -> Iterator[MemoryGroup]:
    """A group below the root, without a limit yet; its processes must end before the block does."""
    version = _version()
    folder = ROOTS[version] / f"heapgraph-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield MemoryGroup(folder, version)
    finally:
        procs = folder / "cgroup.procs"
        wait_until(lambda: not procs.read_text(), f"{folder} is empty")
        folder.rmdir()


@contextmanager
def tight_target(headroom: int) -> Iterator[tuple[MemoryGroup, RunningTarget]]:
    """A target that rewrites all of its memory, in a group with some percent left."""
    with memory_group() as group:
        procs = group.folder / "cgroup.procs"
        with start_target("heap_rewriter.py", REWRITTEN_MIB, 1, procs) as target:
            used = group.used
            group.limit(used + used * headroom // 100)
            yield group, target
