"""What is in an ELF core file: ranges of memory, mapped files, threads, the command line.

A core file is input from elsewhere: it may be cut short, of another machine, or no core at all.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, cast

from elftools.elf.elffile import ELFFile
from elftools.elf.notes import iter_notes

from heapgraph.capture.core.record import OWNER, CaptureRecord, read_record
from heapgraph.capture.process.elf import PARSE_ERRORS
from heapgraph.errors import CoreFileUnusable
from heapgraph.processor import PROCESSOR
from heapgraph.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_HEADER_SIZE = 64  # of an ELF file, and of a section
_SEGMENT_SIZE = 56  # of an entry of its segment table
_COUNT_ELSEWHERE = 0xFFFF  # PN_XNUM: more segments than the header can say
_MAGIC = b"\x7fELF"
_PACKED = {
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d"),
    b"\x04\x22\x4d\x18": ("lz4", "lz4 -d"),
    b"\xfd7zX": ("xz", "xz -dk"),
    b"\x1f\x8b": ("gzip", "gunzip -k"),
}
_READABLE, _WRITABLE, _EXECUTABLE = 4, 2, 1  # PF_R, PF_W, PF_X
_LARGEST_NOTES = 1 << 28
_LARGEST_OFFSET = 1 << 62  # in a file, for the kernel as for us
_ENTRY = 9  # AT_ENTRY, linux/auxvec.h


@dataclass(frozen=True)
class CoreSegment:
    """A mapping of the process, with as much of its memory as the core has.

    Attributes:
        start, end: its addresses; `end` is the first one behind it.
        permissions: four characters, as in /proc/PID/maps; the last is always "p".
        offset: in the core file.
        stored: bytes of it in the core file; what is behind them was left out.
    """

    start: int
    end: int
    permissions: str
    offset: int
    stored: int


@dataclass(frozen=True)
class MappedFile:
    """A range of addresses that is mapped from a file (NT_FILE).

    Attributes:
        start, end: its addresses.
        offset: where in the file it begins.
        path: as the process saw it.
    """

    start: int
    end: int
    offset: int
    path: str


@dataclass(frozen=True)
class CoreThread:
    """A thread as the kernel saw it (NT_PRSTATUS).

    Attributes:
        native_id: its id.
        stack_pointer: its register.
        thread_pointer: its register; it is what threading.get_ident() returned there.
    """

    native_id: int
    stack_pointer: int
    thread_pointer: int


@dataclass(frozen=True)
class CoreFile:
    """The facts of one core file.

    Attributes:
        path: of the core file.
        segments, files: in address order, each disjoint.
        threads: the one that was running, or that died, first.
        pid: 0 when the core does not say.
        command_line: the first 80 characters of it, at spaces.
        entry: address of the program's first instruction, 0 when the core does not say.
        record: what `heapgraph capture` wrote into it; None of any other core.
    """

    path: Path
    segments: tuple[CoreSegment, ...]
    files: tuple[MappedFile, ...]
    threads: tuple[CoreThread, ...]
    pid: int
    command_line: tuple[str, ...]
    entry: int
    record: CaptureRecord | None = None

    @property
    def stored(self) -> int:
        """Bytes of memory in the core file."""
        return sum(segment.stored for segment in self.segments)


def open_core(path: Path) -> IO[bytes]:
    """Open a core file.

    Raises:
        CoreFileUnusable: it is not there, is no file, or may not be read.
    """
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "there is no such file" if not path.exists() else "no file")
        return path.open("rb", buffering=0)
    except OSError as error:
        raise CoreFileUnusable(
            f"{path} cannot be read: {error.strerror}",
            "the name is misspelled, or the file belongs to another user",
            "name a core file that this user may read: heapgraph dump --core FILE",
        ) from error


def read_core(stream: IO[bytes], path: Path) -> CoreFile:
    """Read the headers and notes of a core file.

    Args:
        stream: the file; stays open.
        path: its name, for messages.

    Raises:
        CoreFileUnusable: no ELF core file of x86_64, or one that is cut short or damaged.

    Cost: 50 us per mapping; independent of the file's size.
    """
    size = stream.seek(0, io.SEEK_END)
    _check_kind(stream, path, size)
    try:
        elf = ELFFile(stream)
        _check_machine(elf, path)
        _check_table(elf, path, size)
        segments = list(elf.iter_segments())
        _check_length(path, size, segments)
        notes = _Notes()
        for segment in segments:
            if segment["p_type"] == "PT_NOTE":
                notes.read(elf, segment)
        return CoreFile(
            path,
            tuple(_disjoint(_load_segments(segments))),
            tuple(_disjoint(notes.files)),
            tuple(notes.threads),
            notes.pid,
            notes.command_line,
            notes.entry,
            read_record(notes.own),
        )
    except PARSE_ERRORS as error:
        raise CoreFileUnusable(
            f"the headers of core file {path} cannot be read",
            f"the file is damaged: {error or type(error).__name__}",
            "copy it again from where it was made, or take another: gcore PID",
        ) from error


class _Notes:
    """What is wanted of the notes."""

    def __init__(self) -> None:
        self.files: list[MappedFile] = []
        self.threads: list[CoreThread] = []
        self.pid = 0
        self.command_line: tuple[str, ...] = ()
        self.entry = 0
        self.own: dict[int, bytes] = {}

    def read(self, elf: ELFFile, segment: Any) -> None:  # noqa: ANN401 - it has no types
        """Take over the notes of one segment; what it says of its own lengths ends with it."""
        size = segment["p_filesz"]
        if size > _LARGEST_NOTES:
            raise ValueError(f"notes of {size} bytes")
        elf.stream.seek(segment["p_offset"])
        stream = io.BytesIO(elf.stream.read(size))
        source = SimpleNamespace(structs=elf.structs, stream=stream, elfclass=elf.elfclass)
        for note in iter_notes(cast("ELFFile", source), 0, size):
            if note["n_name"] == OWNER:
                self.own[int(note["n_type"])] = note["n_descdata"]
            elif note["n_type"] == "NT_FILE":
                self.files += _mapped_files(note["n_desc"])
            elif (
                note["n_type"] == "NT_PRSTATUS" and len(note["n_descdata"]) >= PROCESSOR.status_size
            ):
                self.threads.append(_thread(note["n_descdata"]))
            elif note["n_type"] == "NT_PRPSINFO":
                self.pid = note["n_desc"]["pr_pid"]
                text = bytes(note["n_desc"]["pr_psargs"]).split(b"\0")[0]
                self.command_line = tuple(text.decode(errors="replace").split())
            elif note["n_type"] == "NT_AUXV":
                self.entry = _auxiliary(note["n_descdata"]).get(_ENTRY, 0)


def _mapped_files(note: Any) -> Iterator[MappedFile]:  # noqa: ANN401 - it has no types
    page = note["page_size"]
    for place, name in zip(note["Elf_Nt_File_Entry"], note["filename"], strict=True):
        if place["page_offset"] * page > _LARGEST_OFFSET:
            raise ValueError(f"a mapping from {place['page_offset']} pages of {page} bytes")
        path = bytes(name).decode(errors="surrogateescape")
        yield MappedFile(place["vm_start"], place["vm_end"], place["page_offset"] * page, path)


def _thread(status: bytes) -> CoreThread:
    return CoreThread(
        *struct.unpack_from("<I", status, PROCESSOR.status_thread),
        *struct.unpack_from("<Q", status, PROCESSOR.status_stack),
        *struct.unpack_from("<Q", status, PROCESSOR.status_thread_pointer),
    )


def _auxiliary(content: bytes) -> dict[int, int]:
    """The vector that the kernel gave the program at its start."""
    return dict(struct.iter_unpack("<QQ", content[: len(content) // 16 * 16]))


def _load_segments(segments: Iterable[Any]) -> Iterator[CoreSegment]:
    for segment in segments:
        if segment["p_type"] != "PT_LOAD" or not segment["p_memsz"]:
            continue
        flags = segment["p_flags"]
        letters = ((_READABLE, "r"), (_WRITABLE, "w"), (_EXECUTABLE, "x"))
        permissions = "".join(letter if flags & bit else "-" for bit, letter in letters) + "p"
        start, size = segment["p_vaddr"], segment["p_memsz"]
        stored = min(size, segment["p_filesz"])
        yield CoreSegment(start, start + size, permissions, segment["p_offset"], stored)


def _disjoint(ranges: Iterable[Any]) -> Iterator[Any]:
    """In address order, without those that overlap one before them or lie outside user space."""
    free_from = 0
    for item in sorted(ranges, key=lambda item: (item.start, item.end)):
        if free_from <= item.start < item.end <= PROCESSOR.end_of_user_space:
            free_from = item.end
            yield item


def _check_kind(stream: IO[bytes], path: Path, size: int) -> None:
    stream.seek(0)
    head = stream.read(_HEADER_SIZE)
    if not size:
        raise CoreFileUnusable(
            f"core file {path} is empty",
            "the disk was full, or a limit did not allow a core file (ulimit -c)",
            "allow one and take another: ulimit -c unlimited, or gcore PID",
        )
    for magic, (name, command) in _PACKED.items():
        if head.startswith(magic):
            raise CoreFileUnusable(
                f"core file {path} is packed with {name}",
                "systemd-coredump keeps core files like this",
                f"unpack it first: {command} {path}, or coredumpctl dump -o core",
            )
    if not head.startswith(_MAGIC[:size]):
        raise CoreFileUnusable(
            f"{path} is not a core file",
            f"it begins with {head[:4].hex(' ')} and is no ELF file",
            "make one of a running process: gcore PID",
        )
    if size < _HEADER_SIZE:
        raise cut_short(path, f"it has {size} bytes, less than an ELF header")


def _check_machine(elf: ELFFile, path: Path) -> None:
    if elf["e_type"] != "ET_CORE":
        raise CoreFileUnusable(
            f"{path} is an ELF file but not a core file",
            "it is a program or a library",
            f"name the core file too: heapgraph dump --core FILE --executable {path}",
        )
    is_wide = elf.elfclass == 64 and elf.little_endian  # noqa: PLR2004
    if not is_wide or elf["e_machine"] != PROCESSOR.elf_machine:
        machine = str(elf["e_machine"]).removeprefix("EM_")
        raise CoreFileUnusable(
            f"core file {path} is of a process on {machine} with {elf.elfclass} bits",
            f"heapgraph knows the objects of 64-bit processes on {PROCESSOR.name} only",
            "choose a core file from such a machine",
        )


def _check_table(elf: ELFFile, path: Path, size: int) -> None:
    if elf["e_phentsize"] != _SEGMENT_SIZE:
        raise ValueError(f"segments of {elf['e_phentsize']} bytes")
    if elf["e_phnum"] == _COUNT_ELSEWHERE and elf["e_shoff"] + _HEADER_SIZE > size:
        raise cut_short(path, "its number of mappings is missing at its end")
    count = elf.num_segments()
    if not count:
        raise ValueError("it has no memory")
    if elf["e_phoff"] + count * _SEGMENT_SIZE > size:
        raise cut_short(path, f"it has {size} bytes, less than its list of {count} mappings")


def _check_length(path: Path, size: int, segments: Iterable[Any]) -> None:
    """Refuse a core without its end: objects would be missing without a trace."""
    ends = [segment["p_offset"] + segment["p_filesz"] for segment in segments]
    whole = max(ends, default=0)
    if whole > size:
        raise cut_short(
            path, f"{format_size(whole - size)} of {format_size(whole)} are missing at its end"
        )


def cut_short(path: Path, detail: str) -> CoreFileUnusable:
    """A core without its end."""
    return CoreFileUnusable(
        f"core file {path} is cut short: {detail}",
        "a limit (ulimit -c, ProcessSizeMax of systemd-coredump), a full disk, or half a copy",
        "compare its size with the original, or raise the limit and take another: gcore PID",
    )
