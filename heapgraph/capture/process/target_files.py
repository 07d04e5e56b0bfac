"""Files that a target names, opened so that none of them can harm the one who looks.

A process in a container chooses what lies at each of its paths, and whoever looks may be root:
a link would lead to files of the host, a pipe would be waited for, a device would give bytes
without end or do something when it is opened. So a path is resolved inside the target's own root,
without following links, and only a regular file is opened at all.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from heapgraph.capture.process.maps import DELETED

if TYPE_CHECKING:
    from heapgraph.capture.process.maps import Mapping

_OPENAT2 = 437  # on every architecture
_NO_MAGIC_LINKS, _NO_LINKS, _IN_ROOT = 0x02, 0x04, 0x10  # RESOLVE_... of linux/openat2.h
_ATTEMPTS = 4  # the kernel asks to try again when something was renamed meanwhile
_NO_SUCH_CALL = {errno.ENOSYS, errno.EPERM}  # before 5.6; under some filters of system calls

_OUR_OWN = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM}
"""What says something of us; every other error means that there is nothing to be read."""

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_LIBC = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    """The struct open_how of linux/openat2.h."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_mapped_file(pid: int, mapping: Mapping) -> IO[bytes]:
    """Open the file behind a mapping, also one that is deleted or in another container.

    What is mapped is opened itself where this user may do so; something else may meanwhile lie at
    its path.

    Raises:
        PermissionError: it may not be read.
        FileNotFoundError: it is gone, or what is there is no regular file.
        ProcessLookupError: the process has ended.
    """
    try:
        return open_map_entry(pid, mapping.start, mapping.end)
    except OSError:
        if mapping.path.endswith(DELETED):
            raise
    return open_inside(pid, mapping.path)


def open_map_entry(pid: int, start: int, end: int) -> IO[bytes]:
    """Open the very file that is mapped at these addresses, wherever it lies now.

    Raises:
        OSError: only root may do so; or as of `open_regular`.
    """
    mapped = Path(f"/proc/{pid}/map_files/{start:x}-{end:x}")
    return open_regular(os.open(mapped, os.O_PATH | os.O_CLOEXEC))


def read_inside(pid: int, path: str, limit: int) -> bytes:
    """The content of a small file of a target; nothing of one that is larger than `limit`.

    Raises:
        OSError: as of `open_inside`; also what reading it met.
    """
    with open_inside(pid, path) as stream:
        content = stream.read(limit + 1)
    return content if len(content) <= limit else b""


def open_inside(pid: int, path: str) -> IO[bytes]:
    """Open a regular file at an absolute path as the target sees it, without following links.

    Raises:
        PermissionError, ProcessLookupError: the target's root, or the file, may not be opened.
        FileNotFoundError: there is none, or it is a link, or no regular file.
    """
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = look_beneath(root, path)
    finally:
        os.close(root)
    return open_regular(found)


def look_beneath(root: int, path: str) -> int:
    """A descriptor of what is at a path inside a folder; nothing is opened by that.

    Args:
        root: descriptor of the folder; nothing outside it is reached.
        path: with or without a slash in front.

    Raises:
        PermissionError: the path may not be searched.
        FileNotFoundError: there is nothing, or a link is on the way.
    """
    try:
        try:
            return _openat2(root, path)
        except OSError as error:
            if error.errno not in _NO_SUCH_CALL:
                raise
        return walk_beneath(root, path)
    except OSError as error:
        raise _in_one_word(error) from error


def walk_beneath(root: int, path: str) -> int:
    """`look_beneath` step by step, for kernels that cannot do it in one call."""
    current = os.dup(root)
    for part in PurePosixPath(path.lstrip("/")).parts:
        if part == "..":
            os.close(current)
            raise FileNotFoundError(errno.ENOENT, "leads upwards", path)
        try:
            following = os.open(part, _LOOK, dir_fd=current)  # a link on the way is no folder
        finally:
            os.close(current)
        current = following
    return current


def open_regular(found: int) -> IO[bytes]:
    """Open for reading what a descriptor of `O_PATH` stands for, which is closed.

    Only then is it known that there is no device and no pipe to be opened. A file of no length is
    refused too: such ones the kernel makes up, and to read some of them has effects.

    Raises:
        FileNotFoundError: it is no regular file, or an empty one.
        PermissionError: it may not be read.
    """
    try:
        about = os.fstat(found)
        if not stat.S_ISREG(about.st_mode) or about.st_size == 0:
            raise FileNotFoundError(errno.ENOENT, "no regular file with content")
        return os.fdopen(os.open(f"/proc/self/fd/{found}", _READ), "rb")
    except OSError as error:
        raise _in_one_word(error) from error
    finally:
        os.close(found)


def _in_one_word(error: OSError) -> OSError:
    """The same error, or that there is no such file."""
    if error.errno in _OUR_OWN:
        return error
    return FileNotFoundError(errno.ENOENT, error.strerror, error.filename)


def _openat2(root: int, path: str) -> int:
    how = _OpenHow(_LOOK, 0, _IN_ROOT | _NO_MAGIC_LINKS | _NO_LINKS)
    name = os.fsencode(path)
    if b"\0" in name:
        raise FileNotFoundError(errno.ENOENT, "no path", path)
    for _ in range(_ATTEMPTS):
        found: int = _LIBC.syscall(
            ctypes.c_long(_OPENAT2),
            ctypes.c_long(root),
            ctypes.c_char_p(name),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if found >= 0:
            return found
        code = ctypes.get_errno()
        if code != errno.EAGAIN:
            break
    raise OSError(code, os.strerror(code), path)
