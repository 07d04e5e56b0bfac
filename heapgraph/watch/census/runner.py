"""Has a child take a census, within limits of time and memory, and reads its answer."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from heapgraph.errors import CaptureInterrupted, TargetError
from heapgraph.watch.census.client import NoServer
from heapgraph.watch.census.record import census_of
from heapgraph.watch.children import how_ended, run_child

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.watch.census.client import CensusServer
    from heapgraph.watch.children import Finished
    from heapgraph.watch.model import Census, ProcessKey, WorkerName

_MODULE = "heapgraph.watch.census"

LONGEST_S = 120.0
"""A census that takes longer is ended: 100 million objects take about as long."""


async def run_census(
    worker: WorkerName,
    key: ProcessKey,
    *,
    max_pause_ms: float,
    profile: Path | None = None,
    longest_s: float = LONGEST_S,
    own: set[int] | None = None,
    server: CensusServer | None = None,
) -> Census:
    """Take a census of a worker in a child process.

    Args:
        worker: whose.
        key: which process it must be.
        max_pause_ms: give up when it would stand longer.
        profile: file for its pprof profile, overwritten; None: no profile. Where it cannot be
            written, the census has none.
        longest_s: end the child after so long.
        own: pids of children that run; that of this one is there meanwhile.
        server: forks the child; None: the child is a program of its own.

    Raises:
        TargetError: it cannot be captured, or the child failed; the parts say why.

    Cost: of the daemon, nothing but the wait. A cancelled wait ends the child.
    """
    arguments = [str(key.pid), str(key.started), "--max-pause", f"{max_pause_ms:g}"]
    arguments.append(f"--worker={worker}")
    descriptors: list[int] = []
    if profile is not None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(OSError):  # who holds the memory is worth more than a picture of it
            descriptors.append(os.open(profile, flags, 0o600))
    taken_at = time.monotonic()
    try:
        done = await _done(arguments, descriptors, longest_s=longest_s, own=own, server=server)
    except TimeoutError as error:
        raise _failed(key.pid, f"it took longer than {longest_s:.0f} s") from error
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    try:
        document = json.loads(done.output)
        if "error" in document:
            raise TargetError(*map(str, document["error"]))
        if profile is not None and not document.get("profiled"):
            _remove(profile)
            profile = None
        return census_of(document, worker, key, taken_at, profile)
    except (ValueError, KeyError, TypeError) as error:
        raise _failed(key.pid, how_ended(done.code)) from error


async def _done(
    arguments: list[str],
    descriptors: list[int],
    *,
    longest_s: float,
    own: set[int] | None,
    server: CensusServer | None,
) -> Finished:
    """Have a server take it where there is one, or a program."""
    profile = next(iter(descriptors), None)
    if server is not None:
        with suppress(NoServer):  # no memory or no descriptor for it; a program needs less
            return await server.run(arguments, longest_s=longest_s, profile=profile)
    command = [sys.executable, "-P", "-m", _MODULE, *arguments]
    command += [] if profile is None else ["--profile", str(profile)]
    return await run_child(command, longest_s=longest_s, own=own, pass_fds=descriptors)


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


def _failed(pid: int, cause: str) -> CaptureInterrupted:
    return CaptureInterrupted(
        f"no census of process {pid}", cause, f"try it by hand: heapgraph dump {pid}"
    )
