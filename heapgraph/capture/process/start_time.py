"""When a process started, as the kernel writes it down: in clock ticks since the boot."""

from __future__ import annotations

import os
from pathlib import Path

_STARTED = 19  # field 22 of /proc/PID/stat, counted from the one behind the name
_STAT = Path("/proc/stat")


def stat_fields(stat: str) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may have spaces and brackets in it.

    Args:
        stat: the content of the file; the first field of the result is the state.
    """
    return stat.rpartition(")")[2].split()


def start_ticks(stat: str) -> int:
    """Clock ticks from the boot to the start of a process.

    Args:
        stat: the content of its /proc/PID/stat.

    Raises:
        ValueError, IndexError: it is not such a file.
    """
    return int(stat_fields(stat)[_STARTED])


def started_of(pid: int) -> int:
    """The same of a process that is there now.

    Raises:
        OSError: FileNotFoundError or ProcessLookupError where there is none.
    """
    return start_ticks(Path(f"/proc/{pid}/stat").read_text())


def ticks_in_seconds(ticks: int) -> float:
    """Clock ticks as seconds."""
    return ticks / os.sysconf("SC_CLK_TCK")


def start_time(ticks: int) -> float:
    """Time of day of a start, seconds since 1970, by the kernel's whole second of the boot.

    Raises:
        OSError, ValueError, IndexError: the kernel does not say when it was booted.
    """
    boot = _STAT.read_text().partition("\nbtime ")[2].split()[0]
    return int(boot) + ticks_in_seconds(ticks)
