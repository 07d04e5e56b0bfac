"""A file that gets its final name only when it is whole.

It is written under a temporary name in the same folder and removed on any failure. Every step is
relative to the opened folder, so a folder renamed meanwhile cannot lead a root user's file astray.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import TYPE_CHECKING, BinaryIO, Self

from heapgraph.errors import SnapshotWriteFailed
from heapgraph.units import format_size

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_PRIVATE = 0o600
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
_OUT_OF_SPACE = {errno.ENOSPC, errno.EDQUOT}


class PendingFile:
    """A context manager around the file being written.

    Nothing has the final name until `publish`; leaving the block without it, by whatever exception,
    removes the temporary file.

    Attributes:
        file: the open binary file to write to; seekable.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        """Create the temporary file beside `path`, mode 0600.

        Args:
            path: the final name.
            force: replace a file that has this name.

        Raises:
            SnapshotWriteFailed: the name is taken, or the folder is missing or not writable.
        """
        self._path = path
        self._force = force
        self._published = False
        try:
            self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise write_error(path, error) from error
        self._temporary = f".heapgraph-{secrets.token_hex(8)}.partial"
        try:
            self._refuse_taken_name()
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(self._temporary, flags, _PRIVATE, dir_fd=self._folder)
        except BaseException as error:
            os.close(self._folder)
            if isinstance(error, OSError | ValueError):
                raise write_error(path, error) from error
            raise
        self.file: BinaryIO = os.fdopen(descriptor, "w+b")

    def __enter__(self) -> Self:
        """Return the pending file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the temporary file unless it was published."""
        try:
            with contextlib.suppress(OSError):  # a full disk can fail the last flush again
                self.file.close()
            if not self._published:
                self._remove_temporary()
        finally:
            os.close(self._folder)

    def publish(self) -> None:
        """Bring the content to the disk, then give the file its final name.

        Without force a name that someone else took meanwhile is not replaced.

        Raises:
            SnapshotWriteFailed: the name is taken, or the disk refuses.
        """
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            if self._force:
                self._refuse_taken_name()
                os.rename(
                    self._temporary,
                    self._path.name,
                    src_dir_fd=self._folder,
                    dst_dir_fd=self._folder,
                )
            else:
                self._claim_name()
            self._published = True
            os.fsync(self._folder)
        except OSError as error:
            raise write_error(self._path, error) from error

    def _claim_name(self) -> None:
        """Give the file its name, which must be free: a hard link fails if it is not."""
        folder = self._folder
        try:
            os.link(self._temporary, self._path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # No hard links here (FAT, some network file systems): an empty file of our own claims
            # the name as safely, and the rename replaces only that.
            os.close(os.open(self._path.name, os.O_CREAT | os.O_EXCL, _PRIVATE, dir_fd=folder))
            os.rename(self._temporary, self._path.name, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            self._remove_temporary()

    def _remove_temporary(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._temporary, dir_fd=self._folder)

    def _refuse_taken_name(self) -> None:
        """Without force any existing name is refused, with force all but a regular file.

        A root user's `--force -o /dev/null` must not replace the device.
        """
        name = self._path.name or "."  # "/" and "." have no name of their own
        try:
            mode = os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            raise SnapshotWriteFailed(
                f"{self._path} exists and is not a regular file",
                "only a snapshot file can be replaced, not a folder, a link or a device",
                "choose another name with -o",
            )
        if not self._force:
            raise _exists(self._path)


def write_error(path: Path, error: OSError | ValueError) -> SnapshotWriteFailed:
    """Return what `error`, met while writing `path`, means to the user.

    Args:
        path: the final name of the file.
        error: from the operating system; a ValueError is a name with a NUL byte.
    """
    code = error.errno if isinstance(error, OSError) else errno.EINVAL
    reason = os.strerror(code or errno.EIO)
    what = f"cannot write {path}: {reason}"
    if code in _OUT_OF_SPACE:
        return SnapshotWriteFailed(
            f"{what} ({_free_text(path.parent)} free in {path.parent})",
            "the disk, or this user's share of it, is full; the incomplete file was removed",
            "free some space, or write elsewhere: -o /other/folder/NAME.heapgraph",
        )
    if code == errno.EEXIST:
        return _exists(path)
    if code in (errno.ENOENT, errno.ENOTDIR):
        return SnapshotWriteFailed(
            f"{what}: {path.parent}",
            "the folder to write to does not exist",
            f"create it first: mkdir -p {path.parent}",
        )
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SnapshotWriteFailed(
            f"{what}: {path.parent}",
            "this user may not create files in that folder, or it is mounted read-only",
            "choose a folder you can write to with -o",
        )
    if code == errno.EFBIG:
        return SnapshotWriteFailed(
            what,
            "the file system or the limit on file sizes (ulimit -f) does not allow the size",
            "write to another file system, or raise the limit",
        )
    return SnapshotWriteFailed(
        what, "the operating system refused; see the reason above", "write elsewhere with -o"
    )


def _exists(path: Path) -> SnapshotWriteFailed:
    return SnapshotWriteFailed(
        f"{path} exists",
        "an existing file is never overwritten unasked",
        "choose another name with -o, or replace it with --force",
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
