"""What is said of a file that cannot be read as a snapshot: one constructor per finding."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from heapgraph.errors import SnapshotFormatError

# The text is shown on terminals and copied into shells, and comes from the file.
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")
_TAKE_ANOTHER = "copy the file again, or take a new snapshot: heapgraph dump PID"
_GIVE_A_SNAPSHOT = "give the path of a file that heapgraph dump wrote"


def damaged(path: Path | str, member: str, problem: str) -> SnapshotFormatError:
    """A member that is not as it was written."""
    return SnapshotFormatError(
        f"{member} in {path} is damaged: {problem}",
        "the file was changed or copied incompletely after heapgraph wrote it",
        _TAKE_ANOTHER,
        member=member,
    )


def cut_short(path: Path | str) -> SnapshotFormatError:
    """A file that begins like a snapshot, without the directory at the end of every zip file."""
    return SnapshotFormatError(
        f"{path} is cut short: the directory at the end of the file is missing or damaged",
        "a copy or a download of the snapshot was interrupted",
        _TAKE_ANOTHER,
    )


def empty(path: Path | str) -> SnapshotFormatError:
    """A file without a byte."""
    return SnapshotFormatError(
        f"{path} is empty", "a copy or a download of the snapshot never started", _TAKE_ANOTHER
    )


def foreign(path: Path | str, problem: str, member: str = "") -> SnapshotFormatError:
    """A file of another program."""
    return SnapshotFormatError(
        f"{path} is not a heapgraph snapshot: {problem}",
        "the file was made by another program",
        _GIVE_A_SNAPSHOT,
        member=member,
    )


def not_a_file(path: Path | str, kind: str) -> SnapshotFormatError:
    """A folder, a pipe or a device."""
    return SnapshotFormatError(
        f"{path} is {kind}", "a snapshot is one file, usually NAME.heapgraph", _GIVE_A_SNAPSHOT
    )


def cannot_open(path: Path | str, error: OSError | ValueError) -> SnapshotFormatError:
    """What the operating system refused; a ValueError is a path with a NUL byte."""
    code = error.errno if isinstance(error, OSError) else errno.EINVAL
    what = f"cannot read {path}: {os.strerror(code or errno.EIO)}"
    if code in (errno.EACCES, errno.EPERM):
        return SnapshotFormatError(
            what,
            "only the user who took a snapshot, often root, may read it",
            f"read it as that user, or hand it over: sudo chown $USER {path}",
        )
    if code in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ENAMETOOLONG):
        return SnapshotFormatError(
            what,
            "the path is misspelt, or the file was moved",
            f"look for it: ls {Path(path).parent}",
        )
    return SnapshotFormatError(
        what, "the disk or the file system failed to read it", "see the reason above and dmesg"
    )


def other_version(
    path: Path | str, version: int, known: int, tool_version: str
) -> SnapshotFormatError:
    """A snapshot of a format version that this heapgraph does not read."""
    newer = version > known
    written_by = tool_version if _VERSION.fullmatch(tool_version) else "of an unknown version"
    return SnapshotFormatError(
        f"{path} has format version {version}; this heapgraph reads version {known}",
        f"it was written by {'a later' if newer else 'an earlier'} heapgraph, {written_by}",
        "update this one: pip install --upgrade heapgraph"
        if newer
        else "dump the process again: heapgraph dump PID; "
        f"or read it with the heapgraph that wrote it, {written_by}",
        member="manifest.json",
    )
