"""A folder that only the daemon's own user can look into, and files that are whole or not there."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from heapgraph.errors import HeapgraphError

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


def open_private_folder(path: Path) -> Path:
    """Make a folder where there is none, and refuse one that others can get at.

    Args:
        path: the folder; those above it must exist, but for one.

    Raises:
        HeapgraphError: it is a link or no folder, another user's, or open to others.
    """
    try:
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        state = path.lstat()
    except OSError as error:
        raise HeapgraphError(
            f"no folder {path}", str(error.strerror), "make it, or name another one"
        ) from error
    if not stat.S_ISDIR(state.st_mode):
        raise HeapgraphError(f"{path} is no folder", "a link is not followed", "name the folder")
    if state.st_uid != os.geteuid():
        raise HeapgraphError(
            f"{path} is the folder of user {state.st_uid}",
            "another user could change what is kept there",
            f"chown {os.geteuid()} {path}, or name another one",
        )
    if state.st_mode & 0o077:
        raise HeapgraphError(
            f"other users can look into {path} (mode {stat.S_IMODE(state.st_mode):o})",
            "snapshots hold data of the targets",
            f"chmod 700 {path}",
        )
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


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
