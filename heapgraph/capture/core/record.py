"""What `heapgraph capture` adds to a core file: the notes of native/capture/output/own_notes.c.

They are input from elsewhere, as all of a core file: a note that makes no sense is left out, and
what is known without it remains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.capture.process.maps import Mapping, is_anonymous, unescape_path
from heapgraph.capture.process.pagemap import PAGE
from heapgraph.capture.process.residency import Residency
from heapgraph.processor import PROCESSOR
from heapgraph.safe_text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from heapgraph.capture.core.file import CoreSegment

Array: TypeAlias = npt.NDArray[Any]

OWNER = "heapgraph"
"""Of the notes."""

FACTS, PATHS, MAPS, PAGES = range(0x48470001, 0x48470005)
"""Their types (native/capture/output/notes.h)."""

_KIB = 1024
_MAP_FIELDS = 7  # range, permissions, offset, rss, pss, dirty, path
_LARGEST = 1 << 62
_LONGEST_HOSTNAME = 255


@dataclass(frozen=True)
class CaptureRecord:
    """A capture's own account of itself.

    Attributes:
        method: how the memory was made to stand still: "clone" or "pause".
        pause_s: for how long the process stood.
        rss: resident bytes of the process before.
        withheld: bytes that a clone does not get, as the process asked for (MADV_DONTFORK).
        hostname: of its machine or container; "" when unknown.
        started: when it was started, ISO 8601 in UTC; "" when unknown.
        executable: path of its program, as the process sees it.
        command_line: its arguments.
        mappings: in address order, with the sizes they had before.
        pages: a bit for each stored page of the core, in address order: it was in memory.
    """

    method: str
    pause_s: float
    rss: int
    withheld: int
    hostname: str
    started: str
    executable: str
    command_line: tuple[str, ...]
    mappings: tuple[Mapping, ...]
    pages: bytes

    def residency(self, segments: Sequence[CoreSegment]) -> Residency | None:
        """Which pages of private anonymous memory were in memory; None when that is not told.

        Args:
            segments: all of the core, in address order.
        """
        stored = [item for item in segments if item.stored]
        counts = [item.stored // PAGE for item in stored]
        bits = np.unpackbits(np.frombuffer(self.pages, np.uint8), bitorder="little")
        if len(bits) < sum(counts):
            return None
        anonymous = [m for m in self.mappings if is_anonymous(m)]
        starts = np.array([m.start for m in anonymous], np.int64)
        ends = np.array([m.end for m in anonymous], np.int64)
        rows = np.searchsorted(starts, [item.start for item in stored], side="right") - 1
        parts: list[Array] = [np.empty(0, np.uint8)]
        kept: list[CoreSegment] = []
        at = 0
        for item, count, row in zip(stored, counts, rows.tolist(), strict=True):
            if row >= 0 and item.start < ends[row]:
                kept.append(item)
                parts.append(bits[at : at + count])
            at += count
        begins = [item.start for item in kept]
        behind = [item.start + item.stored // PAGE * PAGE for item in kept]
        return Residency(begins, behind, np.concatenate(parts), is_measured=True)

    def sized_mappings(self, residency: Residency | None) -> list[Mapping]:
        """The mappings; of private anonymous memory as large as it was when it stood still."""
        if residency is None:
            return list(self.mappings)
        return [
            replace(m, rss=residency.total(m.start, m.end)) if is_anonymous(m) else m
            for m in self.mappings
        ]


def read_record(notes: dict[int, bytes]) -> CaptureRecord | None:
    """Read the notes of a capture, by type.

    Returns:
        None when there are none, or when they are of a later form.
    """
    facts = dict(
        line.partition("=")[::2]
        for line in notes.get(FACTS, b"").decode(errors="replace").splitlines()
    )
    mappings = tuple(_disjoint(_mappings(notes.get(MAPS, b""))))
    if facts.get("version") != "1" or not mappings:
        return None
    executable, *arguments = notes.get(PATHS, b"").rstrip(b"\0").split(b"\0")
    return CaptureRecord(
        method="pause" if facts.get("method") == "pause" else "clone",
        pause_s=_number(facts, "pause_ns") / 1e9,
        rss=_number(facts, "rss"),
        withheld=_number(facts, "withheld"),
        hostname=_plain_text(facts.get("hostname", "")),
        started=_time_text(_number(facts, "started")),
        executable=executable.decode(errors="surrogateescape"),
        command_line=tuple(word.decode(errors="replace") for word in arguments),
        mappings=mappings,
        pages=notes.get(PAGES, b""),
    )


def _mappings(content: bytes) -> Iterator[Mapping]:
    for line in content.split(b"\n"):
        words = line.split(b" ", _MAP_FIELDS - 1)
        if len(words) != _MAP_FIELDS or len(words[1]) != len("rwxp"):
            continue
        first, _, last = words[0].partition(b"-")
        try:
            start, end, offset = int(first, 16), int(last, 16), int(words[2], 16)
            rss, pss, dirty = (min(int(word) * _KIB, _LARGEST) for word in words[3:6])
        except ValueError:
            continue
        permissions = words[1].decode(errors="replace")
        path = unescape_path(words[6].decode(errors="surrogateescape"))
        yield Mapping(start, end, permissions, min(offset, _LARGEST), path, rss, pss, dirty)


def _disjoint(mappings: Iterable[Mapping]) -> Iterator[Mapping]:
    """Those in address order, within user space, and the kernel's own page."""
    free_from = 0
    for mapping in mappings:
        limit = 1 << 64 if mapping.path == "[vsyscall]" else PROCESSOR.end_of_user_space
        if free_from <= mapping.start < mapping.end <= limit:
            free_from = mapping.end
            yield mapping


def _number(facts: dict[str, str], name: str) -> int:
    text = facts.get(name, "")
    return min(int(text), _LARGEST) if text.isascii() and text.isdigit() else 0


def _plain_text(text: str) -> str:
    return storable(text)[:_LONGEST_HOSTNAME] if text.isprintable() else ""


def _time_text(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""
    except (OverflowError, OSError, ValueError):
        return ""
