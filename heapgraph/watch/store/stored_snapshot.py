"""One snapshot of the store, as its note has it."""

from __future__ import annotations

from dataclasses import dataclass

SUFFIX, NOTE, REPORT = ".heapgraph", ".json", ".txt"
"""Of a snapshot, of its note, and of what `heapgraph suspects` says of it."""


@dataclass(frozen=True)
class StoredSnapshot:
    """One snapshot of the store.

    Attributes:
        id: of target, time and chance; never used again.
        target, slot: whose.
        pid: of the process then.
        started: of that process, clock ticks since the boot.
        created: ISO 8601, UTC.
        size: bytes of the file.
        sha256: of the file.
        redacted: it holds no values.
        reason: the rule, or who asked.
        objects: how many are in it.
        quality: "good" or "poor".
        pause_ms: how long the process stood.
        method: how its memory was taken; "" in notes of earlier versions.
        why_paused: why it stood still meanwhile and was not cloned, else "".
    """

    id: str
    target: str
    slot: int
    pid: int
    started: int
    created: str
    size: int
    sha256: str
    redacted: bool
    reason: str
    objects: int = 0
    quality: str = ""
    pause_ms: float = 0.0
    method: str = ""
    why_paused: str = ""
