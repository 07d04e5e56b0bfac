"""The bytes of a snapshot file, mapped, and which content they are."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from typing import TYPE_CHECKING

from heapgraph.snapshot import damage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from heapgraph.snapshot.archive import MemberRange

_IDENTITY_BYTES = 16


def map_file(path: Path) -> tuple[mmap.mmap, os.stat_result]:
    """Map a regular, not empty file; anything else is refused without reading from it.

    Returns:
        The mapping, and what the file system says of the file.

    Raises:
        SnapshotFormatError: it cannot be opened, or is something else.
    """
    try:
        # O_NONBLOCK: opening a named pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise damage.cannot_open(path, error) from error
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            kind = "a folder" if stat.S_ISDIR(state.st_mode) else "not a regular file"
            raise damage.not_a_file(path, kind)
        if state.st_size == 0:
            raise damage.empty(path)
        return mmap.mmap(descriptor, state.st_size, access=mmap.ACCESS_READ), state
    except OSError as error:
        raise damage.cannot_open(path, error) from error
    finally:
        os.close(descriptor)


def identity_of(
    image: mmap.mmap, state: os.stat_result, members: Mapping[str, MemberRange], manifest: str
) -> str:
    """What stands for the content of a file where something derived from it is kept.

    The manifest binds the tables by CRC-32 only, which anybody can keep while changing what they
    say. So the file itself is in it too: which one it is, and when it was last changed, which its
    owner cannot choose. A copy of a file is another one.

    Args:
        image: the mapped file.
        state: what the file system says of it.
        members: where they lie in it.
        manifest: the name of the manifest's member.

    Returns:
        Hexadecimal digits.
    """
    place = members[manifest]
    known = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    ranges = sorted((it.name, it.start, it.size, it.crc32) for it in members.values())
    digest = hashlib.blake2b(repr((known, ranges)).encode(), digest_size=_IDENTITY_BYTES)
    digest.update(image[place.start : place.start + place.size])
    return digest.hexdigest()
