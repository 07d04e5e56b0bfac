"""The program `heapgraph`, and `python -m heapgraph`."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress

_INTERRUPTED = 130  # 128 and the number of the signal

_COLLECT_AFTER = 50_000
"""Objects made since the last collection: what is imported stays, and answers have few cycles."""


def main() -> None:
    """Be the first that the kernel ends, should memory run out; then run the command line.

    In that order: in a memory group with a few MiB left, the libraries of the command line alone
    would have the kernel look for a process to end, and it would find the largest.
    """
    gc.set_threshold(_COLLECT_AFTER)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("1000")
    try:
        from heapgraph.cli.main import main as run  # noqa: PLC0415 - loads the command line

        run(sys.argv[1:])
    except KeyboardInterrupt:  # while it was loaded
        sys.exit(_INTERRUPTED)
    finally:
        # The interpreter's end searches all objects for cycles, some 0.1 s for a small snapshot;
        # the system takes their memory back anyway, and nothing here waits for a finalizer.
        gc.freeze()


if __name__ == "__main__":
    main()
