"""The files of the log: one a day, named by the number of their first line and by the day.

    audit-000000000001-2026-01-31.jsonl
    audit-000000000412-2026-02-01.jsonl

Their order is that of the numbers, whatever the clock of the machine did. A file is appended to,
and never truncated, renamed or written over.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
from contextlib import suppress
from typing import NamedTuple

from heapgraph.private_folder import is_own_file
from heapgraph.watch.audit.failures import AuditUnavailable

NAME = re.compile(r"audit-([0-9]{12})-([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.([0-9]{1,4}))?\.jsonl")

BLOCK_BYTES = 1 << 16

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_APPEND = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PRIVATE = 0o600
_MAX_SAME_NAMES = 1000

_RESERVE_BYTES = 1 << 18
"""Kept free on the disk behind the last line: what was begun can be finished in the log although
the disk is full, perhaps by the very snapshot that the log tells of."""

_KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE of fallocate(2)."""

_FALLOCATE = ctypes.CDLL(None, use_errno=True).fallocate
_FALLOCATE.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class FileName(NamedTuple):
    """A name, in the order of the chain.

    Attributes:
        first_seq: number of its first line.
        again: 0, or which one of those that begin with the same number.
        name: of the file.
        day: of its first line, in UTC.
    """

    first_seq: int
    again: int
    name: str
    day: str


def names_in(folder: int) -> list[FileName]:
    """The files of a log, in order; what has another name is not one."""
    found = (NAME.fullmatch(name) for name in os.listdir(folder))
    return sorted(FileName(int(one[1]), int(one[3] or 0), one[0], one[2]) for one in found if one)


def open_to_read(folder: int, name: str) -> int:
    """A descriptor of a file of the log.

    Raises:
        AuditUnavailable: a link, no regular file, another user's, or one that others can write to.
        OSError: it cannot be opened.
    """
    return _own(os.open(name, _READ, dir_fd=folder), name)


def open_to_append(folder: int, name: str) -> int:
    """The same, to write at its end."""
    return _own(os.open(name, _APPEND, dir_fd=folder), name)


def create(folder: int, first_seq: int, day: str) -> tuple[int, FileName]:
    """A new, empty file; one that a crash has left empty is taken."""
    for again in range(_MAX_SAME_NAMES):
        suffix = f".{again}" if again else ""
        name = f"audit-{first_seq:012d}-{day}{suffix}.jsonl"
        try:
            made = os.open(name, _APPEND | os.O_CREAT | os.O_EXCL, _PRIVATE, dir_fd=folder)
        except FileExistsError:
            made = open_to_append(folder, name)
            if os.fstat(made).st_size:
                os.close(made)
                continue
        os.fsync(folder)
        return made, FileName(first_seq, again, name, day)
    raise AuditUnavailable(
        f"no name is left for a file that begins with line {first_seq}",
        "the log was begun again and again without a line in it",
        "move the folder away, and look at why",
    )


def keep_free(descriptor: int, size: int) -> bool:
    """Reserve room behind the end of a file; False where the disk is full.

    A file system that cannot do it (NFS) is no reason to refuse.
    """
    if _FALLOCATE(descriptor, _KEEP_SIZE, size, _RESERVE_BYTES) == 0:
        return True
    return ctypes.get_errno() in (errno.EOPNOTSUPP, errno.ENOSYS)


def give_back(descriptor: int) -> None:
    """Free what was reserved, and nothing else."""
    with suppress(OSError):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size)


def newline_before(descriptor: int, end: int) -> int:
    """Offset of the last line feed before an offset; -1 for none."""
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found
        end = start
    return -1


def hash_from(descriptor: int, start: int, end: int) -> str:
    """SHA-256 of the bytes between two offsets."""
    digest = hashlib.sha256()
    while start < end and (block := os.pread(descriptor, min(BLOCK_BYTES, end - start), start)):
        digest.update(block)
        start += len(block)
    return digest.hexdigest()


def _own(descriptor: int, name: str) -> int:
    if is_own_file(descriptor):
        return descriptor
    os.close(descriptor)
    raise AuditUnavailable(
        f"{name} of the audit log is not this user's own",
        "it is no regular file, belongs to another user, or others can write to it",
        "move it away, and look at who made it",
    )
