"""The memory mappings of a process, as `/proc/PID/maps` and `/proc/PID/smaps` list them."""

from __future__ import annotations

import errno
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from heapgraph.capture.process.permissions import explain_refusal
from heapgraph.model import SHARED_MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

DELETED = " (deleted)"
"""What the kernel adds to the path of a file that has no name any more."""

MEMORY_DEVICES = ("/dev/zero", "/dev/shm/")  # noqa: S108 - names in a listing, not opened
"""How the paths of mappings begin that are memory although a device is named."""

NO_MEMORY = ("[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]")
"""Names of mappings that are the kernel's own."""

_FIELDS = 6  # range, permissions, offset, device, inode, path
_KIB = 1024
WITHHELD = frozenset({"dc", "wf"})
"""Flags "do not copy area on fork" and "wipe on fork"."""

HUGE = "ht"
"""Flag of memory from a pool of huge pages."""

FAULTS_HANDLED = frozenset({"um", "uw"})
"""VmFlags of memory whose page faults a program handles itself."""

_KEPT_FLAGS = WITHHELD | FAULTS_HANDLED | {HUGE}

_SIZES = ("Rss", "Pss", "Private_Dirty")


HEAP_NAME = "[heap]"
STACK_NAME = "[stack"  # old kernels name the stacks of threads as well: [stack:123]


@dataclass(frozen=True)
class Mapping:
    """One range of addresses of a process.

    Attributes:
        start, end: addresses; `end` is the first one behind it.
        permissions: four characters, e.g. "rw-p".
        offset: where in the file it begins.
        path: of the file as the target sees it, a name in brackets ("[heap]"), or "".
        rss: bytes in memory; 0 when sizes were not asked for or may not be read.
        pss: the same, shared pages divided by the number of their users.
        private_dirty: bytes that belong to this process alone.
        flags: those of the kernel's two-letter words that are asked for here; none without sizes.
    """

    start: int
    end: int
    permissions: str
    offset: int
    path: str
    rss: int = 0
    pss: int = 0
    private_dirty: int = 0
    flags: frozenset[str] = frozenset()

    @property
    def is_file(self) -> bool:
        """Tell whether a file of a file system is mapped here, and no device."""
        return self.path.startswith("/") and not self.path.startswith("/dev/")

    @property
    def is_own(self) -> bool:
        """Tell whether the process can write here, and nobody else sees it."""
        return self.permissions.startswith("rw-p")


def is_shared_memory(mapping: Mapping) -> bool:
    """Tell whether several processes may have it, and it is no file: it can only be swapped."""
    is_memory = not mapping.path or mapping.path.startswith(SHARED_MEMORY)
    return is_memory and mapping.permissions.endswith("s")


def read_maps(pid: int, *, sizes: bool = True) -> list[Mapping]:
    """Return the mappings of a process in address order.

    Args:
        pid: the process.
        sizes: also rss, pss and private_dirty, where the kernel lets them be read.

    Raises:
        TargetNotFound: there is no such process, or it ended meanwhile.
        TargetPermissionDenied: its mappings may not be read.

    Cost:
        One read, about 1 us per mapping. With sizes the kernel counts every page table entry of
        the process, some 10 ms per GiB, while threads of the target that map memory must wait.
    """
    if sizes:
        try:
            with Path(f"/proc/{pid}/smaps").open(errors="surrogateescape") as stream:
                return _parse(stream)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.ENOENT):
                raise explain_refusal(pid, error.errno or 0) from error
    try:
        with Path(f"/proc/{pid}/maps").open(errors="surrogateescape") as stream:
            return _parse(stream)
    except OSError as error:
        raise explain_refusal(pid, error.errno or 0) from error


def parse_listing(listing: bytes) -> list[Mapping]:
    """The mappings of a `/proc/PID/maps` that was read before."""
    return _parse(io.StringIO(listing.decode(errors="surrogateescape")))


def withheld_bytes(maps: Iterable[Mapping]) -> int:
    """Bytes of private memory that a clone of the process does not get, or gets as zeros.

    The process has asked for that (MADV_DONTFORK, MADV_WIPEONFORK).

    Args:
        maps: its mappings with sizes.
    """
    return sum(each.rss for each in maps if each.is_own and each.flags & WITHHELD)


def huge_bytes(maps: Iterable[Mapping]) -> int:
    """Bytes of private memory that come from a pool of huge pages, with what is reserved of it."""
    return sum(each.end - each.start for each in maps if each.is_own and HUGE in each.flags)


def handles_faults(maps: Iterable[Mapping]) -> bool:
    """Tell whether a program has taken over page faults of some of its memory (userfaultfd).

    Args:
        maps: its mappings with sizes.
    """
    return any(each.flags & FAULTS_HANDLED for each in maps)


def with_sizes(
    maps: Sequence[Mapping], before: Iterable[Mapping], keeps_rss: Callable[[Mapping], bool]
) -> list[Mapping]:
    """Complete the mappings of a clone with the sizes of its original.

    Args:
        maps: of the clone.
        before: of the original, from just before.
        keeps_rss: tells of which mappings the clone itself knows what is in memory.
    """
    sizes = {mapping.start: mapping for mapping in before}
    result = []
    for mapping in maps:
        known = sizes.get(mapping.start, mapping)
        rss = mapping.rss if keeps_rss(mapping) else known.rss
        result.append(replace(mapping, rss=rss, pss=known.pss, private_dirty=known.private_dirty))
    return result


def _parse(lines: IO[str]) -> list[Mapping]:
    mappings: list[Mapping] = []
    sizes: dict[str, int] = {}
    flags: frozenset[str] = frozenset()
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and name in _SIZES:
            sizes[name] = int(value.split()[0]) * _KIB
        elif colon and name == "VmFlags":
            flags = _KEPT_FLAGS.intersection(value.split())
        elif " " in name:  # "7f00-7f10 r-xp 0 08:01 ...": the colon is that of the device
            _add_sizes(mappings, sizes, flags)
            sizes, flags = {}, frozenset()
            mappings.append(_parse_line(line))
    _add_sizes(mappings, sizes, flags)
    return mappings


def _add_sizes(mappings: list[Mapping], sizes: dict[str, int], flags: frozenset[str]) -> None:
    if mappings and sizes:
        mappings[-1] = replace(
            mappings[-1],
            rss=sizes.get("Rss", 0),
            pss=sizes.get("Pss", 0),
            private_dirty=sizes.get("Private_Dirty", 0),
            flags=flags,
        )


def _parse_line(line: str) -> Mapping:
    parts = line.rstrip("\n").split(None, _FIELDS - 1)
    start, _, end = parts[0].partition("-")
    path = unescape_path(parts[-1]) if len(parts) == _FIELDS else ""
    return Mapping(int(start, 16), int(end, 16), parts[1], int(parts[2], 16), path)


def unescape_path(path: str) -> str:
    """Give a line feed in a path back, which the kernel writes as an octal number.

    Bytes that are no UTF-8 become replacement characters only in what is shown or stored.
    """
    return path.replace("\\012", "\n")


def is_anonymous(mapping: Mapping) -> bool:
    """Tell whether a mapping is private memory without a file; heap and stacks are."""
    is_file = mapping.path and not mapping.path.startswith((HEAP_NAME, STACK_NAME, "[anon"))
    return not is_file and mapping.permissions.endswith("p")
