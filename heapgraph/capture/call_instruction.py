"""Where in the target's code a system call can be made from."""

from __future__ import annotations

import errno
import os
import platform

from heapgraph.capture.permissions import explain_refusal
from heapgraph.errors import TargetError

_CALL_INSTRUCTIONS = {"x86_64": (b"\x0f\x05", 1), "aarch64": (b"\x01\x00\x00\xd4", 4)}
"""The bytes of a system call instruction and its alignment."""

_SEARCH_STEP = 2**20


def find_call_instruction(pid: int) -> int:
    """Address of a system call instruction in the target's code, the vDSO's if there is one.

    Looked up before anything is stopped.

    Args:
        pid: the target.

    Raises:
        TargetPermissionDenied: its memory may not be read.
        TargetError: it has no such instruction, or this processor is not supported.
    """
    machine = platform.machine()
    if machine not in _CALL_INSTRUCTIONS:
        raise TargetError(
            f"heapgraph cannot freeze processes on {machine}",
            "it knows the registers of x86_64 and aarch64 only",
            "dump a core file and read it on such a machine",
        )
    pattern, alignment = _CALL_INSTRUCTIONS[machine]
    try:
        ranges = _executable_ranges(pid)
        memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    except OSError as error:
        raise explain_refusal(pid, error.errno or errno.EPERM) from error
    try:
        for start, end in ranges:
            address = _search(memory, start, end, pattern, alignment)
            if address is not None:
                return address
    finally:
        os.close(memory)
    raise TargetError(
        f"no system call instruction was found in the code of process {pid}",
        "its code cannot be read, or it has ended",
        "use --method pause",
    )


def _executable_ranges(pid: int) -> list[tuple[int, int]]:
    """Readable code ranges, the vDSO first: it is small, always there and never unmapped."""
    found: list[tuple[bool, int, int]] = []
    with open(f"/proc/{pid}/maps", "rb") as maps:  # noqa: PTH123 - OSError is the caller's
        for line in maps:
            span, permissions, *rest = line.split()
            if permissions[:3] == b"r-x" and rest[-1] != b"[vsyscall]":
                start, end = (int(part, 16) for part in span.split(b"-"))
                found.append((rest[-1] != b"[vdso]", start, end))
    return [(start, end) for _, start, end in sorted(found)]


def _search(memory: int, start: int, end: int, pattern: bytes, alignment: int) -> int | None:
    for address in range(start, end, _SEARCH_STEP):
        try:
            data = os.pread(memory, min(_SEARCH_STEP, end - address), address)
        except OSError:
            return None  # the range went away, or cannot be read: the next one will do
        found = data.find(pattern)
        while found >= 0 and found % alignment != 0:
            found = data.find(pattern, found + 1)
        if found >= 0:
            return address + found
    return None
