"""Which mappings are memory that processes share, and what that is called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from heapgraph.model import SHARED_MEMORY
from heapgraph.safe_text import begun, printable

if TYPE_CHECKING:
    from heapgraph.graph.table_rows import MemoryMapping

ANONYMOUS = "anonymous"
"""Shared memory without a name: `mmap.mmap(-1, ...)`, which a kernel lists as `/dev/zero`."""

_DELETED = " (deleted)"
"""What the kernel puts behind the path of what has no name in a folder any more."""

_POSIX, _MEMFD = "/dev/shm/", "/memfd:"  # noqa: S108 - names in a listing
_SYSTEM_V = re.compile(r"/SYSV([0-9a-f]{8})")

_CHARACTERS = 100


def is_shared_memory(mapping: MemoryMapping) -> bool:
    """Whether a mapping that is not anonymous and private has no file of a disk."""
    return not mapping.path or mapping.path.startswith(SHARED_MEMORY)


def shared_memory_name(path: str) -> str:
    """What shared memory is called, in plain words.

    Args:
        path: as the kernel lists it; a target may have chosen it.

    Returns:
        The name it was given, "anonymous" without one; a System V segment by its key.
    """
    name = path.removesuffix(_DELETED)
    if found := _SYSTEM_V.fullmatch(name):
        return f"System V, key 0x{found[1]}"
    name = name.removeprefix(_MEMFD) if name.startswith(_MEMFD) else name.removeprefix(_POSIX)
    if not name or name == "/dev/zero":
        return ANONYMOUS
    is_gone = path.startswith(_POSIX) and path.endswith(_DELETED)
    return printable(begun(name, _CHARACTERS)) + (_DELETED if is_gone else "")
