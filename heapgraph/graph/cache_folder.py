"""Folders of the cache, tidied.

    <root>/.tidied    its time: when the folders of all snapshots were last looked through

A writer that was ended by a signal leaves a part of a file. A cache of years has thousands of
folders, and to look into each for parts takes longer than many a question: that is done once a
day, and by no process twice. Only the folder that is written to is looked into every time.
"""

from __future__ import annotations

import contextlib
import os
import re
import time

from heapgraph.private_folder import FolderRefused, open_within
from heapgraph.snapshot.pending_file import remove_unlocked

PART = ".part"
"""How the name of a file ends while it is being written."""

IDENTITY = re.compile(r"[0-9a-f]{8,64}")
"""Names of the folders in the root: one for each snapshot."""

_MARK = ".tidied"
_MARK_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SECONDS_BETWEEN = 24 * 60 * 60

_tidied: set[tuple[str, int, int]] = set()
"""Path, device and inode of the roots that this process has seen to."""


def tidy_root(root: int, path: str) -> None:
    """Remove left parts of any snapshot, unless that was done today.

    Args:
        root: descriptor of the cache's folder, which is closed for other users.
        path: of it.

    Cost: a look at one file the first time, then nothing; once a day two calls for each folder.
    """
    with contextlib.suppress(OSError):
        about = os.fstat(root)
        key = (path, about.st_dev, about.st_ino)
        if key in _tidied:
            return
        _tidied.add(key)
        if _is_due(root):
            with contextlib.suppress(OSError):  # a full disk is the best reason to go on
                _mark(root)  # first, so that no other process begins the same
            for name in filter(IDENTITY.fullmatch, _names_in(root)):
                _tidy_within(root, name)


def remove_left_parts(folder: int) -> None:
    """Remove left parts of one snapshot. A writer that still runs has its file locked.

    Args:
        folder: descriptor of its folder.
    """
    for part in _names_in(folder):
        if part.endswith(PART):
            with contextlib.suppress(OSError):
                remove_unlocked(folder, part)


def _is_due(root: int) -> bool:
    try:
        marked = os.stat(_MARK, dir_fd=root, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return True
    return not 0 <= time.time() - marked < _SECONDS_BETWEEN  # a clock may have been put back


def _mark(root: int) -> None:
    descriptor = os.open(_MARK, _MARK_FLAGS, 0o600, dir_fd=root)
    try:
        os.utime(descriptor)
    finally:
        os.close(descriptor)


def _tidy_within(root: int, name: str) -> None:
    with contextlib.suppress(OSError, FolderRefused):
        folder = open_within(root, name, create=False)
        try:
            remove_left_parts(folder)
        finally:
            os.close(folder)


def _names_in(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]
