"""The process to look at: who it is, where its memory lies, which CPython it runs."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.capture.cpython.runtime import (
    Runtime,
    find_runtimes,
    find_version,
    is_not_started,
    read_build,
)
from heapgraph.capture.cpython.target import Target, choose_runtime, program_of, version_text
from heapgraph.capture.process.child_processes import python_children
from heapgraph.capture.process.maps import DELETED, read_maps
from heapgraph.capture.process.memory import ProcessMemory, UnreadableMemory
from heapgraph.capture.process.permissions import check_target, explain_refusal
from heapgraph.capture.process.start_time import start_time, started_of
from heapgraph.capture.process.target_files import open_mapped_file, read_inside
from heapgraph.errors import NotAPythonProcess, UnsupportedPython
from heapgraph.safe_text import storable

if TYPE_CHECKING:
    from heapgraph.capture.cpython.layouts import Layout

_ATTEMPTS = 5
_KIB = 1024
_LONGEST_COMMAND_LINE = 1 << 16  # bytes; a process can write there what it likes
_LONGEST_HOST_NAME = 64  # what the kernel keeps
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_FIND_PYTHONS = "list the Python processes here: heapgraph ps"


def inspect_target(pid: int) -> Target:
    """Find out what has to be known of a process before it is frozen.

    The process runs on meanwhile and is not touched; a few hundred words of its memory are read.

    Raises:
        TargetNotFound, TargetAlreadyTraced, TargetError: see `permissions.check_target`.
        TargetPermissionDenied: its mappings or its memory may not be read.
        NotAPythonProcess: there is no CPython runtime in it, or none that is initialised.
        UnsupportedPython: a version or a build that heapgraph cannot read.

    Cost: 10-40 ms.
    """
    status = check_target(pid)
    maps = read_maps(pid, sizes=False)
    executable = _executable(pid)
    try:
        with ProcessMemory(pid) as memory:
            runtimes = find_runtimes(maps, executable, partial(open_mapped_file, pid), memory)
            found = choose_runtime(runtimes, partial(_version_of_running, memory))
            if found is None:
                check_target(pid)  # it may have ended meanwhile
                raise _no_runtime(pid, executable or status.get("Name", "?"))
            runtime, version, layout = found
            build = read_build(memory, layout, runtime.address)
    except PermissionError as error:
        raise explain_refusal(pid, error.errno or 0) from error
    return Target(
        pid=pid,
        executable=storable(program_of(executable, (mapping.path for mapping in maps))),
        command_line=_command_line(pid),
        version=(version >> 24, version >> 16 & 0xFF, version >> 8 & 0xFF),
        version_text=version_text(version),
        build=build,
        rss=int(status.get("VmRSS", "0 kB").split()[0]) * _KIB,
        hostname=_hostname(pid),
        started=_started(pid),
        runtime_address=runtime.address,
        runtime_end=runtime.file_end,
        maps=maps,
        layout=layout,
        tracemalloc_config=runtime.tracemalloc_config,
    )


def _version_of_running(memory: ProcessMemory, runtime: Runtime) -> tuple[int, Layout]:
    """Ask several times: the process runs, and what is read may just be changing."""
    for _ in range(_ATTEMPTS):
        memory.forget()
        with suppress(UnreadableMemory):
            return find_version(memory, runtime)
    check_target(memory.pid)
    version = runtime.version_in_name
    name = f"CPython {version[0]}.{version[1]}" if version else "CPython"
    if is_not_started(memory, runtime):
        raise _not_started(memory.pid, name)
    raise UnsupportedPython(
        f"the Python objects of process {memory.pid} cannot be found",
        f"it has just started or is ending, or its {name} is patched or built --with-trace-refs",
        "try again in a moment; if it stays, run the program on a default build",
    )


def _no_runtime(pid: int, name: str) -> NotAPythonProcess:
    what = f"process {pid} ({name}) is not a Python process"
    cause = "no CPython is mapped into it"
    if "pypy" in name.rpartition("/")[2].lower():
        cause = "it runs PyPy; heapgraph reads the heap of CPython only"
    children_cause, hint = _about_children(pid)
    return NotAPythonProcess(what, f"{cause}{children_cause}", hint)


def _not_started(pid: int, name: str) -> NotAPythonProcess:
    children_cause, hint = _about_children(pid)
    return NotAPythonProcess(
        f"no Python runs in process {pid}",
        f"{name} is mapped into it, but was not started, or has ended{children_cause}",
        hint,
    )


def _about_children(pid: int) -> tuple[str, str]:
    """What a process that runs no Python itself may have to do with it, and what to type."""
    if children := python_children(pid):
        which = ", ".join(map(str, children))
        return f"; it started processes that have: {which}", f"heapgraph dump {children[0]}"
    return "", _FIND_PYTHONS


def _executable(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(DELETED)
    except PermissionError as error:
        raise explain_refusal(pid, error.errno or 0) from error
    except OSError:
        return ""


def _command_line(pid: int) -> tuple[str, ...]:
    try:
        with Path(f"/proc/{pid}/cmdline").open("rb") as stream:
            content = stream.read(_LONGEST_COMMAND_LINE)
    except OSError:
        return ()
    return tuple(part.decode(errors="replace") for part in content.rstrip(b"\0").split(b"\0"))


def _hostname(pid: int) -> str:
    """The host's name in the target's own namespace, which may be that of a container.

    There it is what a file says, which can be anything: what does not look like a name is left out.
    """
    try:
        if Path(f"/proc/{pid}/ns/uts").readlink() == Path("/proc/self/ns/uts").readlink():
            return os.uname().nodename
        content = read_inside(pid, "/etc/hostname", _LONGEST_HOST_NAME + 1)
    except OSError:
        return ""
    name = content.decode(errors="replace").strip()
    return name if _HOST_NAME.fullmatch(name) else ""


def _started(pid: int) -> str:
    """Boot time plus the clock ticks from then to the start of the process."""
    try:
        seconds = start_time(started_of(pid))
    except (OSError, IndexError, ValueError):
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
