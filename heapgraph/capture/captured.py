"""What a capture found, and how it becomes a snapshot file: of processes and core files alike."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from heapgraph import __version__
from heapgraph.capture.tables import snapshot_tables
from heapgraph.errors import CaptureInterrupted

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from heapgraph.capture.cpython.interpreter_facts import InterpreterFacts
    from heapgraph.capture.cpython.roots import RootSet
    from heapgraph.capture.cpython.target import Target
    from heapgraph.capture.heap.audit import Verdict
    from heapgraph.capture.heap.columns import HeapColumns
    from heapgraph.capture.heap.traverse_account import TraverseAccount
    from heapgraph.capture.process.maps import Mapping
    from heapgraph.capture.regions.native_owners import NativeOwners
    from heapgraph.capture.regions.regions import MemoryRegions
    from heapgraph.snapshot.plain_tables import PlainTable

Progress: TypeAlias = "Callable[[str, int, int], None]"


@dataclass(frozen=True)
class DumpResult:
    """What a dump did.

    Attributes:
        path: the snapshot file.
        method: "idle", "clone", "pause" or "core".
        pause_s: seconds the target stood still, all attempts together.
        objects, references: how many the snapshot holds.
        seconds: from the first look at the target to the closed file.
        phases: seconds by phase, in the order they ran.
        quality: the quality record.
        notes: sentences for the user.
        passed_over: the gentler methods that were not taken, and why.
        resident_size: bytes of the process in memory when the dump began.
        objects_size: bytes of all objects, dead or alive.
        garbage_objects, garbage_size: of them, those that nothing reaches.
    """

    path: Path
    method: str
    pause_s: float
    objects: int
    references: int
    seconds: float
    phases: dict[str, float]
    quality: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)
    resident_size: int = 0
    objects_size: int = 0
    garbage_objects: int = 0
    garbage_size: int = 0


@dataclass(frozen=True)
class Captured:
    """One frozen moment, walked and judged."""

    columns: HeapColumns
    named: RootSet
    verdict: Verdict
    maps: list[Mapping]
    regions: MemoryRegions
    native: NativeOwners
    method: str
    collecting: bool
    traversed: TraverseAccount
    facts: InterpreterFacts
    passed_over: dict[str, str] = field(default_factory=dict)


class Clock:
    """Seconds by phase; a phase that runs again adds up."""

    def __init__(self) -> None:
        """Start it."""
        self.started = time.monotonic()
        self.phases: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of a block."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - begin)

    def add(self, name: str, seconds: float) -> None:
        """Count some time."""
        self.phases[name] = self.phases.get(name, 0.0) + seconds

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


def captured_tables(
    target: Target,
    captured: Captured,
    clock: Clock,
    *,
    pause_s: float = 0.0,
    attempts: int = 1,
    redact: bool = False,
) -> tuple[dict[str, Any], dict[str, PlainTable]]:
    """Manifest and tables of a capture, before they are a file.

    Args:
        target: facts about the process.
        captured: its heap.
        clock: of the whole capture.
        pause_s: seconds the process stood still.
        attempts: how often it was frozen.
        redact: the manifest says that no values are kept; the tables still have them.

    Cost: no copy of the columns; a few Python steps per type, root and frame.
    """
    with clock.phase("tables"):
        tables = snapshot_tables(
            captured.columns,
            captured.named,
            captured.verdict,
            captured.maps,
            captured.regions,
            native=captured.native,
        )
    quality = {
        **captured.verdict.record,
        **captured.traversed.record(captured.columns),
        "collecting": captured.collecting,
        "attempts": attempts,
    }
    manifest = {
        "tool_version": __version__,
        "snapshot_id": secrets.token_hex(16),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": _target_facts(target),
        "capture": {
            "method": captured.method,
            "passed_over": captured.passed_over,
            "pause_ms": round(pause_s * 1000, 3),
            "seconds": round(clock.elapsed(), 3),
            "phases": {name: round(value, 4) for name, value in clock.phases.items()},
            "memory_read": captured.columns.counts["bytes_read"],
        },
        "interpreter": captured.facts.record(captured.columns.counts["gc_frozen"]),
        "native": captured.native.record(),
        "quality": quality,
        "redacted": redact,
    }
    return manifest, tables


def write_captured(
    output: str | os.PathLike[str],
    target: Target,
    captured: Captured,
    clock: Clock,
    *,
    pause_s: float = 0.0,
    attempts: int = 1,
    notes: list[str],
    redact: bool,
    force: bool,
    progress: Progress | None,
) -> DumpResult:
    """Write the snapshot of a capture.

    Args:
        output: the file to write.
        target: facts about the process.
        captured: its heap.
        clock: of the whole dump.
        pause_s: seconds the process stood still.
        attempts: how often it was frozen.
        notes: sentences for the user.
        redact: keep no values.
        force: overwrite an existing file.
        progress: called with phase, done, total (0 = unknown).

    Raises:
        SnapshotWriteFailed: the output exists (without force) or cannot be written.
    """
    from heapgraph.snapshot.arrow_tables import arrow_tables  # noqa: PLC0415 - a census writes nothing
    from heapgraph.snapshot.redacting.redaction import redact_tables  # noqa: PLC0415
    from heapgraph.snapshot.writer import write_snapshot  # noqa: PLC0415

    manifest, plain = captured_tables(
        target, captured, clock, pause_s=pause_s, attempts=attempts, redact=redact
    )
    with clock.phase("tables"):
        tables = arrow_tables(plain)
        if redact:
            tables = redact_tables(tables)
    with clock.phase("write"):
        write_snapshot(output, manifest, tables, force=force, progress=progress)
    sizes = captured.columns.arrays["shallow_size"]
    is_garbage = captured.verdict.is_garbage
    return DumpResult(
        Path(output),
        captured.method,
        pause_s,
        captured.columns.object_count,
        len(captured.columns.arrays["target"]),
        clock.elapsed(),
        clock.phases,
        manifest["quality"],
        notes,
        captured.passed_over,
        target.rss,
        int(sizes.sum(dtype=np.uint64)),
        int(np.count_nonzero(is_garbage)),
        int(sizes.sum(dtype=np.uint64, where=is_garbage)),
    )


def _target_facts(target: Target) -> dict[str, Any]:
    return {
        "pid": target.pid,
        "executable": target.executable,
        "command_line": list(target.command_line),
        "python_version": ".".join(str(number) for number in target.version),
        "python_build": target.build,
        "rss": target.rss,
        "hostname": target.hostname,
        "started": target.started,
    }


@contextmanager
def memory_shortage_named() -> Iterator[None]:
    """Say so when our own memory runs out, or no more threads may be started."""
    try:
        yield
    except RuntimeError as error:
        if "new thread" not in str(error):  # the interpreter has no class and no number for it
            raise
        raise CaptureInterrupted(
            "no thread can be started to take the snapshot",
            "a limit on processes and threads (ulimit -u, pids.max of the container) or on memory"
            " (ulimit -v) is reached",
            "raise that limit, or end other processes of this user or container first",
        ) from error
    except MemoryError as error:
        raise CaptureInterrupted(
            "not enough memory to take the snapshot",
            "heapgraph needs about as much as the objects of the target, and a limit is below that",
            "raise the limit (ulimit -v, the container's memory), or dump with more memory free",
        ) from error
