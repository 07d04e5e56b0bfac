"""The daemon's side of the census server: starts it, asks it, ends it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heapgraph.capture.process.start_time import stat_fields, ticks_in_seconds
from heapgraph.watch.census.own_memory import with_large_pages
from heapgraph.watch.children import GRACE_S, Finished, outputs_until, readable
from heapgraph.watch.tied import tied

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODULE = "heapgraph.watch.census.server"

IDLE_S = 120.0
"""The server ends when nobody has wanted a census for so long; the next one starts it again. It
has 34 MB of its own, and its start takes as long as a second census would."""

_ATTEMPTS = 2
_TIMES = slice(11, 15)  # of /proc/PID/stat: its own, and those of children it has waited for
_LONGEST_MESSAGE = 1 << 12


class NoServer(Exception):
    """There is no server to be had: a census takes a program of its own."""


class CensusServer:
    """Keeps a process that is forked for each census while censuses are wanted.

    Args:
        own: pids of children; that of the server, and those of censuses, are there meanwhile.
        idle_s: how long it stays when none is wanted.
    """

    def __init__(self, own: set[int], *, idle_s: float = IDLE_S) -> None:
        """Start nothing yet."""
        self._own = own
        self._idle_s = idle_s
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._running = 0
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """Of the server, None while there is none."""
        return None if self._process is None else self._process.pid

    async def run(
        self, arguments: Sequence[str], *, longest_s: float, profile: int | None = None
    ) -> Finished:
        """Have a census taken.

        Args:
            arguments: of `child.take_census`.
            longest_s: end it after so long.
            profile: a descriptor for its profile.

        Raises:
            TimeoutError: it took longer and was ended.
            NoServer: the server cannot be started, or ends before it begins.

        A cancelled wait ends it.
        """
        if self._idle is not None:
            self._idle.cancel()
        self._running += 1
        try:
            async with asyncio.timeout(longest_s):
                for _ in range(_ATTEMPTS):
                    with suppress(ConnectionError):
                        return await self._ask(arguments, profile)
                    self.close()  # it has ended, or was ended
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise NoServer(str(error)) from error
        finally:
            self._running -= 1
            if not self._running:
                loop = asyncio.get_running_loop()
                self._idle = loop.call_later(self._idle_s, self.close)
        raise NoServer("it ended at once")

    def processor_time(self) -> float:
        """Seconds that a server which runs has taken, with its censuses that have ended.

        When it has ended, the system counts them for our children.
        """
        if self._process is None or self._process.returncode is not None:
            return 0.0
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return 0.0
        return ticks_in_seconds(sum(map(int, stat_fields(stat)[_TIMES])))

    def close(self) -> None:
        """End the server, and with it the censuses that are being taken."""
        if self._idle is not None:
            self._idle.cancel()
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            self._own.discard(process.pid)

    async def _ask(self, arguments: Sequence[str], profile: int | None) -> Finished:
        requests = self._started()
        with ExitStack() as stack:
            with ExitStack() as passed_on:
                answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                stack.enter_context(answers)
                passed = [passed_on.enter_context(theirs).fileno()]
                answers.setblocking(False)
                pipes = []
                for _ in range(2):
                    reading, writing = os.pipe2(os.O_CLOEXEC)
                    stack.callback(os.close, reading)
                    passed_on.callback(os.close, writing)
                    pipes.append(reading)
                    passed.append(writing)
                passed += [] if profile is None else [profile]
                socket.send_fds(requests, [json.dumps([*arguments]).encode()], passed)
            begun, descriptors = await _message(answers)
            child = descriptors[0]
            stack.callback(os.close, child)
            pid = int(begun["pid"])
            self._own.add(pid)
            try:
                (end, _), outputs = await outputs_until(_message(answers), pipes)
            finally:
                await _end(pid, child)
                self._own.discard(pid)
            return Finished(int(end["code"]), *outputs)

    def _started(self) -> socket.socket:
        """The connection to the server, which is started where there is none."""
        if self._requests is not None:
            return self._requests
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())]
        try:
            self._process = subprocess.Popen(
                tied(command, signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
                # A library for matrices would start threads of its own, and a fork has one.
                env=with_large_pages(os.environ) | {"OPENBLAS_NUM_THREADS": "1"},
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._own.add(self._process.pid)
        ours.setblocking(False)
        self._requests = ours
        return ours


async def _message(answers: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What the server says next.

    Raises:
        ConnectionResetError: nothing; it has ended.
    """
    await readable(answers.fileno())
    message, descriptors, _, _ = socket.recv_fds(answers, _LONGEST_MESSAGE, 1)
    if not message:
        raise ConnectionResetError("the census server has ended")
    return json.loads(message), descriptors


async def _end(pid: int, child: int) -> None:
    """End a census that is still being taken.

    Args:
        pid: its process.
        child: a descriptor of that.
    """
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(child, signal.SIGTERM)
        try:
            await asyncio.wait_for(readable(child), GRACE_S)
        except TimeoutError:
            os.killpg(pid, signal.SIGKILL)
            await readable(child)
