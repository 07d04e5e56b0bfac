"""The pprof profiles of the last censuses, a few for each worker, in a folder of the store."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.watch.store.private_folder import open_private_folder

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.watch.model import Census, ProcessKey, WorkerName

KEPT = 5
"""Of each worker: what a delta over an hour needs at a census every 15 minutes."""

_PLAIN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class KeptProfile:
    """One file."""

    file: Path
    taken_at: float
    key: ProcessKey


class Profiles:
    """Files that are numbered, so that one that is being read is never written again.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder and empty it: what is there is of a daemon that is gone."""
        self._folder = open_private_folder(folder / "profiles")
        self._kept: dict[WorkerName, list[KeptProfile]] = {}
        self._number = 0
        for path in self._folder.glob("*.pb.gz"):
            with suppress(OSError):
                path.unlink()

    def new_file(self, worker: WorkerName) -> Path:
        """Where the next profile of a worker goes."""
        self._number += 1
        target = _PLAIN.sub("-", worker.target.lower()).strip("-")[:40] or "target"
        return self._folder / f"{target}-{worker.slot}-{self._number}.pb.gz"

    def keep(self, census: Census) -> None:
        """Keep the profile of a census, and forget the oldest of its worker."""
        if census.profile is None:
            return
        rows = self._kept.setdefault(census.worker, [])
        rows.append(KeptProfile(census.profile, census.taken_at, census.key))
        while len(rows) > KEPT:
            _remove(rows.pop(0).file)

    def of(self, worker: WorkerName, key: ProcessKey) -> list[KeptProfile]:
        """Those of a process, the newest first."""
        return [one for one in reversed(self._kept.get(worker, [])) if one.key == key]

    def forget(self, worker: WorkerName) -> None:
        """A worker is gone."""
        for one in self._kept.pop(worker, []):
            _remove(one.file)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
