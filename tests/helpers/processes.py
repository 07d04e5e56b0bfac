"""Looking at a live process from outside, by `/proc` alone."""

from __future__ import annotations

import os
import platform
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_S = 0.001


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Return as soon as `condition` holds; fail with `what` when it never does.

    The limit is far above what any test needs, on a machine with other work too.
    """
    end = time.monotonic() + limit_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        pause.wait(_POLL_S)


def state_of(pid: int) -> str:
    """The letter of `/proc/PID/stat` (R, S, T, Z, ...), "" when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children_of(pid: int) -> list[int]:
    """Every child of every thread of a process, zombies too."""
    found = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            found += [int(child) for child in each.read_text().split()]
    return found


def exit_code_of(pid: int) -> int:
    """How a zombie ended: its exit code, or minus the signal that ended it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return os.waitstatus_to_exitcode(int(fields[-1]))


def is_blocked(pid: int) -> bool:
    """The main thread waits inside a system call other than for the scheduler."""
    try:
        return Path(f"/proc/{pid}/syscall").read_text()[0].isdigit() and state_of(pid) == "S"
    except OSError:
        return False


def is_paused(pid: int) -> bool:
    """The main thread is inside pause(), which a signal sent any earlier would not end.

    A thread that waits for the GIL is blocked as well, but has yet to call it.
    """
    call = {"x86_64": "34", "aarch64": "73"}[platform.machine()]  # arm64 has ppoll for it
    return _call_of(pid)[:1] == [call]


def is_reading(pid: int) -> bool:
    """The main thread waits for its standard input: what it does before that is done."""
    call = {"x86_64": "0", "aarch64": "63"}[platform.machine()]
    return _call_of(pid)[:2] == [call, "0x0"] and state_of(pid) == "S"


def _call_of(pid: int) -> list[str]:
    """Number and arguments of the system call in which the main thread is."""
    try:
        return Path(f"/proc/{pid}/syscall").read_text().split()
    except OSError:
        return []


def listens(place: Path) -> bool:
    """Whether a connection to that socket is taken: its file is there some time before."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(place)) == 0


def read_u64(pid: int, address: int) -> int:
    """Eight bytes of the memory of a process.

    Raises:
        OSError: the process has ended, or the address is not mapped.
    """
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        data = os.pread(memory, 8, address)
    finally:
        os.close(memory)
    if len(data) != 8:
        raise ProcessLookupError(f"process {pid} has no memory any more")
    return int.from_bytes(data, "little")


def write_u64(pid: int, address: int, value: int) -> None:
    """Change eight bytes of a fixture program's memory."""
    memory = os.open(f"/proc/{pid}/mem", os.O_WRONLY)
    try:
        os.pwrite(memory, value.to_bytes(8, "little"), address)
    finally:
        os.close(memory)


def resident_bytes(pid: int) -> int:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
