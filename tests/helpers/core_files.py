"""Writes core files: small ones by hand, and whole ones of a process that stands still.

    with start_target("kinds.py") as target, stopped(target.pid):
        write_core(target.pid, path)

The rules of what is stored are those of the kernel with its default coredump_filter (core(5)).
"""

from __future__ import annotations

import os
import re
import signal
import struct
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from heapgraph.snapshot.reader import open_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from heapgraph.capture.captured import DumpResult

TABLES = ("objects", "references", "types", "names", "roots", "threads", "frames")
SAME = (
    *("invalid_references", "list_breaks", "negative_refcounts", "scanned_types", "grade"),
    *("traversed_objects", "traverse_faults", "traverse"),
)
"""What makes two snapshots of one moment the same: tables, and keys of the quality record."""

PAGE = 4096
PRSTATUS, PRPSINFO, AUXV, FILE = 1, 3, 6, 0x46494C45  # note types of linux/elf.h
LOAD, NOTE = 1, 4  # segment types
CORE, X86_64 = 4, 62

_UNREAL = ("[vvar]", "[vvar_vclock]", "[vsyscall]")
_COPIED_AT_ONCE = 1 << 20
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ \d+\s*(.*)")


@dataclass(frozen=True)
class StoredSegment:
    """A PT_LOAD of a core to write: `stored` bytes of `size`."""

    start: int
    size: int
    flags: int
    stored: int
    content: bytes = b""


@dataclass(frozen=True)
class ProcessMapping:
    """A line of /proc/PID/smaps, with how many bytes of it the kernel would store."""

    start: int
    end: int
    permissions: str
    offset: int
    path: str
    stored: int


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a child of this process while the block runs."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def note(kind: int, content: bytes, owner: bytes = b"CORE\0") -> bytes:
    """One note, padded."""
    head = struct.pack("<III", len(owner), len(content), kind)
    return head + _padded(owner) + _padded(content)


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)


def status_note(thread: int, stack_pointer: int = 0, thread_pointer: int = 0) -> bytes:
    """NT_PRSTATUS of one thread."""
    content = bytearray(336)
    struct.pack_into("<I", content, 32, thread)
    struct.pack_into("<Q", content, 112 + 19 * 8, stack_pointer)
    struct.pack_into("<Q", content, 112 + 21 * 8, thread_pointer)
    return note(PRSTATUS, bytes(content))


def process_note(pid: int, command: str) -> bytes:
    """NT_PRPSINFO."""
    content = bytearray(136)
    struct.pack_into("<I", content, 24, pid)
    content[56:136] = command.encode()[:79].ljust(80, b"\0")
    return note(PRPSINFO, bytes(content))


def files_note(files: Sequence[tuple[int, int, int, str]]) -> bytes:
    """NT_FILE of (start, end, offset, path)."""
    rows = b"".join(struct.pack("<QQQ", start, end, at // PAGE) for start, end, at, _ in files)
    names = b"".join(os.fsencode(path) + b"\0" for *_, path in files)
    return note(FILE, struct.pack("<QQ", len(files), PAGE) + rows + names)


def elf_header(segments: int, *, kind: int = CORE, machine: int = X86_64) -> bytes:
    """The header of a file whose segment table follows it."""
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    numbers = struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, segments, 0, 0, 0
    )
    return ident + numbers


def core_bytes(segments: Sequence[StoredSegment], notes: bytes) -> bytes:
    """A whole core file."""
    head, _ = _layout(segments, notes)
    return head + b"".join(item.content.ljust(item.stored, b"\0") for item in segments)


def _layout(segments: Sequence[StoredSegment], notes: bytes) -> tuple[bytes, list[int]]:
    """Everything before the first segment, and where each segment begins."""
    first = 64 + 56 * (len(segments) + 1)
    table = [struct.pack("<IIQQQQQQ", NOTE, 4, first, 0, 0, len(notes), 0, 4)]
    place = -(-(first + len(notes)) // PAGE) * PAGE
    data = place
    places = []
    for item in segments:
        row = (LOAD, item.flags, place, item.start, 0, item.stored, item.size, PAGE)
        table.append(struct.pack("<IIQQQQQQ", *row))
        places.append(place)
        place += item.stored
    head = elf_header(len(segments) + 1) + b"".join(table) + notes
    return head.ljust(data, b"\0"), places


def write_core(
    pid: int,
    path: Path,
    *,
    only_stored: bool = False,
    name_of: Callable[[str], str] = lambda path: path,
    stores: Callable[[ProcessMapping], bool] = lambda _mapping: True,
) -> Path:
    """Write the core of a process that stands still.

    Args:
        pid: the process.
        path: the file to write; pages of zeros become holes in it.
        only_stored: no segments for what is left out, as gcore does it.
        name_of: the path that the core gives a mapped file.
        stores: False for a mapping whose memory is left out.

    Returns:
        `path`.
    """
    mappings = [item if stores(item) else replace(item, stored=0) for item in _mappings(pid)]
    files = [
        (item.start, item.end, item.offset, name_of(item.path))
        for item in mappings
        if item.path.startswith("/")
    ]
    segments = [
        StoredSegment(item.start, item.end - item.start, _flags(item.permissions), item.stored)
        for item in mappings
        if item.stored or not only_stored
    ]
    threads = sorted(int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir())
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    notes = b"".join(
        (
            process_note(pid, command),
            *(status_note(thread, _stack_pointer(pid, thread)) for thread in threads),
            note(AUXV, Path(f"/proc/{pid}/auxv").read_bytes()),
            files_note(files),
        )
    )
    head, places = _layout(segments, notes)
    with path.open("wb") as core, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        core.write(head)
        for item, place in zip(segments, places, strict=True):
            _copy(memory, item, core, place)
        core.truncate(
            max(place + item.stored for item, place in zip(segments, places, strict=True))
        )
    return path


def _copy(memory: BinaryIO, segment: StoredSegment, core: BinaryIO, place: int) -> None:
    for at in range(0, segment.stored, _COPIED_AT_ONCE):
        size = min(_COPIED_AT_ONCE, segment.stored - at)
        try:
            memory.seek(segment.start + at)
            content = memory.read(size)
        except OSError:
            continue  # a page that nobody may read: a hole, as in the kernel's cores
        if content.strip(b"\0"):
            core.seek(place + at)
            core.write(content)


def _flags(permissions: str) -> int:
    letters = zip("rwx", (4, 2, 1), strict=True)
    return sum(bit for letter, bit in letters if letter in permissions)


def _stack_pointer(pid: int, thread: int) -> int:
    words = Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()
    return int(words[-2], 16) if len(words) > 1 else 0


def _mappings(pid: int) -> list[ProcessMapping]:
    blocks: list[tuple[re.Match[str], dict[str, str]]] = []
    for line in Path(f"/proc/{pid}/smaps").read_text(errors="surrogateescape").splitlines():
        if found := _MAPPING.fullmatch(line):
            blocks.append((found, {}))
        else:
            name, _, value = line.partition(":")
            blocks[-1][1][name] = value.strip()
    return [_mapping(pid, found, facts) for found, facts in blocks if found[5] not in _UNREAL]


def _mapping(pid: int, found: re.Match[str], facts: dict[str, str]) -> ProcessMapping:
    start, end, offset = int(found[1], 16), int(found[2], 16), int(found[4], 16)
    is_written = facts["Anonymous"] != "0 kB"
    is_shared_memory = found[3].endswith("s") and found[5].startswith(("/dev/zero", "/dev/shm"))
    stored = 0
    if "dd" not in facts.get("VmFlags", "").split() and (
        is_written or is_shared_memory or found[5] == "[vdso]"
    ):
        stored = end - start
    elif found[5].startswith("/") and offset == 0 and "r" in found[3]:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(start)
            stored = PAGE if memory.read(4) == b"\x7fELF" else 0
    return ProcessMapping(start, end, found[3], offset, found[5], stored)


def assert_same_heap(core: DumpResult, live: DumpResult) -> None:
    """Every object, reference, root, thread and frame, with all that is known of it.

    What the types' own functions told is among it.
    """
    found, expected = open_snapshot(core.path), open_snapshot(live.path)
    different = [name for name in TABLES if not found.table(name).equals(expected.table(name))]
    assert different == []
    assert {key: core.quality[key] for key in SAME} == {key: live.quality[key] for key in SAME}
