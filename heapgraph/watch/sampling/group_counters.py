"""What the kernel counts of the control group of a process: use, limit, kills, pressure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.machine_memory import MOUNTS, VERSION_2, groups_seen, memory_of_groups

if TYPE_CHECKING:
    from pathlib import Path

_TEN_SECONDS = "some avg10="


@dataclass(frozen=True, slots=True)
class GroupCounters:
    """One look at the tightest limited group of a process.

    Attributes:
        folder: the group that has the limit; None when none is limited.
        used: bytes that it uses, without the pages of files that the kernel drops at once.
        limit: bytes that it may use.
        oom_kills: processes that the kernel ended there since it was made; None where it does not
            say.
        pressure: share of time over ten seconds in which one of its tasks waited for memory; None
            where the kernel does not measure it.
    """

    folder: Path | None
    used: int
    limit: int
    oom_kills: int | None
    pressure: float | None

    def values(self) -> dict[str, float]:
        """By name of `watch.model.METRICS`; what is unknown is not there."""
        found: dict[str, float] = {}
        if self.folder is not None:
            found["cgroup_bytes"] = float(self.used)
            found["cgroup_limit_bytes"] = float(self.limit)
            found["cgroup_ratio"] = self.used / self.limit if self.limit else 1.0
        if self.pressure is not None:
            found["psi_some"] = self.pressure
        return found


def read_group_counters(group: Path, mounts: Path = MOUNTS) -> GroupCounters:
    """Look at the groups of a process.

    Args:
        group: its file `cgroup` in /proc.
        mounts: the file that says where the control groups are mounted.

    Cost: 50-150 us; the same for all processes of a group, so ask once for each group.
    """
    folders = groups_seen(group, mounts)
    tightest = min(memory_of_groups(folders), key=lambda one: one.left, default=None)
    own = folders[0] if folders else None
    if tightest is None:
        return GroupCounters(None, 0, 0, _kills(own), _pressure(own))
    used = max(0, tightest.used - tightest.cache)
    place = (tightest.folder, tightest.version)
    return GroupCounters(tightest.folder, used, tightest.limit, _kills(place), _pressure(own))


def _kills(place: tuple[Path, int] | None) -> int | None:
    """The line oom_kill of a group; version 1 has it in another file."""
    if place is None:
        return None
    folder, version = place
    name = "memory.events" if version == VERSION_2 else "memory.oom_control"
    try:
        lines = (folder / name).read_text().splitlines()
        words = dict(line.split() for line in lines)
        return int(words["oom_kill"])
    except (OSError, ValueError, KeyError):
        return None


def _pressure(place: tuple[Path, int] | None) -> float | None:
    """The first number of memory.pressure, as a share."""
    if place is None or place[1] != VERSION_2:
        return None
    try:
        text = (place[0] / "memory.pressure").read_text()
        return float(text.partition(_TEN_SECONDS)[2].split()[0]) / 100
    except (OSError, ValueError, IndexError):
        return None
