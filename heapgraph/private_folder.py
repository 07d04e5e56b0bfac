"""Folders that nobody but this user can have furnished, opened step by step.

Whoever runs heapgraph may be root with the home folder of somebody else (`sudo -E`), or have named
a folder below /tmp. What is kept in a folder of another user would be that user's word, and what
is written through a link of theirs would land wherever they like.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAX_LINKS = 40  # as the kernel has it


class FolderRefused(Exception):
    """A folder that another user could have changed, in words."""


def open_private(path: Path, *, create: bool) -> int:
    """Open a folder of this user, on a way that nobody else can bend.

    The folders on the way and links in them have to be this user's or root's; the folder itself
    this user's, no link, and closed for all others.

    Args:
        path: the folder.
        create: make what is missing, mode 0700.

    Returns:
        Its descriptor.

    Raises:
        FolderRefused: somebody else has, or could have, a hand in it.
        OSError: it is missing, or cannot be opened or made.
    """
    current = os.open("/", _FOLDER)
    try:
        pending = list(reversed(path.absolute().parts[1:]))
        links = 0
        while pending:
            _check_on_the_way(current, path)
            name = pending.pop()
            about = _look(name, current, create=create)
            if stat.S_ISLNK(about.st_mode):
                links += 1
                _check_link(about, path, is_last=not pending or links > _MAX_LINKS)
                target = Path(os.readlink(name, dir_fd=current))
                pending += reversed(target.parts[1:] if target.is_absolute() else target.parts)
                name = "/" if target.is_absolute() else "."
            current = _replaced(current, os.open(name, _FOLDER, dir_fd=current))
        close_for_others(current, path)
    except BaseException:
        os.close(current)
        raise
    return current


def open_within(folder: int, name: str, *, create: bool) -> int:
    """Open a folder directly in one that `open_private` has opened, under the same conditions."""
    if stat.S_ISLNK(_look(name, folder, create=create).st_mode):
        raise FolderRefused(f"{name} is a link")
    descriptor = os.open(name, _FOLDER, dir_fd=folder)
    try:
        close_for_others(descriptor, Path(name))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_own_file(descriptor: int) -> bool:
    """Tell whether an open file is a regular one of this user that nobody else can write to."""
    about = os.fstat(descriptor)
    others = stat.S_IWGRP | stat.S_IWOTH
    is_own = about.st_uid == os.geteuid() and not about.st_mode & others
    return stat.S_ISREG(about.st_mode) and is_own


def close_for_others(folder: int, path: Path) -> None:
    """Refuse a folder of another user, or one that others can write to; hide it from them else.

    One that others may look into is closed where that takes nothing from them: all in it is closed
    for them already, as our own files are. Root that named / or /etc by mistake would lock out
    everybody.

    Raises:
        FolderRefused: it is one, or has something that others may use.
    """
    about = os.fstat(folder)
    if about.st_uid != os.geteuid():
        raise FolderRefused(f"{path} belongs to user {about.st_uid}")
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise FolderRefused(f"others can write to {path}")
    if stat.S_IMODE(about.st_mode) != _PRIVATE:
        if _is_used_by_others(folder):
            raise FolderRefused(
                f"{path} is open to others, and so is what it has in it: "
                "heapgraph needs a folder of its own, e.g. an empty one"
            )
        os.fchmod(folder, _PRIVATE)


def _is_used_by_others(folder: int) -> bool:
    """Whether anything in it is open to others; a link, too, as nobody knows what for it is."""
    with os.scandir(folder) as entries:
        return any(entry.stat(follow_symlinks=False).st_mode & _OTHERS for entry in entries)


def _look(name: str, folder: int, *, create: bool) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if not create:
            raise
    with contextlib.suppress(FileExistsError):  # then it is checked like any other
        os.mkdir(name, _PRIVATE, dir_fd=folder)
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _check_on_the_way(folder: int, path: Path) -> None:
    about = os.fstat(folder)
    if about.st_uid not in (0, os.geteuid()):
        raise FolderRefused(f"a folder above {path} belongs to user {about.st_uid}")
    by_group = about.st_mode & stat.S_IWGRP and about.st_gid not in (0, os.getegid())
    if (about.st_mode & stat.S_IWOTH or by_group) and not about.st_mode & stat.S_ISVTX:
        raise FolderRefused(f"others can write to a folder above {path}")


def _check_link(about: os.stat_result, path: Path, *, is_last: bool) -> None:
    if is_last or about.st_uid not in (0, os.geteuid()):
        raise FolderRefused(f"{path} is a link, or leads through one of user {about.st_uid}")


def _replaced(old: int, new: int) -> int:
    os.close(old)
    return new
