"""What a freeze will cost the target, judged before anything is done to it."""

from __future__ import annotations

import math
from pathlib import Path

from heapgraph.errors import UsageError

_GIB = 2**30
_KIB = 1024

CLONE_S_PER_GIB = 0.025
"""Clone: the kernel copies page tables. Measured 12-23 ms per GiB of 4 KiB pages; rounded up."""

COPY_S_PER_GIB = 3.0
"""Pause: the memory is copied while the target stands. Measured 0.8-2.8 s per GiB; rounded up."""

_PAGE_TABLE_SHARE = 1 / 256
"""Page tables need 8 bytes for 4 KiB of memory; twice that, as neighbours are not always full."""

_COMFORTABLE_SHARE = 0.1
"""Pages the target writes while the clone lives are copied: rarely more than this share of it."""

_GROUPS = Path("/sys/fs/cgroup")
_PROC = Path("/proc")


def check_pause_limit(max_pause_ms: float | None) -> None:
    """Refuse a limit that is none.

    Raises:
        UsageError: it is zero, below, without end, or no number.
    """
    if max_pause_ms is None or (max_pause_ms > 0 and math.isfinite(max_pause_ms)):
        return
    raise UsageError(
        f"max_pause_ms={max_pause_ms!r} is no number of milliseconds",
        "the target may stand for a time above zero that has an end",
        "leave it out, or give a number: max_pause_ms=500",
    )


def resident_bytes(status: dict[str, str]) -> int:
    """The resident memory of a process from its `/proc/PID/status`, in bytes."""
    return int(status.get("VmRSS", "0 kB").split()[0]) * _KIB


def predict_clone_pause_s(resident: int) -> float:
    """How long the target will stand for a clone, in seconds, from its resident bytes."""
    return resident / _GIB * CLONE_S_PER_GIB


def predict_copy_pause_s(resident: int) -> float:
    """How long the target will stand when its memory is copied, in seconds."""
    return resident / _GIB * COPY_S_PER_GIB


def memory_headroom(pid: int, *, groups: Path = _GROUPS, proc: Path = _PROC) -> int | None:
    """Bytes that the target's memory control group can still take.

    Pages of files that the kernel would drop first count as free. The tightest of the group and
    the groups above it decides.

    Args:
        pid: the target.
        groups: where the control groups are mounted.
        proc: where the process file system is mounted.

    Returns:
        Bytes, never negative; None when no limit can be read.
    """
    headroom: int | None = None
    for folder, limit_name, usage_name, cache_name in _memory_groups(pid, groups, proc):
        limit = _read_number(folder / limit_name)
        usage = _read_number(folder / usage_name)
        if limit is None or usage is None:
            continue
        free = max(0, limit - usage + _read_cache(folder, cache_name))
        headroom = free if headroom is None else min(headroom, free)
    return headroom


def clone_fits(resident: int, headroom: int | None) -> bool:
    """True when the page tables of a clone fit into the headroom: else the clone is not tried."""
    return headroom is None or headroom >= resident * _PAGE_TABLE_SHARE


def clone_is_comfortable(resident: int, headroom: int | None) -> bool:
    """True when there is also room for the pages the target will write meanwhile."""
    return headroom is None or headroom >= resident * _COMFORTABLE_SHARE


def _memory_groups(pid: int, groups: Path, proc: Path) -> list[tuple[Path, str, str, str]]:
    """The folders of the group and of all above it, with the file names of its version."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
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
