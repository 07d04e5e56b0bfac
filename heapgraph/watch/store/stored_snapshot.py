"""One snapshot of the store, as its note has it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

SUFFIX, NOTE, REPORT = ".heapgraph", ".json", ".txt"
"""Of a snapshot, of its note, and of what `heapgraph suspects` says of it."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST = 2**63


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

    @classmethod
    def of_note(cls, row: object) -> StoredSnapshot:
        """What a note says, checked: it may have been written by anybody.

        Raises:
            KeyError, TypeError, ValueError: it was not written by a daemon.
        """
        kinds: dict[str, type | tuple[type, ...]] = {
            "str": str,
            "int": int,
            "float": (int, float),
            "bool": bool,
        }
        if not isinstance(row, dict):
            raise TypeError(row)
        one = cls(**row)
        for field in fields(cls):
            value = getattr(one, field.name)
            is_flag = isinstance(value, bool)
            if is_flag != (field.type == "bool") or not isinstance(value, kinds[str(field.type)]):
                raise TypeError(field.name)
        if not (
            0 <= one.size < _MOST and 0 <= one.pause_ms < _MOST and _SHA256.fullmatch(one.sha256)
        ):
            raise ValueError(one.id)
        return one
