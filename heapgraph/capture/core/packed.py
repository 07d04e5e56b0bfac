"""Core files that are packed, or come through a pipe: brought to where any place can be read.

A core is read in no order, so it is unpacked first: a small one into memory, a larger one into a
file without a name beside the output, which is gone when it is closed. What it may grow to is in
its own headers, which come first; whatever else it holds, no more than that is written.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from heapgraph.capture.core.file import cut_short, open_core
from heapgraph.errors import CoreFileUnusable
from heapgraph.snapshot.write_errors import free_bytes
from heapgraph.units import format_size

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[str, int, int], None]

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

PHASE = "unpack"
"""Name of the phase given to the progress callback."""

IN_MEMORY = 64 << 20
"""Bytes up to which a core is unpacked into memory, which then costs no disk."""

_CHUNK = 1 << 20
_HOLE = 1 << 16  # zeros of this size take no room in a file
_ZEROS = bytes(_HOLE)
_LARGEST_TABLE = 64 << 20  # of segments: over a million, as many mappings as a kernel may allow
_LARGEST_CORE = 1 << 46
_TRAILER = 16 << 20  # gdb writes a table of sections behind the memory

# elf.h: Elf64_Ehdr, Elf64_Phdr, Elf64_Shdr
_HEADER = struct.Struct("<4sB27xQQ4xHHHHH2x")  # magic, class, e_phoff, e_shoff, sizes and counts
_SEGMENT = struct.Struct("<8xQ16xQ16x")  # p_offset, p_filesz
_SECTION = struct.Struct("<44xI16x")  # sh_info
_MAGIC, _64_BIT = b"\x7fELF", 2
_COUNT_ELSEWHERE = 0xFFFF  # PN_XNUM


STANDARD_INPUT = Path("-")
"""The name of a core file that comes through standard input."""


def open_any_core(path: Path, folder: Path, progress: Progress | None = None) -> IO[bytes]:
    """Open a core file, unpacked where it is packed or comes through a pipe.

    Args:
        path: its name; `STANDARD_INPUT`, or a named pipe.
        folder: where there is room for a large one that is unpacked.
        progress: called with phase, done, total.

    Raises:
        CoreFileUnusable: see `open_core` and `unpack_core`.
    """
    if path == STANDARD_INPUT:
        with os.fdopen(sys.stdin.fileno(), "rb", closefd=False) as pipe:
            return unpack_core(pipe, Path("standard input"), folder, progress)
    if path.is_fifo():
        with path.open("rb", buffering=0) as named:
            return unpack_core(named, path, folder, progress)
    stream = open_core(path)
    if stream.read(len(ZSTD_MAGIC)) != ZSTD_MAGIC:
        return stream
    with stream:
        stream.seek(0)
        return unpack_core(stream, path, folder, progress)


def unpack_core(
    source: IO[bytes], path: Path, folder: Path, progress: Progress | None = None
) -> IO[bytes]:
    """Read a core to its end, and return it as a file that can be read at any place.

    Args:
        source: a file or a pipe; its content is packed with zstd, or it is the core itself. Stays
            open.
        path: its name, for messages.
        folder: where there is room for a large one.
        progress: called with phase, done, total.

    Raises:
        CoreFileUnusable: it is cut short, damaged, no core file, holds more than its headers say,
            or there is no room for it.

    Cost: 1 to 2 ms per MiB that is unpacked, and its size in memory (`IN_MEMORY` at most) or on
        the disk, large runs of zeros left out.
    """
    with closing(_Content(source, path)) as content:
        head, whole = _read_head(content)
        target = _room_for(path, whole, folder)
        try:
            _copy(content, head, whole, target, progress)
            if whole <= IN_MEMORY:
                seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
                fcntl.fcntl(target.fileno(), fcntl.F_ADD_SEALS, seals | fcntl.F_SEAL_SEAL)
        except BaseException:
            target.close()
            raise
    target.seek(0)
    return target


class _Rest:
    """A stream whose first bytes were read already, as pyarrow takes it."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head or self._stream.read(size)

    def close(self) -> None:
        self._stream.close()

    @property
    def closed(self) -> bool:
        return self._stream.closed


class _Content:
    """The bytes of the core, in order; `done` counts those that were taken."""

    def __init__(self, source: IO[bytes], path: Path) -> None:
        self.path = path
        self.done = 0
        # One of our own, since the unpacker closes what it reads.
        self._stream: Any = os.fdopen(os.dup(source.fileno()), "rb", buffering=_CHUNK)
        head = self._read(len(ZSTD_MAGIC))
        self._stream = _Rest(head, self._stream)
        if head == ZSTD_MAGIC:
            self._stream = pa.CompressedInputStream(pa.PythonFile(self._stream, mode="r"), "zstd")

    def take(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        parts: list[bytes] = []
        while size:
            part = self._read(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
            self.done += len(part)
        return b"".join(parts)

    def _read(self, size: int) -> bytes:
        try:
            part: bytes = self._stream.read(size)
        except OSError as error:
            self.close()
            if error.errno:
                raise _unreadable(self.path, error) from error
            raise self._damaged(str(error)) from error
        return part

    def _damaged(self, detail: str) -> CoreFileUnusable:
        """The unpacker says what it met in text only; both are answered in the same way."""
        at = f"after {format_size(self.done)} of the core"
        return CoreFileUnusable(
            f"core file {self.path} is cut short or damaged {at}",
            f"the program that wrote it was ended, or it is half a copy: {detail}",
            "compare its size with the original, or capture again",
        )

    def close(self) -> None:
        """Stop to read."""
        self._stream.close()


def _read_head(content: _Content) -> tuple[bytes, int]:
    """The headers, and the size of the whole core by them."""
    head = content.take(_HEADER.size)
    if len(head) < _HEADER.size:
        raise cut_short(content.path, f"it has {len(head)} bytes, less than an ELF header")
    magic, bits, table, section, _, entry, count, _, sections = _HEADER.unpack(head)
    if magic != _MAGIC or bits != _64_BIT or entry != _SEGMENT.size:
        raise CoreFileUnusable(
            f"{content.path} is not a core file",
            f"what is in it begins with {head[:4].hex(' ')} and is no 64-bit ELF file",
            "make one of a running process: heapgraph capture PID",
        )
    if count == _COUNT_ELSEWHERE and sections:
        head += _take_up_to(content, head, section + _SECTION.size)
        (count,) = _SECTION.unpack_from(head, section)
    end = table + count * entry
    head += _take_up_to(content, head, end)
    wholes = [offset + stored for offset, stored in _SEGMENT.iter_unpack(head[table:end])]
    whole = max(wholes, default=0)
    if whole > _LARGEST_CORE:
        raise CoreFileUnusable(
            f"core file {content.path} would be {format_size(whole)}",
            "no process has that much memory: its headers are damaged",
            "capture again",
        )
    return head, max(whole, len(head))


def _take_up_to(content: _Content, head: bytes, end: int) -> bytes:
    """More of the headers, which must not be far behind."""
    if end > _LARGEST_TABLE:
        raise CoreFileUnusable(
            f"the headers of core file {content.path} are not at its beginning",
            "the kernel writes the number of very many mappings to the end, or it is damaged",
            f"unpack it first: zstd -d {content.path}",
        )
    wanted = max(0, end - len(head))
    more = content.take(wanted)
    if len(more) < wanted:
        raise cut_short(content.path, f"it has {content.done} bytes, less than its headers")
    return more


def _room_for(path: Path, whole: int, folder: Path) -> IO[bytes]:
    """Where the core is unpacked to."""
    if whole <= IN_MEMORY:
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        return os.fdopen(os.memfd_create("heapgraph-core", flags), "w+b", buffering=0)
    try:
        free = free_bytes(folder)
        if whole > free:
            raise CoreFileUnusable(
                f"core file {path} needs {format_size(whole)} unpacked, and {folder} has "
                f"{format_size(free)} free",
                "it is unpacked beside the output, into a file that is gone when it was read",
                "write the output to a larger disk: -o /other/folder/NAME.heapgraph",
            )
        return tempfile.TemporaryFile("w+b", buffering=0, dir=folder)
    except OSError as error:
        raise _no_room(path, folder, error) from error


def _copy(
    content: _Content, head: bytes, whole: int, target: IO[bytes], progress: Progress | None
) -> None:
    try:
        target.write(head)
        while chunk := content.take(_CHUNK):
            if content.done > whole + _TRAILER:
                raise CoreFileUnusable(
                    f"core file {content.path} holds more than the {format_size(whole)} "
                    "that its headers name",
                    "it is damaged, or made to fill a disk",
                    "capture again",
                )
            _write_sparsely(target, chunk)
            if progress is not None:
                progress(PHASE, content.done, whole)
    except OSError as error:
        raise _no_room(content.path, None, error) from error
    if content.done < whole:
        missing = f"{format_size(whole - content.done)} of {format_size(whole)}"
        raise cut_short(content.path, f"{missing} are missing at its end")
    target.truncate(content.done)  # what it ends with may have been passed over


def _write_sparsely(target: IO[bytes], chunk: bytes) -> None:
    """Write a chunk, and pass over what is zeros: an empty file has them already."""
    if _ZEROS not in chunk:
        _write(target, chunk)
        return
    for at in range(0, len(chunk), _HOLE):
        part = chunk[at : at + _HOLE]
        if part == _ZEROS[: len(part)]:
            target.seek(len(part), os.SEEK_CUR)
        else:
            _write(target, part)


def _write(target: IO[bytes], content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[target.write(rest) :]


def _unreadable(path: Path, error: OSError) -> CoreFileUnusable:
    return CoreFileUnusable(
        f"{path} cannot be read: {error.strerror}",
        "it is on a disk or a network that fails, or is no file",
        "copy it here first",
    )


def _no_room(path: Path, folder: Path | None, error: OSError) -> CoreFileUnusable:
    where = f" in {folder}" if folder is not None else ""
    return CoreFileUnusable(
        f"core file {path} cannot be unpacked{where}: {error.strerror}",
        "it is unpacked beside the output, into a file that is gone when it was read",
        "write the output to a disk with more room: -o /other/folder/NAME.heapgraph",
    )
