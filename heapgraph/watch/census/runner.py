"""Has a child take a census, within limits of time and memory, and reads its answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from heapgraph.errors import CaptureInterrupted, TargetError
from heapgraph.watch.census.record import census_of

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.watch.model import Census, ProcessKey, WorkerName

_MODULE = "heapgraph.watch.census"

LONGEST_S = 120.0
"""A census that takes longer is ended: 100 million objects take about as long."""

_LONGEST_ANSWER = 1 << 20


async def run_census(
    worker: WorkerName,
    key: ProcessKey,
    *,
    max_pause_ms: float,
    profile: Path | None = None,
    longest_s: float = LONGEST_S,
) -> Census:
    """Take a census of a worker in a child process.

    Args:
        worker: whose.
        key: which process it must be.
        max_pause_ms: give up when it would stand longer.
        profile: file for its pprof profile, overwritten; None: no profile.
        longest_s: end the child after so long.

    Raises:
        TargetError: it cannot be captured, or the child failed; the parts say why.

    Cost: of the daemon, nothing but the wait. A cancelled wait ends the child.
    """
    loop = asyncio.get_running_loop()
    command = [sys.executable, "-P", "-m", _MODULE, str(key.pid), str(key.started)]
    command += ["--max-pause", str(max_pause_ms)]
    descriptor = -1
    if profile is not None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(profile, flags, 0o600)
        command += ["--profile", str(descriptor)]
    taken_at = loop.time()
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=() if descriptor < 0 else (descriptor,),
            start_new_session=True,
            limit=_LONGEST_ANSWER,
        )
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    try:
        answer = await asyncio.wait_for(_answer_of(child), longest_s)
    except TimeoutError as error:
        raise _failed(key.pid, f"it took longer than {longest_s:.0f} s") from error
    finally:
        await _end(child)
    try:
        document = json.loads(answer)
        if "error" in document:
            raise TargetError(*map(str, document["error"]))
        return census_of(document, worker, key, taken_at, profile)
    except (ValueError, KeyError, TypeError) as error:
        code = child.returncode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        raise _failed(key.pid, f"the child that took it ended with {how}") from error


async def _answer_of(child: asyncio.subprocess.Process) -> bytes:
    assert child.stdout is not None  # noqa: S101 - it is a pipe
    try:
        answer = await child.stdout.readline()
    except ValueError:  # longer than a line may be
        return b""
    await child.wait()
    return answer


async def _end(child: asyncio.subprocess.Process) -> None:
    """End the child and what it started, if it still runs."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), 2)
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


def _failed(pid: int, cause: str) -> CaptureInterrupted:
    return CaptureInterrupted(
        f"no census of process {pid}", cause, f"try it by hand: heapgraph dump {pid}"
    )
