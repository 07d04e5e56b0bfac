"""Whether a process goes on behind the end of its first thread, whose state is that of a zombie.

A program may end its first thread alone (pthread_exit in `main`, SYS_exit): /proc/PID/stat says "Z"
then and /proc/PID/status has no memory any more, while the other threads work and answer.
"""

from __future__ import annotations

import os
from contextlib import suppress

from heapgraph.capture.process.start_time import stat_fields

_MOST_THREADS = 100
"""Threads that are looked at; of thousands that have all ended the kernel keeps none."""

_LONGEST_STAT = 4096


def running_thread(process: int) -> int:
    """The id of a thread that has not ended; 0 where none is found.

    Args:
        process: descriptor of the folder of the process in /proc.

    Raises:
        OSError: there is no descriptor for that now.

    Cost: 20 us for each thread; ask only where the first one has ended.
    """
    try:
        folder = os.open("task", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    try:
        with suppress(FileNotFoundError, ProcessLookupError):
            names = os.listdir(folder)  # noqa: PTH208 - by its descriptor
            for name in names[:_MOST_THREADS]:
                if _runs(folder, name):
                    return int(name)
        return 0
    finally:
        os.close(folder)


def _runs(folder: int, name: str) -> bool:
    try:
        descriptor = os.open(f"{name}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except (FileNotFoundError, ProcessLookupError):
        return False
    try:
        fields = stat_fields(os.read(descriptor, _LONGEST_STAT).decode(errors="replace"))
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return bool(fields) and fields[0] not in ("Z", "X")
