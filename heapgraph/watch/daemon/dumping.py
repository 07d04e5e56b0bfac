"""Has a child take a snapshot, and takes it into the store when it is whole and the right one."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from heapgraph.errors import CaptureInterrupted
from heapgraph.watch.children import how_ended, run_child
from heapgraph.watch.how_taken import why_paused
from heapgraph.watch.store.dumped import is_of_process

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.watch.model import Worker
    from heapgraph.watch.store.snapshots import SnapshotStore
    from heapgraph.watch.store.stored_snapshot import StoredSnapshot

LONGEST_DUMP_S = 900.0


async def dump_into(
    store: SnapshotStore,
    worker: Worker,
    *,
    max_pause_ms: float,
    reason: str,
    own: set[int],
) -> StoredSnapshot:
    """Take a snapshot of a worker.

    Args:
        store: has room for it.
        worker: whose.
        max_pause_ms: give up when it would stand longer.
        reason: the rule, or who asked.
        own: pids of children that run.

    Raises:
        TargetError: it could not be taken.
        OSError: it could not be taken in.
    """
    name = store.new_id(worker)
    path = store.path_of(name)
    command = [sys.executable, "-P", "-m", "heapgraph", "dump", str(worker.key.pid)]
    command += ["-o", str(path), "--json", "--max-pause", f"{max_pause_ms:g}"]
    if store.spec.redact:
        command.append("--redact")
    try:
        facts = await _dumped(command, path, worker, own)
    except BaseException:
        # Cancelled, or ended with an error, after the file had its name: nobody would know of it.
        with suppress(OSError):
            path.unlink()
        raise
    return store.add(
        name,
        worker,
        redacted=store.spec.redact,
        reason=reason,
        objects=facts.objects,
        quality=facts.quality,
        pause_ms=facts.pause_ms,
        method=facts.method,
        why_paused=facts.why_paused,
    )


class _Facts(NamedTuple):
    """What the dump said of itself."""

    objects: int
    quality: str
    pause_ms: float
    method: str
    why_paused: str


async def _dumped(command: list[str], path: Path, worker: Worker, own: set[int]) -> _Facts:
    """Run the dump; its file is whole then, and of the process that was meant."""
    try:
        done = await run_child(command, longest_s=LONGEST_DUMP_S, own=own)
    except TimeoutError as error:
        raise _failed(worker, f"it took longer than {LONGEST_DUMP_S:.0f} s") from error
    if done.code != 0:
        raise _failed(worker, said(done.errors) or how_ended(done.code))
    if not is_of_process(path, worker.key):
        raise _failed(worker, "its pid was given to another process")
    try:
        facts = json.loads(done.output)
        return _Facts(
            int(facts["objects"]),
            str(facts["quality"]["grade"]),
            float(facts["pause_ms"]),
            str(facts["method"]),
            why_paused(facts["method"], facts["passed_over"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _failed(worker, "the dump did not say what it took") from error


def said(errors: bytes) -> str:
    """The parts of an error as the command line printed them, in one line."""
    lines = errors.decode(errors="replace").splitlines()
    return "; ".join(line.strip() for line in lines[-3:] if line.strip())[:500]


def _failed(worker: Worker, cause: str) -> CaptureInterrupted:
    pid = worker.key.pid
    return CaptureInterrupted(
        f"no snapshot of {worker.name} (process {pid})",
        cause,
        f"try it by hand: heapgraph dump {pid}",
    )
