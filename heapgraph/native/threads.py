"""How many threads the compiled walker works with."""

from __future__ import annotations

import os

MOST_THREADS = 8
"""More would wait for one another, and leave less of the machine to its services."""


def usable_threads() -> int:
    """One for each processor that this process may use, `MOST_THREADS` at most."""
    return min(len(os.sched_getaffinity(0)), MOST_THREADS)
