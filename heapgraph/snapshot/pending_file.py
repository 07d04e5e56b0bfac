"""A file that gets its final name only when it is whole.

Where the file system can, it has no name at all before: whatever ends the program, SIGKILL too,
nothing is left. Elsewhere it is written under a temporary name in the same folder, which is removed
on any failure and any signal that can be caught. A program that is killed at once leaves that name,
there or while it replaces a file; the next one that writes into the folder removes it. Every step
is relative to the opened folder, so a folder renamed meanwhile cannot lead a root user's file
astray.

Whatever heapgraph writes for its user is written like this: snapshots, pictures, exports.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from heapgraph.errors import OutputNotWritten, SnapshotWriteFailed
from heapgraph.snapshot.held_signals import EndingAsInterrupt, signals_held
from heapgraph.snapshot.write_errors import name_taken, no_file, write_error

if TYPE_CHECKING:
    from types import TracebackType

    from heapgraph.snapshot.write_errors import WriteFailed

_PRIVATE = 0o600
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
_NO_NAMELESS_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}
"""What O_TMPFILE gives where the file system does not have it (open(2)); a folder that is missing
was found before."""

_TEMPORARY = re.compile(r"\.heapgraph-[0-9a-f]{16}\.partial")
_ATTEMPTS = 100  # to make a file that nobody tidies away before it is locked

_OWN_FILES = Path("/proc/self/fd")


class PendingFile:
    """A context manager around the file being written.

    Nothing has the final name until `publish`; leaving the block without it, by whatever exception
    or signal, leaves nothing.

    Attributes:
        file: the open binary file to write to; seekable. There inside the block.
    """

    file: BinaryIO

    def __init__(
        self, path: Path, *, force: bool = False, failure: WriteFailed = SnapshotWriteFailed
    ) -> None:
        """Do nothing yet.

        Args:
            path: the final name.
            force: replace a file that has this name.
            failure: the kind of every error.
        """
        self._failure = failure
        self._path = path
        self._force = force
        self._folder = -1
        self._descriptor = -1
        self._temporary = f".heapgraph-{secrets.token_hex(8)}.partial"
        self._has_temporary_name = False
        self._ending = EndingAsInterrupt()

    def __enter__(self) -> Self:
        """Create the file in the folder of the final name, mode 0600.

        Raises:
            SnapshotWriteFailed, or `failure`: the name is taken, or the folder is missing or not
                writable.
        """
        try:
            return self._enter()
        except BaseException as error:
            self._discard()
            if isinstance(error, OSError | ValueError):
                raise write_error(self._path, error, self._failure) from error
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove what was not published."""
        self._discard()

    def publish(self) -> None:
        """Bring the content to the disk, then give the file its final name.

        Without force a name that someone else took meanwhile is not replaced.

        Raises:
            SnapshotWriteFailed: the name is taken, or the disk refuses.
        """
        try:
            self.file.flush()
            os.fsync(self._descriptor)
            with signals_held():  # between one name and the other
                if self._force and self._is_name_taken():
                    self._take_temporary_name()
                    self._rename()
                else:
                    self._claim_name()
            os.fsync(self._folder)
        except OSError as error:
            raise write_error(self._path, error, self._failure) from error

    def _enter(self) -> Self:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self._ending.install()
        with signals_held():  # between the opening of something and its being known
            self._folder = os.open(self._path.parent, flags)
            self._is_name_taken()
            remove_left(self._folder)
            self._create()
        if not self._has_temporary_name:  # nothing is left, whatever ends the program
            self._ending.restore()
        return self

    def _create(self) -> None:
        """Open the file: without a name if that can be had, else under the temporary one."""
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            self._descriptor = os.open(".", flags | os.O_TMPFILE, _PRIVATE, dir_fd=self._folder)
        except OSError as error:
            if error.errno not in _NO_NAMELESS_FILES:
                raise
        if self._descriptor >= 0 and not self._can_be_named():
            os.close(self._descriptor)
            self._descriptor = -1
        if self._descriptor < 0:
            self._descriptor = self._open_temporary_name()
        self.file = os.fdopen(self._descriptor, "w+b")
        _lock(self._descriptor)

    def _can_be_named(self) -> bool:
        """Whether /proc is there, through which alone a file without a name gets one."""
        try:
            seen = (_OWN_FILES / str(self._descriptor)).stat()
        except OSError:
            return False
        return os.path.samestat(seen, os.fstat(self._descriptor))

    def _open_temporary_name(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        for _ in range(_ATTEMPTS):
            descriptor = os.open(self._temporary, flags, _PRIVATE, dir_fd=self._folder)
            self._has_temporary_name = True
            _lock(descriptor)
            if os.fstat(descriptor).st_nlink:  # nobody took it for one that was left
                return descriptor
            os.close(descriptor)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _take_temporary_name(self) -> None:
        """Give a file without a name the temporary one."""
        if self._has_temporary_name:
            return
        try:
            self._link(self._temporary)
            self._has_temporary_name = True
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # No known file system has files without names and no links. A copy is better than to
            # have captured for nothing.
            copy = os.fdopen(self._open_temporary_name(), "w+b")
            with self.file as original:
                self.file, self._descriptor = copy, copy.fileno()
                original.seek(0)
                shutil.copyfileobj(original, copy)
            copy.flush()
            os.fsync(copy.fileno())

    def _link(self, name: str) -> None:
        """Give the file one name more, which must be free."""
        source = self._temporary if self._has_temporary_name else _OWN_FILES / str(self._descriptor)
        folder = self._folder
        # What is in /proc is a link, and the file behind it is meant.
        os.link(source, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)

    def _rename(self) -> None:
        name = self._path.name
        os.rename(self._temporary, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._has_temporary_name = False

    def _claim_name(self) -> None:
        """Give the file its name, which must be free: a hard link fails if it is not."""
        try:
            self._link(self._path.name)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # No hard links here (FAT, some network file systems): an empty file of our own claims
            # the name as safely, and the rename replaces only that.
            self._take_temporary_name()
            flags = os.O_CREAT | os.O_EXCL
            os.close(os.open(self._path.name, flags, _PRIVATE, dir_fd=self._folder))
            self._rename()
        else:
            self._remove_temporary_name()

    def _remove_temporary_name(self) -> None:
        if self._has_temporary_name:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary, dir_fd=self._folder)
            self._has_temporary_name = False

    def _discard(self) -> None:
        """Close everything and remove the temporary name, if there is one."""
        try:
            with signals_held():  # a second one would leave what the first one made us remove
                self._remove_temporary_name()
                if self._descriptor >= 0:
                    with contextlib.suppress(OSError):  # a full disk can fail the last flush again
                        self.file.close()
                    self._descriptor = -1
                if self._folder >= 0:
                    os.close(self._folder)
                    self._folder = -1
        finally:
            self._ending.restore()

    def _is_name_taken(self) -> bool:
        """Refuse any existing name; with force all but a regular file, of which True is said.

        A root user's `--force -o /dev/null` must not replace the device.
        """
        name = self._path.name or "."  # "/" and "." have no name of their own
        try:
            mode = os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(mode):
            raise no_file(self._path, self._failure)
        if not self._force:
            raise name_taken(self._path, self._failure)
        return True


def write_whole(
    path: Path, content: bytes, *, force: bool = False, failure: WriteFailed = OutputNotWritten
) -> None:
    """Write a file as a snapshot is written: mode 0600, whole or not at all, no link followed.

    Args:
        path: the final name.
        content: of the file.
        force: replace a file that has this name.
        failure: the kind of the error.

    Raises:
        OutputNotWritten, or `failure`: the name is taken, or the file cannot be written.
    """
    with PendingFile(path, force=force, failure=failure) as pending:
        try:
            pending.file.write(content)
        except OSError as error:
            raise write_error(path, error, failure) from error
        pending.publish()


def remove_left(folder: int) -> None:
    """Remove what writers that were killed have left in a folder: this user's, and not locked.

    A writer that still runs has its file locked; where a file system has no locks, nothing is
    removed. What cannot be removed stays.

    Args:
        folder: its descriptor.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if _TEMPORARY.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                remove_unlocked(folder, name)


def remove_unlocked(folder: int, name: str) -> None:
    """Remove one such file, unless it is locked, no regular file, or another user's.

    Raises:
        OSError: it is not there, or cannot be opened, locked or removed.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    before = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(before.st_mode) or before.st_uid != os.geteuid():
        return
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        about = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if os.path.samestat(about, os.fstat(descriptor)):
            os.unlink(name, dir_fd=folder)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Show other writers that this file is being written, for as long as it is open."""
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
