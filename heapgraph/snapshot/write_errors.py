"""What the operating system refused while a snapshot was being written."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, TypeAlias

from heapgraph.errors import HeapgraphError, OutputNotWritten, SnapshotWriteFailed
from heapgraph.units import format_size

if TYPE_CHECKING:
    from pathlib import Path

_OUT_OF_SPACE = {errno.ENOSPC, errno.EDQUOT}

WriteFailed: TypeAlias = "type[SnapshotWriteFailed | OutputNotWritten]"
"""The kind of an error that is to be made of what went wrong."""


def write_error(
    path: Path, error: OSError | ValueError, kind: WriteFailed = SnapshotWriteFailed
) -> HeapgraphError:
    """Return what `error`, met while writing `path`, means to the user.

    Args:
        path: the final name of the file.
        error: from the operating system; a ValueError is a name with a NUL byte.
        kind: of the error returned.
    """
    code = error.errno if isinstance(error, OSError) else errno.EINVAL
    reason = os.strerror(code or errno.EIO)
    what = f"cannot write {path}: {reason}"
    if code in _OUT_OF_SPACE:
        return kind(
            f"{what} ({_free_text(path.parent)} free in {path.parent})",
            "the disk, or this user's share of it, is full; nothing is left of what was written",
            f"free some space, or write elsewhere: -o /other/folder/{path.name}",
        )
    if code == errno.EEXIST:
        return name_taken(path, kind)
    if code in (errno.ENOENT, errno.ENOTDIR):
        return kind(
            f"{what}: {path.parent}",
            "the folder to write to does not exist",
            f"create it first: mkdir -p {path.parent}",
        )
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return kind(
            f"{what}: {path.parent}",
            "this user may not create files in that folder, or it is mounted read-only",
            "choose a folder you can write to with -o",
        )
    if code == errno.EFBIG:
        return kind(
            what,
            "the file system or the limit on file sizes (ulimit -f) does not allow the size",
            "write to another file system, or raise the limit",
        )
    return kind(
        what, "the operating system refused; see the reason above", "write elsewhere with -o"
    )


def name_taken(path: Path, kind: WriteFailed = SnapshotWriteFailed) -> HeapgraphError:
    """Return what is said of a name that a file has already."""
    return kind(
        f"{path} exists",
        "an existing file is never overwritten unasked",
        "choose another name with -o, or replace it with --force",
    )


def no_file(path: Path, kind: WriteFailed = SnapshotWriteFailed) -> HeapgraphError:
    """Return what is said of a name that something else than a file has."""
    return kind(
        f"{path} exists and is not a regular file",
        "only a file can be replaced, not a folder, a link or a device",
        "choose another name with -o",
    )


def free_bytes(folder: Path) -> int:
    """Return the bytes this user can still write in a folder.

    Raises:
        OSError: there is no such folder.
    """
    state = os.statvfs(folder)
    blocks = state.f_bfree if os.geteuid() == 0 else state.f_bavail
    return blocks * state.f_frsize


def _free_text(folder: Path) -> str:
    try:
        return format_size(free_bytes(folder))
    except OSError:
        return "an unknown number of bytes"
