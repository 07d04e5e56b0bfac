"""What a freeze will cost the target, judged before anything is done to it."""

from __future__ import annotations

import math
from pathlib import Path

from heapgraph.errors import UsageError
from heapgraph.machine_memory import GROUPS, group_memory

_GIB = 2**30
_KIB = 1024

DEFAULT_MAX_PAUSE_MS = 1000.0
"""How long a target may stand when nobody says: what health checks and clients forgive."""

CLONE_S_PER_GIB = 0.025
"""Clone: the kernel copies page tables. Measured 12-23 ms per GiB of 4 KiB pages; rounded up."""

COPY_S_PER_GIB = 0.6
"""Pause: the memory is copied while the target stands. Measured 0.2-0.5 s per GiB; rounded up."""

_PAGE_TABLE_SHARE = 1 / 256
"""Page tables need 8 bytes for 4 KiB of memory; twice that, as neighbours are not always full."""

_COMFORTABLE_SHARE = 0.1
"""Pages the target writes while the clone lives are copied: rarely more than this share of it."""

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


def memory_headroom(pid: int, *, groups: Path = GROUPS, proc: Path = _PROC) -> int | None:
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
    found = group_memory(proc / str(pid) / "cgroup", groups)
    return min((max(0, one.limit - one.used + one.cache) for one in found), default=None)


def clone_fits(resident: int, headroom: int | None) -> bool:
    """True when the page tables of a clone fit into the headroom: else the clone is not tried."""
    return headroom is None or headroom >= resident * _PAGE_TABLE_SHARE


def clone_is_comfortable(resident: int, headroom: int | None) -> bool:
    """True when there is also room for the pages the target will write meanwhile."""
    return headroom is None or headroom >= resident * _COMFORTABLE_SHARE
