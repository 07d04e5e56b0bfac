"""Is the chain whole? Finds the first line that is not as it was written.

The chain shows what was changed, taken out or put in. It cannot show that its end was cut off, or
that all of it was written anew: for that, somebody elsewhere has to have noted a number and hash.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from heapgraph.errors import HeapgraphError, UsageError
from heapgraph.watch.audit.files import BLOCK_BYTES, NAME, names_in
from heapgraph.watch.audit.links import Links, Place
from heapgraph.watch.audit.record import MAX_LINE_BYTES, hash_of, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heapgraph.watch.audit.links import Damage

SCHEMA = "heapgraph.audit-verify/1"

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Expected(NamedTuple):
    """A line that somebody has noted elsewhere: its number, and its hash."""

    seq: int
    hash: str


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        log: file or folder.
        files, lines: how many were read, up to the first damage.
        first_seq, last_seq, last_hash: of the lines that are whole; 0 and "" where there is none.
        cut: the line that says what was deleted before the first one; None: nothing was.
        torn: what crashes left, each as its line says.
        open_intents: numbers of acts that were begun and have no outcome in the log.
        damage: the first; None: the chain is whole.
    """

    log: str
    files: int
    lines: int
    first_seq: int
    last_seq: int
    last_hash: str
    cut: dict[str, Any] | None
    torn: tuple[dict[str, Any], ...]
    open_intents: tuple[int, ...]
    damage: Damage | None

    @property
    def is_intact(self) -> bool:
        """Whether no damage was found."""
        return self.damage is None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"schema": SCHEMA, "intact": self.is_intact, **asdict(self)}


@dataclass
class _Acts:
    """Which acts were begun and not ended."""

    begun: dict[int, str] = field(default_factory=dict)

    def take(self, record: dict[str, Any]) -> None:
        if record["outcome"] == "intent":
            self.begun[record["seq"]] = record["event"]
        else:
            self.begun.pop(record["detail"].get("intent"), None)


def verify(log: Path, expected: Expected | None = None) -> Verification:
    """Read a log, or one file of it, up to its first damage.

    Args:
        log: a folder, or a file. Of a single file, nobody can say what was before and after.
        expected: a line as it was noted elsewhere.

    Raises:
        UsageError: it is neither.
        HeapgraphError, OSError: it cannot be read.

    Cost: reads it once, twice where old files were deleted; some 100,000 lines a second.
    """
    is_folder, folder, names = _opened(log)
    try:
        cuts = _cuts(folder, names) if is_folder else []
        links = Links(is_whole=is_folder, cuts=cuts, expected=expected)
        acts, files = _Acts(), 0
        for name in names:
            files += 1
            for place, line in _lines(folder, name):
                record = parsed(line)
                if record is None:
                    links.take_unreadable(place, line, _Rest(folder, name, place.offset))
                    break
                acts.take(record)
                links.take(place, record, hash_of(line))
                if links.damage:
                    break
            if links.damage:
                break
        links.end()
    finally:
        os.close(folder)
    return Verification(
        str(log),
        files,
        links.count,
        links.first_seq,
        links.last_seq,
        links.last_hash,
        links.cut,
        tuple(links.torn),
        tuple(sorted(acts.begun)),
        links.damage,
    )


def _opened(log: Path) -> tuple[bool, int, list[str]]:
    """Whether it is a folder; a descriptor of the folder; the files in it to be read."""
    try:
        is_folder = stat.S_ISDIR(log.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as failure:
        raise UsageError(
            f"there is no audit log {log}",
            "the path is misspelled, or nothing was written yet",
            "heapgraph audit verify FOLDER: the path of [audit] in the settings",
        ) from failure
    folder = os.open(log if is_folder else log.parent, os.O_RDONLY | os.O_DIRECTORY)
    if not is_folder:
        return False, folder, [log.name]
    names = [one.name for one in names_in(folder)]
    if not names:
        os.close(folder)
        raise UsageError(
            f"no file of an audit log is in {log}",
            "it is another folder, or all files were moved away",
            "heapgraph audit verify FOLDER: the path of [audit] in the settings",
        )
    return True, folder, names


def _lines(folder: int, name: str) -> Iterator[tuple[Place, bytes]]:
    """The lines of a file with their places; what is longer than any line of ours is the last.

    Raises:
        HeapgraphError: the file cannot be read on.
    """
    match = NAME.fullmatch(name)
    begins_with = int(match[1]) if match else None
    with closing(_open(folder, name)) as file:
        offset, number = 0, 0
        while line := _line(file, name, offset):
            number += 1
            yield Place(name, number, offset, begins_with), line
            offset += len(line)
            if len(line) > MAX_LINE_BYTES:
                return


def _line(file: BinaryIO, name: str, offset: int) -> bytes:
    try:
        return file.readline(MAX_LINE_BYTES + 1)
    except OSError as failure:
        raise HeapgraphError(
            f"{name} cannot be read from byte {offset} on: {failure.strerror}",
            "its disk fails there, or it is no file of an audit log",
            "look at the disk (dmesg), or name the folder: [audit] path of the settings",
        ) from failure


def _open(folder: int, name: str) -> BinaryIO:
    descriptor = os.open(name, _READ, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(
            f"{name} is no regular file", "a log has no other", "move it out of the log's folder"
        )
    return os.fdopen(descriptor, "rb", BLOCK_BYTES)


class _Rest:
    """A file from an offset to its end; read only when a line says what it should be."""

    def __init__(self, folder: int, name: str, offset: int) -> None:
        self._folder, self._name, self._offset = folder, name, offset
        with closing(_open(folder, name)) as file:
            self.size = max(0, os.fstat(file.fileno()).st_size - offset)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        with closing(_open(self._folder, self._name)) as file:
            file.seek(self._offset)
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()


def _cuts(folder: int, names: list[str]) -> list[dict[str, Any]]:
    """What the lines say that were written before old files were deleted."""
    first = next((parsed(line) for _, line in _lines(folder, names[0])), None)
    if first is None or first["seq"] == 1:
        return []
    every = (parsed(line) for name in names for _, line in _lines(folder, name))
    return [one["detail"] for one in every if one is not None and one["event"] == "audit.cut"]
