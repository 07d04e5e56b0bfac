"""A target that is killed, or becomes another program, while its frozen image is held.

What it had must be free at once for whoever takes its place: the port, the locks, the connections.
A lock that outlives an exec must outlive it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import struct
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import table
from benchmarks.stress.checkouts import Checkout, Freezer, start_freezer
from benchmarks.stress.results import Result, announce
from helpers.running_target import RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.stress.options import Options

FREE_WITHIN_MS = 20.0
GIVEN_UP_S = 1.5
ROUNDS = 10
_POLL_S = 0.0003


@dataclass
class Ending:
    """What was free how soon after targets ended in one way.

    Attributes:
        how, method, checkout: what was tried; "none" as a method is the control.
        rounds: how often.
        worst_ms: the longest time by what it was that became free.
        lost: fcntl locks that did not survive an exec.
        refused: freezes that the tool would not do.
    """

    how: str
    method: str
    checkout: str = "this"
    rounds: int = 0
    worst_ms: dict[str, float] = field(default_factory=dict)
    lost: int = 0
    refused: int = 0

    def take(self, times: dict[str, float]) -> None:
        """Keep the worst of each."""
        self.rounds += 1
        for name, value in times.items():
            self.worst_ms[name] = max(value, self.worst_ms.get(name, 0.0))

    def is_harmed(self, control: Ending) -> bool:
        """Whether something came later than without us, or never."""
        limit = {name: FREE_WITHIN_MS + value for name, value in control.worst_ms.items()}
        late = any(value > limit[name] for name, value in self.worst_ms.items())
        return late or self.lost > control.lost


class Belongings:
    """What one target has, seen by a peer."""

    def __init__(self, folder: Path, address: tuple[str, int]) -> None:
        """Connect to it and open the files it has locked."""
        self._address = address
        self._connection = socket.create_connection(address)
        self._flock = (folder / "flock").open("r+")
        self._fcntl = (folder / "fcntl").open("r+")

    def port(self) -> bool:
        """Whether its port can be taken."""
        with socket.socket() as successor:
            successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                successor.bind(self._address)
                successor.listen()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                raise
        return True

    def flock(self) -> bool:
        """Whether its flock can be taken."""
        return _takes(lambda: fcntl.flock(self._flock, fcntl.LOCK_EX | fcntl.LOCK_NB))

    def fcntl(self) -> bool:
        """Whether its fcntl lock can be taken."""
        return _takes(lambda: fcntl.lockf(self._fcntl, fcntl.LOCK_EX | fcntl.LOCK_NB))

    def end_of_peer(self) -> bool:
        """Whether the connection has come to its end."""
        try:
            return self._connection.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def fcntl_owner(self) -> int:
        """Who has the fcntl lock; 0 for nobody."""
        asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack("hhqqi", fcntl.fcntl(self._fcntl, fcntl.F_GETLK, asked))
        return 0 if kind == fcntl.F_UNLCK else int(pid)

    def close(self) -> None:
        """Give everything back."""
        self._connection.close()
        self._flock.close()
        self._fcntl.close()


def _takes(lock: Callable[[], None]) -> bool:
    try:
        lock()
    except OSError:
        return False
    return True


def times_until(conditions: dict[str, Callable[[], bool]], start: float) -> dict[str, float]:
    """Milliseconds from `start` until each holds; GIVEN_UP_S at most."""
    times: dict[str, float] = {}
    waiting = threading.Event()
    while len(times) < len(conditions):
        for name, holds in conditions.items():
            now = time.monotonic()
            if name not in times and (holds() or now - start > GIVEN_UP_S):
                times[name] = (time.monotonic() - start) * 1e3
        waiting.wait(_POLL_S)
    return times


@contextmanager
def _connected(python: str) -> Iterator[tuple[RunningTarget, Belongings]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        start_target("stress_endings.py", folder, python=python) as target,
    ):
        host, port = json.loads(target.ready)["address"]
        belongings = Belongings(Path(folder), (host, port))
        assert target.read_line() == "connected"
        try:
            yield target, belongings
        finally:
            belongings.close()


def one_ending(ending: Ending, freezer: Freezer | None, python: str) -> None:
    """Let one target end while it is held, and see what is free when."""
    with _connected(python) as (target, belongings):
        if freezer is not None:
            answer = freezer.ask("hold", pid=target.pid, method=ending.method)
            if answer["outcome"] != "ok":
                ending.refused += 1
                return
        gone = {
            "port": belongings.port,
            "flock": belongings.flock,
            "peer": belongings.end_of_peer,
        }
        try:
            if ending.how == "killed":
                start = time.monotonic()
                os.kill(target.pid, signal.SIGKILL)
                ending.take(times_until({**gone, "fcntl": belongings.fcntl}, start))
                return
            start = time.monotonic()
            target.send("exec")
            ending.take(times_until(gone, start))
            target.read_line()
        finally:
            if freezer is not None:
                freezer.ask("release")
        ending.lost += belongings.fcntl_owner() != target.pid


def run_endings(options: Options) -> Result:
    """Both ways to end, by every method of every checkout; a pause lets no target exec."""
    rows: list[Ending] = []
    controls = {how: Ending(how, "none") for how in ("killed", "exec")}
    for how, control in controls.items():
        for _ in range(ROUNDS):
            one_ending(control, None, options.python)
        rows.append(control)
        for checkout in options.checkouts:
            rows += _by_every_method(how, checkout, options)
    harmed = 0
    for row in rows:
        is_harmed = row.is_harmed(controls[row.how])
        harmed += is_harmed
        announce(f"{row.how} {row.method} {row.checkout}: {'harmed' if is_harmed else 'no harm'}")
    return Result(ending_table(rows, controls), [asdict(row) for row in rows], harmed)


def _by_every_method(how: str, checkout: Checkout, options: Options) -> Iterator[Ending]:
    with start_freezer(checkout) as freezer:
        for method in options.methods[checkout.name]:
            if how == "exec" and method == "pause":
                continue  # it stands: it cannot become anything
            ending = Ending(how, method, checkout.name)
            for _ in range(ROUNDS):
                one_ending(ending, freezer, options.python)
            yield ending


def ending_table(rows: list[Ending], controls: dict[str, Ending]) -> str:
    """The worst times, in milliseconds."""
    names = ("port", "flock", "fcntl", "peer")
    head = ("target", "method", "rounds", "refused", *names, "fcntl locks lost", "harm")
    return table(
        head,
        [
            [
                row.how,
                row.method if row.checkout == "this" else f"{row.method} ({row.checkout})",
                str(row.rounds),
                str(row.refused),
                *(f"{row.worst_ms[n]:.1f} ms" if n in row.worst_ms else "-" for n in names),
                str(row.lost) if row.how == "exec" else "-",
                "**yes**" if row.is_harmed(controls[row.how]) else "none",
            ]
            for row in rows
        ],
    )
