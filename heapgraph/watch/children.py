"""Programs that the daemon starts: their answers bounded, their time limited, ended as a group."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from heapgraph.watch.tied import tied

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

_End = TypeVar("_End")

LONGEST_OUTPUT = 1 << 20

GRACE_S = 5.0
"""How long a child that was told to end may take for putting things away."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A child that has ended.

    Attributes:
        code: exit code; negative for a signal.
        output, errors: what it wrote, at most `LONGEST_OUTPUT` bytes of each.
    """

    code: int
    output: bytes
    errors: bytes


async def run_child(
    command: Sequence[str],
    *,
    longest_s: float,
    own: set[int] | None = None,
    pass_fds: Sequence[int] = (),
) -> Finished:
    """Run a program to its end.

    Args:
        command: the program by its path, and its arguments; no shell reads them.
        longest_s: end it after so long.
        own: pids of children that run; its pid is there meanwhile.
        pass_fds: descriptors that it gets.

    Raises:
        TimeoutError: it took longer and was ended.
        OSError: it cannot be started.

    It ends with the daemon, however that ends. A cancelled wait ends it: first with SIGTERM, which
    heapgraph's own programs obey at once and leave nothing behind.
    """
    child = _started(command, pass_fds)
    ended = -1
    if own is not None:
        own.add(child.pid)
    try:
        ended = os.pidfd_open(child.pid)
        assert child.stdout is not None  # noqa: S101 - both are pipes
        assert child.stderr is not None  # noqa: S101
        pipes = [one.fileno() for one in (child.stdout, child.stderr)]
        async with asyncio.timeout(longest_s):
            _, (output, errors) = await outputs_until(readable(ended), pipes)
        return Finished(child.wait(), output, errors)
    finally:
        await _end(child, ended)
        if own is not None:
            own.discard(child.pid)


def _started(command: Sequence[str], pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
    """Not by asyncio: where that finds no thread or descriptor, it leaves the child it started."""
    return subprocess.Popen(
        tied(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=tuple(pass_fds),
    )


async def _end(child: subprocess.Popen[bytes], ended: int) -> None:
    """End a child and all of its group, if it still runs, and give its descriptors back."""
    try:
        if child.poll() is None:
            child.terminate()
            if ended >= 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(readable(ended), GRACE_S)
    finally:
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            if ended >= 0:
                await readable(ended)
            child.wait()
        if ended >= 0:
            os.close(ended)
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


async def readable(descriptor: int) -> None:
    """Wait for bytes of a pipe, its end, or the end of a process."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(descriptor)


async def outputs_until(
    end: Coroutine[None, None, _End], pipes: Sequence[int]
) -> tuple[_End, list[bytes]]:
    """Wait for the end of a child, and read what it writes meanwhile.

    Args:
        end: waits for it.
        pipes: descriptors.

    Returns:
        What was waited for, and the beginning of what each pipe brings.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(_bounded(one)) for one in pipes]
            ended = await end
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    return ended, [one.result() for one in reads]


def how_ended(code: int) -> str:
    """Why a child has no result, in words.

    Args:
        code: of `Finished`.
    """
    if code < 0:
        return f"the child that took it was ended by signal {-code}"
    return f"the child that took it ended with exit code {code}"


def processor_time_of_children() -> float:
    """Seconds of processor time that all children that have ended took, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _bounded(descriptor: int) -> bytes:
    """The beginning of what a pipe brings; the rest is read and dropped, so that nobody waits."""
    kept = bytearray()
    while True:
        await readable(descriptor)
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            return bytes(kept)
        kept += chunk[: max(0, LONGEST_OUTPUT - len(kept))]
