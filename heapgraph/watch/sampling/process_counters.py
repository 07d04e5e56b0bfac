"""What the kernel counts of one process: memory, threads, files."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heapgraph.watch.sampling.process_handle import ProcessHandle

_KIB = 1024
_METRICS = {
    "VmRSS": ("rss_bytes", _KIB),
    "RssAnon": ("private_bytes", _KIB),
    "VmSwap": ("swap_bytes", _KIB),
    "Threads": ("threads", 1),
}
"""Lines of /proc/PID/status. What a worker shares with the others of its prefork server counts as
private of each of them: what is really its own would take a walk of its page tables, under a lock
that the process needs itself."""


def read_process_counters(handle: ProcessHandle) -> dict[str, float]:
    """Counters by name of `watch.model.METRICS`; what cannot be read is not there.

    Args:
        handle: the process.

    Raises:
        TargetNotFound: it has ended.

    Cost: 20-60 us, two system calls for each file.
    """
    found: dict[str, float] = {}
    with suppress(PermissionError):
        text = handle.read("status")
        if "VmRSS:" not in text and (thread := handle.running_thread()):
            text = handle.read(f"task/{thread}/status")  # its first thread has ended
        for line in text.splitlines():
            name, _, text = line.partition(":")
            if name in _METRICS:
                metric, unit = _METRICS[name]
                found[metric] = float(text.split()[0]) * unit
    descriptors = handle.count_descriptors()
    if descriptors is not None:
        found["fds"] = float(descriptors)
    return found
