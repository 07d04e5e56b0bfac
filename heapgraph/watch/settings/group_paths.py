"""Which control group is meant: a folder, a path as the kernel writes it, or the name of a unit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.errors import UsageError
from heapgraph.machine_memory import MOUNTS, VERSION_2, GroupMount, group_mounts

if TYPE_CHECKING:
    from collections.abc import Iterable

TOP = Path("/sys/fs/cgroup")
"""Where control groups are mounted: of version 1 each hierarchy in a folder of its own below."""

_UNITS = (".service", ".scope", ".slice")
_VERSION_2 = "0"
_PARTS = 3


@dataclass(frozen=True)
class Membership:
    """A line of /proc/PID/cgroup.

    Attributes:
        hierarchy: its number; "0" is that of version 2.
        controllers: of version 1.
        path: the group there.
    """

    hierarchy: str
    controllers: frozenset[str]
    path: str


@dataclass(frozen=True)
class WantedGroup:
    """A group, with those below it.

    Attributes:
        name: its path as /proc/PID/cgroup has it; of a unit a part of that.
        mount: the hierarchy that is meant; None: any.
        is_unit: `name` is one.
    """

    name: str
    mount: GroupMount | None = None
    is_unit: bool = False

    def has(self, memberships: Iterable[Membership]) -> bool:
        """Whether a process is in it.

        Args:
            memberships: of the process.
        """
        paths = [one.path for one in memberships if self._is_meant(one)]
        if self.is_unit:
            return any(self.name in path.split("/") for path in paths)
        below = self.name.rstrip("/") + "/"
        return any(path == self.name or path.startswith(below) for path in paths)

    def _is_meant(self, one: Membership) -> bool:
        if self.mount is None:
            return True
        if self.mount.version == VERSION_2:
            return one.hierarchy == _VERSION_2
        return bool(one.controllers) and one.controllers <= self.mount.options


def wanted_group(given: str, mounts: Path = MOUNTS) -> WantedGroup:
    """What somebody means by a control group; it need not be there yet.

    Args:
        given: a folder below /sys/fs/cgroup, a path of /proc/PID/cgroup, or the name of a unit.
        mounts: the file that says where the control groups are mounted.

    Raises:
        UsageError: it is a folder of no hierarchy that is mounted here.
    """
    folder = Path(given)
    if not folder.is_relative_to(TOP):
        if "/" not in given and given.endswith(_UNITS):
            return WantedGroup(given, is_unit=True)
        return WantedGroup("/" + given.strip("/"))
    try:
        mounted = group_mounts(mounts)
    except OSError:
        mounted = []
    above = [one for one in mounted if folder.is_relative_to(one.place)]
    if not above:
        raise _no_hierarchy(folder, mounted)
    mount = max(above, key=lambda one: len(one.place.parts))
    below = folder.relative_to(mount.place)
    return WantedGroup(str(Path(mount.root) / below), mount)


def memberships_of(text: str) -> list[Membership]:
    """The lines of a file /proc/PID/cgroup."""
    lines = (line.split(":", _PARTS - 1) for line in text.splitlines())
    return [
        Membership(parts[0], frozenset(filter(None, parts[1].split(","))), parts[2])
        for parts in lines
        if len(parts) == _PARTS
    ]


def _no_hierarchy(folder: Path, mounted: list[GroupMount]) -> UsageError:
    path = "/" + str(folder.relative_to(TOP)).strip("/.")
    if not mounted:
        return UsageError(
            f"{folder} is no control group",
            "no hierarchy of control groups is mounted here",
            f"name it as /proc/PID/cgroup does: {path}",
        )
    places = sorted(str(one.place) for one in mounted)
    memory = next((one.place for one in mounted if "memory" in one.options), mounted[0].place)
    return UsageError(
        f"{folder} is no control group",
        f"the hierarchies that are mounted here are {', '.join(places)}",
        f"name it there, {memory}{path}, or as /proc/PID/cgroup does: {path}",
    )
