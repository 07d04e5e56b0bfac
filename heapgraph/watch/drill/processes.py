"""What /proc says of processes of a drill: state, tracer, children, descriptors."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from heapgraph.capture.process.child_processes import children_of
from heapgraph.capture.process.start_time import stat_fields, ticks_in_seconds

PROC = Path("/proc")


def state_of(pid: int) -> str:
    """The letter of the state (R, S, T, Z, ...); "" where there is no such process."""
    try:
        return stat_fields((PROC / str(pid) / "stat").read_text())[0]
    except (OSError, IndexError):
        return ""


def status_number(pid: int, name: str) -> int:
    """A number of /proc/PID/status: "TracerPid", "Threads", "VmRSS" (KiB); -1 where it has none."""
    with suppress(OSError, ValueError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return -1


def descendants_of(pid: int) -> list[int]:
    """Children, their children, and so on."""
    found: list[int] = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return found


def command_line(pid: int) -> list[str]:
    """The arguments of a process; none where it has ended."""
    with suppress(OSError):
        content = (PROC / str(pid) / "cmdline").read_bytes()
        return content.decode(errors="replace").rstrip("\0").split("\0")
    return []


def descriptors_of(pid: int) -> dict[str, str]:
    """Numbers of open descriptors, and what each is of."""
    found = {}
    for link in (PROC / str(pid) / "fd").iterdir():
        with suppress(OSError):
            found[link.name] = str(link.readlink())
    return found


def processes_with(text: str) -> list[int]:
    """Pids of those whose command line has a text and that have not ended."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())
    return [
        pid
        for pid in pids
        if any(text in word for word in command_line(pid)) and state_of(pid) not in ("", "Z")
    ]


def processor_seconds(pid: int) -> float:
    """Processor time that a process has taken, without its children."""
    fields = stat_fields((PROC / str(pid) / "stat").read_text())
    return ticks_in_seconds(int(fields[11]) + int(fields[12]))


def waiting_seconds(pid: int) -> float:
    """Time in which the first thread of a process could run and had no processor.

    Other work of the machine had them; 0 where the kernel does not count it.
    """
    with suppress(OSError, ValueError, IndexError):
        return int((PROC / str(pid) / "schedstat").read_text().split()[1]) / 1e9
    return 0.0
