"""Every Python process that can be seen here, and whether, or why not, it can be dumped."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.capture.live.memory_limits import plan_memory
from heapgraph.capture.live.target import inspect_target
from heapgraph.capture.process.child_processes import maps_python
from heapgraph.capture.process.permissions import check_target
from heapgraph.errors import HeapgraphError, NotAPythonProcess, TargetNotFound
from heapgraph.safe_text import begun
from heapgraph.watch.sampling.discovery import command_line, control_group, processes
from heapgraph.watch.sampling.placement import placement
from heapgraph.watch.sampling.process_counters import read_process_counters
from heapgraph.watch.sampling.process_handle import ProcessHandle

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_COMMAND = 500


@dataclass(frozen=True)
class PythonProcess:
    """One process with a CPython in it.

    Attributes:
        pid: its id here.
        python: "3.12.1"; "" where that could not be read.
        rss, private: bytes in memory, and those of them that no file is behind; None: unknown.
        container, unit: see `Placement`.
        command: its command line, which it may have changed.
        dumpable: `heapgraph dump` would try it.
        method: the gentlest way that is left: "clone", or "pause" where it may not be cloned.
        reason: why it cannot be dumped, or why not be cloned, as one sentence; else "".
        hint: what to type next; "" where nothing is to be done.
    """

    pid: int
    python: str
    rss: int | None
    private: int | None
    container: str
    unit: str
    command: str
    dumpable: bool
    method: str
    reason: str
    hint: str


def python_processes(text: str = "", *, look_into_all: bool = False) -> Iterator[PythonProcess]:
    """List Python processes by pid; none is stopped, a few words of their memory are read.

    Args:
        text: only those whose command line contains it.
        look_into_all: also where no file called python is mapped: a program of another name may
            have a Python built into it.

    Cost: 50 us for each process of the machine, 10-40 ms for each Python.
    """
    for pid in processes():
        if pid == os.getpid() or text not in command_line(pid):
            continue
        if look_into_all or maps_python(pid):
            found = describe_process(pid)
            if found is not None:
                yield found


def describe_process(pid: int) -> PythonProcess | None:
    """What is known of one process; None where it is no Python, or has ended."""
    python, method, reason, hint = "", "", "", ""
    try:
        status = check_target(pid)
        python = inspect_target(pid).version_text
        method = "clone"
        if refusal := plan_memory(pid, status).clone_refusal:
            method, reason = "pause", refusal
            hint = f"heapgraph dump {pid} --method pause"
    except (NotAPythonProcess, TargetNotFound):
        return None
    except HeapgraphError as error:
        method = ""
        reason, hint = ": ".join(filter(None, (error.what, error.cause))), error.hint
    counters: dict[str, float] = {}
    with suppress(HeapgraphError), ProcessHandle(pid) as handle:
        counters = read_process_counters(handle)
    where = placement(control_group(pid))
    return PythonProcess(
        pid=pid,
        python=python,
        rss=_whole(counters.get("rss_bytes")),
        private=_whole(counters.get("private_bytes")),
        container=where.container,
        unit=where.unit,
        command=begun(command_line(pid), _LONGEST_COMMAND),
        dumpable=bool(method),
        method=method,
        reason=reason,
        hint=hint,
    )


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
