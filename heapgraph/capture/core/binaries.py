"""The programs and libraries whose clean pages a core file leaves out: code, constants, names."""

from __future__ import annotations

import mmap
import os
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from heapgraph.capture.process.elf import ElfImage, ElfUnreadable, build_id_in_memory, read_elf
from heapgraph.capture.process.maps import DELETED
from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.process.target_files import open_regular
from heapgraph.errors import CoreFileUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from heapgraph.capture.core.file import CoreFile, MappedFile
    from heapgraph.capture.process.pieces import CoreMemory

_PAGE = mmap.PAGESIZE  # of a mapped file, the first is in a core though it is clean (core(5))
_LIBRARY = re.compile(r"\.so(\.[\d.]+)?$")
_SHOWN = 12  # characters of a build-id in messages


@dataclass(frozen=True)
class Binary:
    """A file that is on this machine and is the one the core was made with, as far as is known.

    Attributes:
        descriptor: of the open file.
        size: its bytes.
        image: its segments.
    """

    descriptor: int
    size: int
    image: ElfImage


class Binaries:
    """Finds the binaries that a core maps.

    Args:
        core: the core.
        memory: what the core itself has.
        program: path of its main program, as the core has it; "" when that is unknown.
        executable: the file to take for it instead.

    Attributes:
        usable: by path, as the core has it.
        missing: why a binary cannot be used, by path.

    Raises:
        CoreFileUnusable: `executable` cannot be used.
    """

    def __init__(
        self, core: CoreFile, memory: CoreMemory, program: str, executable: Path | None
    ) -> None:
        """Open every binary once."""
        self.usable: dict[str, Binary] = {}
        self.missing: dict[str, str] = {}
        parts: dict[str, list[MappedFile]] = {}
        for part in core.files:
            parts.setdefault(part.path, []).append(part)
        self._first = {path: ranges[0].start for path, ranges in parts.items()}
        code = {path for path in parts if _is_code(core, parts[path])}
        for path, ranges in parts.items():
            named = executable if path == program else None
            try:
                self.usable[path] = _open_binary(str(named or path), _head(memory, ranges))
            except _Unusable as reason:
                if named is not None:
                    self.close()
                    raise _executable_unusable(core, named, str(reason)) from reason
                # A data file is left out: what of it was not written is no part of the heap.
                is_library = _LIBRARY.search(path.removesuffix(DELETED))
                if path == program or path in code or (is_library and reason.may_be_binary):
                    self.missing[path] = str(reason)
        if executable is not None and program not in parts:
            self.close()
            raise _executable_unusable(core, executable, "the core does not say what it ran")

    def open(self, path: str) -> IO[bytes]:
        """Open a binary anew.

        Raises:
            FileNotFoundError: it is not usable.
        """
        if path not in self.usable:
            raise FileNotFoundError(path)
        stream = os.fdopen(self.usable[path].descriptor, "rb", closefd=False)
        stream.seek(0)
        return stream

    def permissions(self, part: MappedFile) -> str:
        """How the loader maps a range that the core has no segment for."""
        found = None
        if part.path in self.usable:
            image = self.usable[part.path].image
            lowest = min((segment.address for segment in image.segments), default=0)
            address = part.start - self._first[part.path] + lowest // _PAGE * _PAGE
            for segment in image.segments:
                if segment.address // _PAGE * _PAGE <= address:
                    found = segment
        if found is None:
            return "r--p"
        return f"r{'w' if found.is_writable else '-'}{'x' if found.is_executable else '-'}p"

    def close(self) -> None:
        """Close the files."""
        for binary in self.usable.values():
            os.close(binary.descriptor)
        self.usable = {}


class _Unusable(Exception):
    """Why a binary cannot be read, in words that follow its name."""

    def __init__(self, reason: str, *, may_be_binary: bool = True) -> None:
        super().__init__(reason)
        self.may_be_binary = may_be_binary


def _open_binary(path: str, head: bytes) -> Binary:
    name = path.removesuffix(DELETED)
    try:
        found = os.open(name, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _Unusable("is not on this machine") from error
    except (OSError, ValueError) as error:
        raise _Unusable(f"cannot be read ({getattr(error, 'strerror', error)})") from error
    descriptor = _open_found(found)  # a core can name anything: a pipe, a device
    try:
        size = os.fstat(descriptor).st_size
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            image = read_elf(stream)
        _compare(head, os.pread(descriptor, len(head), 0), image, is_deleted=path != name)
    except ElfUnreadable as error:
        os.close(descriptor)
        raise _Unusable("is no ELF file here", may_be_binary=False) from error
    except _Unusable:
        os.close(descriptor)
        raise
    return Binary(descriptor, size, image)


def _open_found(found: int) -> int:
    try:
        with open_regular(found) as stream:
            return os.dup(stream.fileno())
    except FileNotFoundError as error:
        raise _Unusable("is no file here", may_be_binary=False) from error
    except OSError as error:
        raise _Unusable(f"cannot be read ({error.strerror})") from error


def _compare(head: bytes, found: bytes, image: ElfImage, *, is_deleted: bool) -> None:
    """Refuse another build; the build-ids decide, as a stripped file has the same one."""
    expected = build_id_in_memory(head)
    if expected and image.build_id:
        if expected != image.build_id:
            ids = f"build-id {image.build_id[:_SHOWN]}, in the core {expected[:_SHOWN]}"
            raise _Unusable(f"is another build here: {ids}")
    elif head != found.ljust(len(head), b"\0"):
        raise _Unusable("is another build here: its first page is not that of the core")
    elif is_deleted and not head:
        raise _Unusable("was deleted or replaced while the process ran")


def _head(memory: CoreMemory, ranges: Sequence[MappedFile]) -> bytes:
    """The first page of a file, build-id included, as the core has it; nothing if it does not."""
    for part in ranges:
        if part.offset == 0:
            try:
                return memory.read(part.start, _PAGE)
            except UnreadableMemory:
                continue
    return b""


def _is_code(core: CoreFile, ranges: Sequence[MappedFile]) -> bool:
    """Tell whether a file is mapped to be run, where the core says so."""
    starts = {part.start for part in ranges}
    return any("x" in it.permissions for it in core.segments if it.start in starts)


def _executable_unusable(core: CoreFile, executable: Path, reason: str) -> CoreFileUnusable:
    return CoreFileUnusable(
        f"{executable} cannot be the program of core file {core.path}: {reason}",
        "the core was made with another file, or the name is misspelled",
        f"name the program that ran: heapgraph dump --core {core.path} --executable FILE",
    )
