"""The census server: a process that has loaded what a census needs, and is forked for each one.

`python -m heapgraph.watch.census.server DESCRIPTOR`, a child of the daemon. Half of the time of a
census of a million objects would be the import of its libraries; here it is paid once. The server
itself opens no target and keeps nothing: a fork of it is the process that takes the census, and
ends with it. It has one thread, so that a fork is whole.

For each census the daemon sends one message: the arguments as JSON, with the descriptors of
`Passed`. On the first of these it is told that a child has begun, with a descriptor of that child,
and then how it ended. The end of the connection ends the server, and the end of
the server its children.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import NamedTuple

from heapgraph.capture.cpython.layouts import NEWEST_MINOR, OLDEST_MINOR, layout_for
from heapgraph.watch.census.child import COUNTING, take_census
from heapgraph.watch.census.own_memory import give_back, keep_small

_LONGEST_MESSAGE = 1 << 12
_MOST_DESCRIPTORS = 4

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_KNOWN_LEAKS = "heapgraph.analysis.leaks.known_leaks"
_PROFILES = "heapgraph.export.pprof"
_MESSAGES = "heapgraph.export.profiles.messages"
_VERDICTS_KEPT = "heapgraph.analysis.ages.kept"
_LOADED = ("heapgraph.capture.dump", COUNTING, _PROFILES, "numpy.ma")
"""numpy loads the last one when it first looks for distinct values."""


class Passed(NamedTuple):
    """Descriptors that come with a message, in this order; behind them that of a profile, if any.

    Attributes:
        answers: where the server says what becomes of the child.
        output, errors: of the child.
    """

    answers: int
    output: int
    errors: int


class _Child(NamedTuple):
    pid: int
    ended: int
    answers: socket.socket


def load() -> None:
    """Load what every census needs, and leave as few pages as possible to be written again."""
    keep_small()
    for name in _LOADED:
        importlib.import_module(name)
    importlib.import_module(_KNOWN_LEAKS).compile_patterns()
    importlib.import_module(_MESSAGES).new_profile()
    importlib.import_module(_VERDICTS_KEPT).rules_digest()
    for minor in range(OLDEST_MINOR, NEWEST_MINOR + 1):
        layout_for((3, minor))
    gc.collect()
    gc.freeze()
    give_back()


class Server:
    """Forks a child for each message.

    Args:
        requests: the connection to the daemon.
    """

    def __init__(self, requests: socket.socket) -> None:
        """Nothing runs yet."""
        self._requests = requests
        self._children: dict[int, _Child] = {}

    def run(self) -> None:
        """Serve until the connection ends."""
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        while True:
            descriptor, _ = poll.poll()[0]  # one at a time: what it does may close the others
            if (child := self._children.pop(descriptor, None)) is not None:
                poll.unregister(descriptor)
                with suppress(KeyError):
                    poll.unregister(child.answers)
                self._tell_end(child)
            elif descriptor != self._requests.fileno():
                poll.unregister(descriptor)
                self._nobody_waits(descriptor)
            else:
                message, descriptors, _, _ = socket.recv_fds(
                    self._requests, _LONGEST_MESSAGE, _MOST_DESCRIPTORS
                )
                if not message:
                    return
                if (begun := self._begin(json.loads(message), descriptors)) is not None:
                    self._children[begun.ended] = begun
                    poll.register(begun.ended, select.POLLIN)
                    poll.register(begun.answers, 0)  # says when the other end is closed

    def _begin(self, arguments: list[str], descriptors: list[int]) -> _Child | None:
        passed = Passed(*descriptors[: len(Passed._fields)])
        answers = socket.socket(fileno=passed.answers)
        try:
            if _is_closed(answers):  # nobody waits for it any more
                answers.close()
                return None
            server = os.getpid()
            pid = os.fork()
            if pid == 0:
                self._become(arguments, passed, descriptors, server)
        finally:
            for descriptor in descriptors[1:]:
                os.close(descriptor)
        child = _Child(pid, os.pidfd_open(pid), answers)
        with suppress(OSError):  # nobody waits any more: run() sees that next
            socket.send_fds(answers, [json.dumps({"pid": pid}).encode()], [child.ended])
        return child

    def _become(
        self, arguments: list[str], passed: Passed, descriptors: list[int], server: int
    ) -> None:
        """Be the child: take the census, and never come back."""
        code = 1
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
            if os.getppid() != server:
                return
            os.setsid()
            self._requests.close()
            os.close(passed.answers)
            for child in self._children.values():
                os.close(child.ended)
                child.answers.close()
            os.dup2(passed.output, 1)
            os.dup2(passed.errors, 2)
            os.close(passed.output)
            os.close(passed.errors)
            profile = next(iter(descriptors[len(Passed._fields) :]), None)
            code = take_census(arguments, profile)
            sys.stdout.flush()
        except BaseException:  # noqa: BLE001 - as the interpreter would do with it
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _nobody_waits(self, answers: int) -> None:
        """End the child whose answer nobody wants any more."""
        for child in self._children.values():
            if child.answers.fileno() == answers:
                os.kill(child.pid, signal.SIGTERM)  # it was not waited for: the pid is its own

    def _tell_end(self, child: _Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        os.close(child.ended)
        end = {"code": os.waitstatus_to_exitcode(status)}
        with suppress(OSError):  # the daemon does not wait for it any more
            child.answers.send(json.dumps(end).encode())
        child.answers.close()


def _is_closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False


def main() -> None:
    """Serve the connection whose descriptor is the argument."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    load()
    Server(requests).run()


if __name__ == "__main__":
    main()
