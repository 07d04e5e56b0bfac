"""Where the chain ends on the disk, and what a crash has left behind that end."""

from __future__ import annotations

import os
from typing import NamedTuple

from heapgraph.watch.audit.failures import AuditUnavailable
from heapgraph.watch.audit.files import (
    FileName,
    hash_from,
    names_in,
    newline_before,
    open_to_read,
)
from heapgraph.watch.audit.record import GENESIS, MAX_LINE_BYTES, hash_of, parsed, seconds_of


class Torn(NamedTuple):
    """Bytes at the end of a file that are no line: the process or the machine ended there.

    They stay where they are, for whoever wants to look at them; the log goes on in a new file.

    Attributes:
        file: its name.
        size: how many bytes.
        sha256: of them.
    """

    file: str
    size: int
    sha256: str


class Tail(NamedTuple):
    """The end of the chain.

    Attributes:
        seq: number of the last line; 0 for an empty log.
        hash: of the last line.
        at: its time, seconds since 1970; 0 for an empty log.
        file: with the last line, None for an empty log.
        size: of that file, bytes.
        torn: what is behind that line, in this file and in those after it.
    """

    seq: int
    hash: str
    at: float
    file: FileName | None
    size: int
    torn: tuple[Torn, ...]


def read_tail(folder: int) -> Tail:
    """The end of the log in a folder.

    Raises:
        AuditUnavailable: the last lines are none of ours.
        OSError: a file cannot be read.

    Cost: the last two lines are read, and what is torn.
    """
    torn: list[Torn] = []
    for name in reversed(names_in(folder)):
        descriptor = open_to_read(folder, name.name)
        try:
            found = _read_end(descriptor, name, torn)
        finally:
            os.close(descriptor)
        if found is not None:
            return found
    return Tail(0, GENESIS, 0.0, None, 0, tuple(torn))


def last_line(folder: int, name: FileName) -> tuple[int, str, float] | None:
    """Number, hash and time of the last line of one file; None: it has none."""
    descriptor = open_to_read(folder, name.name)
    try:
        tail = _read_end(descriptor, name, [])
    finally:
        os.close(descriptor)
    return None if tail is None else (tail.seq, tail.hash, tail.at)


def _read_end(descriptor: int, name: FileName, torn: list[Torn]) -> Tail | None:
    """The end of the chain in one file; None where it has no line, `torn` then has what it has."""
    size = os.fstat(descriptor).st_size
    end = newline_before(descriptor, size) + 1
    line_start = newline_before(descriptor, end - 1) + 1 if end else 0
    line = _line(descriptor, line_start, end)
    if end and parsed(line) is None:
        # Of a line that spans blocks, a lost block may come before the line feed.
        end = line_start
        line_start = newline_before(descriptor, end - 1) + 1 if end else 0
        line = _line(descriptor, line_start, end)
    if end < size:
        torn.insert(0, Torn(name.name, size - end, hash_from(descriptor, end, size)))
    if not end:
        return None
    record = parsed(line)
    at = None if record is None else seconds_of(record)
    if record is None or at is None:
        raise AuditUnavailable(
            f"the last lines of {name.name} are no lines of the audit log",
            "somebody has written into it, or the disk is damaged",
            "heapgraph audit verify FOLDER; then move the folder away to begin a new log",
        )
    return Tail(record["seq"], hash_of(line), at, name, size, tuple(torn))


def _line(descriptor: int, start: int, end: int) -> bytes:
    return os.pread(descriptor, end - start, start) if end - start <= MAX_LINE_BYTES else b""
