"""Becomes another program, with limits.

    python -m heapgraph.watch.http.limited BYTES SECONDS PARENT WORDS

PARENT is the pid of who starts it; WORDS are those behind `python -I`. The program ends with the
daemon, however that ends, and is the first to go where memory runs out.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

_MOST_FILE_BYTES = 1 << 30
_NICE = 10


def main() -> None:
    """Take on the limits, and become the program."""
    most_bytes, seconds, parent, *words = sys.argv[1:]
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != int(parent):  # the daemon ended before that was set
        sys.exit(1)
    # Files are mapped, and a large snapshot is no harm: what is counted is memory of its own.
    _limit(resource.RLIMIT_DATA, int(most_bytes))
    _limit(resource.RLIMIT_CPU, int(seconds))
    _limit(resource.RLIMIT_FSIZE, _MOST_FILE_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    with suppress(OSError):
        os.nice(_NICE)
    with suppress(OSError):  # a /proc that is read-only
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.execv(sys.executable, [sys.executable, "-I", *words])  # noqa: S606 - no shell is wanted


def _limit(kind: int, most: int) -> None:
    """Lower a limit; one that is lower already stays."""
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
