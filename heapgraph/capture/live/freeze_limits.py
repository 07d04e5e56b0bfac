"""How long a freeze will stop the target, judged before anything is done to it."""

from __future__ import annotations

import math

from heapgraph.errors import UsageError

_GIB = 2**30
_KIB = 1024

DEFAULT_MAX_PAUSE_MS = 1000.0
"""How long a target may stand when nobody says: what health checks and clients forgive."""

CLONE_S_PER_GIB = 0.025
"""Clone: the kernel copies page tables. Measured 12-23 ms per GiB of 4 KiB pages; rounded up."""

COPY_S_PER_GIB = 0.6
"""Pause: the memory is copied while the target stands. Measured 0.2-0.5 s per GiB; rounded up."""


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
