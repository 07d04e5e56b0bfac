"""What the kernel says of memory: of the machine, and of the control groups of a process."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

GROUPS = Path("/sys/fs/cgroup")
"""Where the control groups are mounted."""

_KIB = 1024


class GroupMemory(NamedTuple):
    """The memory of one control group, in bytes.

    Attributes:
        limit: what it may use.
        used: what it uses.
        cache: the part of it that the kernel would drop first, pages of files.
    """

    limit: int
    used: int
    cache: int


def machine_memory(meminfo: Path = Path("/proc/meminfo")) -> dict[str, int]:
    """The lines of meminfo by name, in bytes; none where it cannot be read."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return {}
    return {line.partition(":")[0]: int(line.split()[1]) * _KIB for line in lines}


def group_memory(group: Path, groups: Path = GROUPS) -> list[GroupMemory]:
    """The control group of a process and all above it that have a limit, version 2 and 1.

    Args:
        group: the file `cgroup` of the process in /proc.
        groups: where the control groups are mounted.
    """
    found = []
    for folder, limit_name, usage_name, cache_name in _folders(group, groups):
        limit, used = _read_number(folder / limit_name), _read_number(folder / usage_name)
        if limit is not None and used is not None:
            found.append(GroupMemory(limit, used, _read_cache(folder, cache_name)))
    return found


def _folders(group: Path, groups: Path) -> list[tuple[Path, str, str, str]]:
    """The folders of the group and of all above it, with the file names of its version."""
    try:
        lines = group.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        hierarchy, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            root = groups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        elif hierarchy == "0":
            root = groups
            names = ("memory.max", "memory.current", "inactive_file")
        else:
            continue
        folder = root / path.lstrip("/")
        found += [(each, *names) for each in (folder, *folder.parents) if each.is_relative_to(root)]
    return found


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def _read_cache(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[0] == name), 0)
