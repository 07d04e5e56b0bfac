"""One line of the log: who did what to whom, why, and what came of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heapgraph.watch.model import Observation, Worker

VERSION = 1

GENESIS = "0" * 64
"""`prev` of the first line."""

MAX_LINE_BYTES = 1 << 16

_TEXT_CHARACTERS = 1024
_MEMBERS = 64
_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it.

    Attributes:
        kind: "daemon", "rule", "token", "jwt", "cert", "peer", "cli" or "nobody".
        id: name of the rule or token, subject of the certificate, "uid=1000", "" for nobody.
    """

    kind: str
    id: str = ""


DAEMON = Actor("daemon")


@dataclass(frozen=True, slots=True)
class TargetRef:
    """To which process.

    Attributes:
        name: of the worker, "web/3".
        pid, started: of the process (`watch.model.ProcessKey`).
        exe: path of its program; the target chose it.
        host: on which it runs.
    """

    name: str
    pid: int
    started: int
    exe: str
    host: str

    @classmethod
    def of(cls, worker: Worker, host: str) -> TargetRef:
        """The reference to a worker."""
        key = worker.key
        return cls(str(worker.name), key.pid, key.started, worker.executable, host)


@dataclass(frozen=True, slots=True)
class Reason:
    """Which rule's observation led to it."""

    metric: str
    value: float
    limit: float
    times: int

    @classmethod
    def of(cls, seen: Observation) -> Reason:
        """The reason that an observation is."""
        return cls(seen.metric, seen.value, seen.limit, seen.times)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a line says besides its place in the chain.

    Attributes:
        event: "dump", "download", "command", "http.refused", "audit.opened", ...
        actor: who.
        origin: from where: "127.0.0.1", "unix", "".
        target, reason: to whom, and why; None where there is none.
        outcome: "intent", "done", "failed", "refused", ... or "".
        detail: further names, numbers and short texts.
    """

    event: str
    actor: Actor
    origin: str = ""
    target: TargetRef | None = None
    reason: Reason | None = None
    outcome: str = ""
    detail: Mapping[str, Any] | None = None


def line_of(entry: Entry, seq: int, prev: str, at: float) -> bytes:
    """The line, in ASCII, with its line feed; texts and lists that are too long are cut.

    Args:
        entry: what it says.
        seq: its number, from 1.
        prev: hash of the line before.
        at: time of day, seconds since 1970.

    Raises:
        ValueError: it has more than `MAX_LINE_BYTES` all the same.
    """
    document = {
        "v": VERSION,
        "seq": seq,
        "time": _time(at),
        "event": entry.event,
        "actor": asdict(entry.actor),
        "from": entry.origin,
        "target": entry.target and asdict(entry.target),
        "reason": entry.reason and asdict(entry.reason),
        "outcome": entry.outcome,
        "detail": dict(entry.detail or {}),
        "prev": prev,
    }
    text = json.dumps(_bounded(document, _DEPTH), separators=(",", ":"), allow_nan=False)
    line = text.replace("\x7f", "\\u007f").encode("ascii") + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"a line of {len(line)} bytes")
    return line


def hash_of(line: bytes) -> str:
    """SHA-256 of a line with its line feed: what `sed -n 7p FILE | sha256sum` prints."""
    return hashlib.sha256(line).hexdigest()


def parsed(line: bytes) -> dict[str, Any] | None:
    """The record in a line with its line feed; None: it is none of ours."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    has_all = (
        isinstance(found, dict)
        and found.get("v") == VERSION
        and type(found.get("seq")) is int
        and all(isinstance(found.get(name), str) for name in ("time", "event", "outcome", "prev"))
        and all(isinstance(found.get(name), dict) for name in ("actor", "detail"))
    )
    return found if has_all else None


def seconds_of(record: Mapping[str, Any]) -> float | None:
    """Its time as seconds since 1970; None: it is no time."""
    try:
        return datetime.fromisoformat(record["time"]).timestamp()
    except (ValueError, OverflowError):
        return None


def day_of(at: float) -> str:
    """The day in UTC, "2026-01-31"."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _bounded(value: Any, depth: int) -> Any:  # noqa: ANN401 - whatever JSON has
    """The value as JSON can have it, of everything long the beginning."""
    if isinstance(value, str):
        return value if len(value) <= _TEXT_CHARACTERS else f"{value[: _TEXT_CHARACTERS - 3]}..."
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if depth and isinstance(value, Mapping):
        members = list(value.items())[:_MEMBERS]
        return {str(name)[:_MEMBERS]: _bounded(one, depth - 1) for name, one in members}
    if depth and isinstance(value, Sequence):
        return [_bounded(one, depth - 1) for one in value[:_MEMBERS]]
    return _bounded(str(value), depth)
