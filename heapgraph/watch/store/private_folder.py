"""A folder that only the daemon's own user can look into, and files that are whole or not there."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from heapgraph.errors import HeapgraphError
from heapgraph.private_folder import FolderRefused, open_private

_FILE_MODE = 0o600

UNUSABLE = ".unusable"
"""Stands behind the name of what was damaged and is kept for people."""


def open_private_folder(path: Path) -> Path:
    """Make a folder where there is none, and refuse one that others could have furnished.

    Args:
        path: the folder; see `heapgraph.private_folder.open_private`.

    Raises:
        HeapgraphError: it is a link, another user's, or others can write to it or above it.
    """
    try:
        os.close(open_private(path, create=True))
    except FolderRefused as error:
        raise HeapgraphError(
            f"{path} is not kept in", str(error), "name a folder that only this user can change"
        ) from error
    except OSError as error:
        raise HeapgraphError(
            f"no folder {path}", str(error.strerror), "make it, or name another one"
        ) from error
    return path


def write_private_file(path: Path, content: bytes) -> None:
    """Write a file that is there whole, or as it was before.

    Args:
        path: in a folder of `open_private_folder`.
        content: all of it.

    Raises:
        OSError: the disk is full or read-only; the file is as it was.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(_FILE_MODE)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def read_private_file(path: Path, most: int) -> bytes:
    """The beginning of a regular file; nothing else is waited for.

    Args:
        path: in a folder of `open_private_folder`.
        most: bytes that are read.

    Raises:
        OSError: it is not there, a link, a folder or a pipe.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return stream.read(most)


def set_aside(path: Path) -> bool:
    """Give a file that cannot be used another name, so that nobody stumbles over it again.

    Args:
        path: in a folder of `open_private_folder`; an earlier one of that name is replaced.

    Returns:
        Whether it is out of the way.
    """
    try:
        path.rename(path.with_name(path.name + UNUSABLE))
    except OSError:
        return False
    return True


def lock_file(path: Path) -> int:
    """Keep other processes out of what a file stands for, until its descriptor is closed.

    Args:
        path: in a folder of `open_private_folder`; made where it is not there.

    Raises:
        BlockingIOError: another process has it.
        OSError: it cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, _FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
