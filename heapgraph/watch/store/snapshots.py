"""The snapshots that the daemon keeps: one file each, a note beside it, the oldest go first."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from heapgraph.errors import HeapgraphError
from heapgraph.units import format_size
from heapgraph.watch.store.private_folder import (
    open_private_folder,
    read_private_file,
    set_aside,
    sync_folder,
    write_private_file,
)
from heapgraph.watch.store.stored_snapshot import NOTE, REPORT, SUFFIX, StoredSnapshot

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.watch.model import Worker
    from heapgraph.watch.settings.model import StoreSpec


_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}-\d{8}t\d{6}-[0-9a-f]{6}")
_PLAIN = re.compile(r"[^a-z0-9]+")
_CHUNK = 1 << 20
_LONGEST_NOTE = 1 << 16


class StoreFull(HeapgraphError):
    """There is no room for another snapshot."""


class SnapshotStore:
    """The folder with snapshots.

    A note is written after its snapshot is whole: what has no note is no snapshot of the store.
    Not safe to share between threads or processes; the daemon holds a lock.

    Args:
        spec: its limits.

    Attributes:
        set_aside: names of damaged notes, which have another one now.

    Raises:
        HeapgraphError: the folder is not the daemon's own.
    """

    def __init__(self, spec: StoreSpec) -> None:
        """Open or make the folder, and read its notes."""
        self.spec = spec
        self.folder = open_private_folder(spec.path)
        self._place = _place_of(self.folder)
        self._known: dict[str, StoredSnapshot] = {}
        self.set_aside: list[str] = []
        for note in sorted(self.folder.glob(f"*{NOTE}")):
            if _ID.fullmatch(note.stem):
                self._take_note(note)

    def snapshots(self) -> list[StoredSnapshot]:
        """All, the oldest first."""
        return sorted(self._known.values(), key=lambda one: (one.created, one.id))

    def find(self, snapshot_id: str) -> StoredSnapshot | None:
        """One by its id, or the newest of all for "latest"; None where there is none."""
        if snapshot_id == "latest":
            return next(reversed(self.snapshots()), None)
        return self._known.get(snapshot_id)

    def path_of(self, snapshot_id: str) -> Path:
        """Where the file of a snapshot is.

        Raises:
            ValueError: that is no id.
        """
        if not _ID.fullmatch(snapshot_id):
            raise ValueError(f"{snapshot_id!r} is no id of a snapshot")
        return self.folder / (snapshot_id + SUFFIX)

    def bytes_used(self) -> int:
        """Bytes of all snapshots."""
        return sum(one.size for one in self._known.values())

    def new_id(self, worker: Worker, now: datetime | None = None) -> str:
        """A name that no snapshot had before: target, time of the start, chance."""
        when = (now or datetime.now(UTC)).strftime("%Y%m%dt%H%M%S")
        target = _PLAIN.sub("-", worker.name.target.lower()).strip("-")[:40] or "target"
        return f"{target}-{worker.name.slot}-{when}-{secrets.token_hex(3)}"

    def is_in_place(self) -> bool:
        """Whether its path still leads to the folder that was opened, which others cannot change.

        Moved away, replaced or made a link while the daemon runs, it is another one, unchecked.
        """
        return _place_of(self.folder) == self._place

    def check_room(self, worker: Worker, expected: int) -> None:
        """Refuse a snapshot that would not fit, before anything is done to its target.

        What is old is not deleted for that: it goes when the new one is whole.

        Args:
            worker: whose it would be.
            expected: bytes that its file may have.

        Raises:
            StoreFull: the file system would have less free than it must, the file would be larger
                than the whole store, or the process has as many as it may. Or the store is not
                where it was.
        """
        if not self.is_in_place():
            raise StoreFull(
                f"{self.folder} is not the store that was opened",
                "it was moved, replaced or made a link while the daemon ran",
                "put it back, or start the daemon again",
            )
        if expected > self.spec.bytes:
            raise StoreFull(
                f"a snapshot of {worker.name} may take {format_size(expected)}",
                f"the store may hold {format_size(self.spec.bytes)} in all",
                "raise store.limits.bytes",
            )
        free, least = self._free(), self._least_free()
        if free - expected < least:
            raise StoreFull(
                f"{self.folder} has {format_size(free)} free",
                f"{format_size(least)} are kept free and a snapshot may take"
                f" {format_size(expected)}",
                "make room there, or lower store.limits.keep_free",
            )
        of_process = [
            one
            for one in self._known.values()
            if (one.pid, one.started) == (worker.key.pid, worker.key.started)
        ]
        if len(of_process) >= self.spec.per_rampup:
            raise StoreFull(
                f"{len(of_process)} snapshots of {worker.name} since its process started",
                "more of one process tell nothing new",
                "look at those there are, or raise store.limits.per_rampup",
            )

    def add(
        self,
        snapshot_id: str,
        worker: Worker,
        *,
        redacted: bool,
        reason: str,
        objects: int = 0,
        quality: str = "",
        pause_ms: float = 0.0,
        method: str = "",
        why_paused: str = "",
    ) -> StoredSnapshot:
        """Take in a snapshot whose file is whole, then drop the oldest beyond the limits.

        Args:
            snapshot_id: of `new_id`; its file is at `path_of`.
            worker: whose.
            redacted: it holds no values.
            reason: the rule, or who asked.
            objects: how many are in it.
            quality: "good" or "poor".
            pause_ms: how long the process stood.
            method: how its memory was taken.
            why_paused: why it was not cloned, where it stood still.

        Raises:
            OSError: the note could not be written; the snapshot is removed.

        Cost: reads the file once.
        """
        path = self.path_of(snapshot_id)
        try:
            digest = _sha256(path)
            one = StoredSnapshot(
                id=snapshot_id,
                target=worker.name.target,
                slot=worker.name.slot,
                pid=worker.key.pid,
                started=worker.key.started,
                created=datetime.now(UTC).isoformat(timespec="microseconds"),
                size=path.stat().st_size,
                sha256=digest,
                redacted=redacted,
                reason=reason,
                objects=objects,
                quality=quality,
                pause_ms=pause_ms,
                method=method,
                why_paused=why_paused,
            )
            write_private_file(self._note_of(snapshot_id), json.dumps(asdict(one)).encode())
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise
        self._known[one.id] = one
        self._prune(keep=one.id)
        return one

    def add_report(self, snapshot_id: str, text: bytes) -> None:
        """Keep what is said of a snapshot beside it; it goes with it.

        Raises:
            OSError: it cannot be written.
        """
        write_private_file(self.path_of(snapshot_id).with_suffix(REPORT), text)

    def _take_note(self, note: Path) -> None:
        """Read one; what is damaged is set aside, with its snapshot, of which nothing is known."""
        file = self.path_of(note.stem)
        try:
            one = StoredSnapshot.of_note(json.loads(read_private_file(note, _LONGEST_NOTE)))
            is_its_own = one.id == note.stem
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            is_its_own = False
        if not is_its_own:
            if set_aside(note):
                self.set_aside.append(note.name)
            set_aside(file)
        elif file.is_file() and not file.is_symlink():
            self._known[one.id] = one

    def sweep(self) -> list[str]:
        """Remove what a daemon that was killed left: files without a note, and halves.

        Returns:
            Their names.
        """
        removed = []
        for path in self.folder.iterdir():
            is_known = path.stem in self._known
            is_ours = path.suffix in (SUFFIX, NOTE, REPORT) or path.name.startswith(".")
            if is_ours and not is_known and _ID.match(path.name.lstrip(".")):
                with suppress(OSError):
                    path.unlink()
                    removed.append(path.name)
        return removed

    def remove(self, snapshot_id: str) -> None:
        """Delete one; the note first, so that no note is without its file."""
        self._known.pop(snapshot_id, None)
        file = self.path_of(snapshot_id)
        for path in (file.with_suffix(NOTE), file, file.with_suffix(REPORT)):
            with suppress(OSError):
                path.unlink()
        sync_folder(self.folder)

    def _prune(self, keep: str) -> None:
        for one in self.snapshots():
            within = (
                len(self._known) <= self.spec.files
                and self.bytes_used() <= self.spec.bytes
                and self._free() >= self._least_free()
            )
            if within:
                return
            if one.id != keep:
                self.remove(one.id)

    def _note_of(self, snapshot_id: str) -> Path:
        return self.path_of(snapshot_id).with_suffix(NOTE)

    def _free(self) -> int:
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def _least_free(self) -> int:
        state = os.statvfs(self.folder)
        return int(state.f_blocks * state.f_frsize * self.spec.keep_free)


def _place_of(folder: Path) -> tuple[int, int] | None:
    """Which folder a path leads to; None where there is none, or a link."""
    try:
        state = folder.lstat()
    except OSError:
        return None
    return (state.st_dev, state.st_ino) if stat.S_ISDIR(state.st_mode) else None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
