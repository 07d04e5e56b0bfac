"""What the kernel says of memory: of the machine, and of the control groups of a process."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION_1, VERSION_2 = 1, 2
"""Of the hierarchies of control groups."""

_KINDS = {"cgroup": VERSION_1, "cgroup2": VERSION_2}
"""Types of file systems."""

MOUNTS = Path("/proc/self/mountinfo")
"""The file that says where the control groups are mounted, as this process sees them."""

_KIB = 1024

_NO_LIMIT = 2**62
"""Version 1 writes a number near 2^63 where there is no limit."""

_ESCAPED = re.compile(r"\\([0-7]{3})")
"""How mountinfo writes a space in a path (proc_pid_mountinfo(5))."""


class GroupMemory(NamedTuple):
    """The memory of one control group that has a limit, in bytes.

    Attributes:
        folder: where the group is.
        version: of its hierarchy, 1 or 2.
        limit: what it may use; above it the kernel ends a process, or slows all of them down.
        used: what it uses.
        cache: the part of it that the kernel drops at once: clean pages of files, not used lately.
    """

    folder: Path
    version: int
    limit: int
    used: int
    cache: int

    @property
    def left(self) -> int:
        """Bytes that it can still take; never negative."""
        return max(0, self.limit - self.used + self.cache)


class _Names(NamedTuple):
    """The files of a version: pairs of limit and use, and the lines of memory.stat."""

    pairs: tuple[tuple[str, str], ...]
    droppable: str
    not_clean: tuple[str, ...]


_NAMES = {
    VERSION_1: _Names(
        (
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
            ("memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes"),
        ),
        "total_inactive_file",
        ("total_dirty", "total_writeback"),
    ),
    VERSION_2: _Names(
        (("memory.max", "memory.current"), ("memory.high", "memory.current")),
        "inactive_file",
        ("file_dirty", "file_writeback"),
    ),
}


def machine_memory(meminfo: Path = Path("/proc/meminfo")) -> dict[str, int]:
    """The lines of meminfo by name, in bytes; none where it cannot be read."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return {}
    return {line.partition(":")[0]: int(line.split()[1]) * _KIB for line in lines}


def group_memory(group: Path, mounts: Path = MOUNTS) -> list[GroupMemory]:
    """The control group of a process and all above it that have a limit, version 2 and 1.

    In a container the groups above it are out of sight, and so is the group of a process in
    another container; what version 1 tells of their limits is taken into account.

    Args:
        group: the file `cgroup` of the process in /proc.
        mounts: the file that says where the control groups are mounted.

    Returns:
        The groups from the process's own upwards.
    """
    return memory_of_groups(groups_seen(group, mounts))


def memory_of_groups(groups: Iterable[tuple[Path, int]]) -> list[GroupMemory]:
    """Those of some groups that have a limit, in their order.

    Args:
        groups: folders with their version, of `groups_seen`.
    """
    every = (_read_group(folder, version) for folder, version in groups)
    return [one for one in every if one is not None]


def groups_seen(group: Path, mounts: Path = MOUNTS) -> list[tuple[Path, int]]:
    """The groups of a process that can be seen, its own first, each with its version.

    Args:
        group: the file `cgroup` of the process in /proc.
        mounts: the file that says where the control groups are mounted.
    """
    return [
        (each, one.version)
        for one in _memberships(group, mounts)
        if one.folder is not None
        for each in (one.folder, *one.folder.parents)
        if each.is_relative_to(one.mount)
    ]


def groups_that_end_as_one(group: Path, mounts: Path = MOUNTS) -> list[Path]:
    """The groups of a process, its own first, of which the kernel ends all processes or none.

    Args:
        group: the file `cgroup` of the process in /proc.
        mounts: the file that says where the control groups are mounted.
    """
    folders = (folder for folder, version in groups_seen(group, mounts) if version == VERSION_2)
    return [folder for folder in folders if _read_number(folder / "memory.oom.group") == 1]


def _read_group(folder: Path, version: int) -> GroupMemory | None:
    """The tightest of the limits of a group; None when it has none."""
    names = _NAMES[version]
    limits = []
    for limit_name, used_name in names.pairs:
        limit, used = _read_number(folder / limit_name), _read_number(folder / used_name)
        if limit is not None and used is not None:
            limits.append((limit, used))
    statistics = _read_lines(folder / "memory.stat")
    above = statistics.get("hierarchical_memory_limit", _NO_LIMIT)
    limits += [(min(above, limit), used) for limit, used in limits[:1]]
    limits = [pair for pair in limits if pair[0] < _NO_LIMIT]
    if not limits:
        return None
    limit, used = min(limits, key=lambda pair: pair[0] - pair[1])
    dirty = sum(statistics.get(name, 0) for name in names.not_clean)
    cache = max(0, statistics.get(names.droppable, 0) - dirty)
    return GroupMemory(folder, version, limit, used, cache)


def group_is_out_of_sight(group: Path, mounts: Path = MOUNTS) -> bool:
    """True when a process is in a group that cannot be seen from here: in another container.

    Args:
        group: the file `cgroup` of the process in /proc.
        mounts: the file that says where the control groups are mounted.
    """
    found = _memberships(group, mounts)
    # Both versions may be mounted; memory is managed by the first then.
    version = min((one.version for one in found), default=VERSION_2)
    return any(one.folder is None for one in found if one.version == version)


class _Membership(NamedTuple):
    """A hierarchy with a process in it; no folder where its group is not below the mount."""

    version: int
    mount: Path
    folder: Path | None


def _memberships(group: Path, mounts: Path) -> list[_Membership]:
    """The hierarchies that are mounted here and may limit the memory of a process."""
    try:
        lines = group.read_text().splitlines()
        mounted = group_mounts(mounts)
    except OSError:
        return []
    found = []
    for line in lines:
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy != "0" and "memory" not in controllers.split(","):
            continue
        version = VERSION_2 if hierarchy == "0" else VERSION_1
        places = [
            (one.root, one.place)
            for one in mounted
            if one.version == version and (version == VERSION_2 or "memory" in one.options)
        ]
        seen = [
            (place, place / Path(path).relative_to(root))
            for root, place in places
            if ".." not in Path(path).parts and Path(path).is_relative_to(root)
        ]
        if seen:
            found.append(_Membership(version, *seen[0]))
        elif places:
            found.append(_Membership(version, places[0][1], None))
    return found


class GroupMount(NamedTuple):
    """Where a hierarchy of control groups is mounted.

    Attributes:
        version: 1 or 2.
        options: of version 1 its controllers are among them.
        root: the group at the top; a container sees its own there.
        place: the folder.
    """

    version: int
    options: frozenset[str]
    root: str
    place: Path


def group_mounts(mounts: Path = MOUNTS) -> list[GroupMount]:
    """All hierarchies of control groups that are mounted.

    Args:
        mounts: the file that says where.

    Raises:
        OSError: it cannot be read.
    """
    found = []
    for line in mounts.read_text().splitlines():
        mount, _, system = line.partition(" - ")
        kind, _, options = system.split(" ")[:3]
        if kind not in _KINDS:
            continue
        _, _, _, root, place = (_plain(field) for field in mount.split(" ")[:5])
        found.append(GroupMount(_KINDS[kind], frozenset(options.split(",")), root, Path(place)))
    return found


def _plain(field: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), field)


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def _read_lines(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    try:
        words = (line.split() for line in path.read_text().splitlines())
        return {name: int(number) for name, number in words}
    except (OSError, ValueError):
        return {}
