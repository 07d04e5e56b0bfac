"""Orders to the compiled helper that stops the target (native/freeze/main.c has the protocol)."""

from __future__ import annotations

import errno
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from heapgraph.errors import CaptureInterrupted, HeapgraphError
from heapgraph.native.library import LIBRARY_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from heapgraph.capture.live.memory_limits import MemoryPlan

HELPER = LIBRARY_FOLDER / "heapgraph_freeze"
"""The helper program; a separate process because ptrace belongs to one thread."""

_LONGEST_NS = 2**60
"""Of a pause: 36 years, so that the helper can add it to the time of day."""


@dataclass(eq=False)
class HelperFailure(Exception):
    """An order that the helper could not carry out; the target goes on as before.

    Attributes:
        code: a word of the protocol of native/freeze/main.c: "seize", "busy", "gone", ...
        error_number: the errno of the system call that failed.
        text: a few words for a log.
    """

    code: str
    error_number: int
    text: str


class HelperEnded(Exception):
    """The helper is gone: somebody killed it. What it held has been let go by the kernel."""


class FreezeHelper:
    """The helper process; leaving the context ends it, and with it everything it holds.

    It sees the end of its input even when this process is killed, so the target never stays
    stopped because the Python side failed.
    """

    def __init__(self, plan: MemoryPlan | None = None, *, descriptors: Sequence[int] = ()) -> None:
        """Start it.

        Args:
            plan: names what it watches while it holds a clone; None: nothing.
            descriptors: open files that it gets as well, under the same numbers.

        Raises:
            HeapgraphError: the compiled helper is missing or does not run here.
        """
        self._plan = plan
        try:
            self._process = subprocess.Popen(
                [str(HELPER), *(plan.places if plan else ())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                pass_fds=descriptors,
                # Away from the terminal: Ctrl-C and Ctrl-Z are for the Python side only.
                start_new_session=True,
            )
        except OSError as error:
            raise _not_started(error) from error

    @property
    def pid(self) -> int:
        """Process id of the helper."""
        return self._process.pid

    def watch(self, pid: int) -> int:
        """Note what the target's threads have done so far; `prove` tells whether they did more.

        Returns:
            How many threads it has.

        Raises:
            HelperFailure: "busy": one of them runs.
        """
        (threads,) = self._order(f"watch {pid}", "watching")
        return int(threads)

    def prove(self) -> bool:
        """True when no thread of the target has run since `watch`, and it maps the same."""
        (still,) = self._order("prove", "proved")
        return still == "1"

    def reap(self, pid: int) -> int:
        """Make the target forget ended clones of runs that were killed; returns how many."""
        (reaped,) = self._order(f"reap {pid}", "reaped")
        return int(reaped)

    def freeze(self, pid: int) -> tuple[int, float]:
        """Make the target clone itself.

        Args:
            pid: the target.

        Returns:
            The pid of the clone, and the seconds for which one thread of the target stood.
        """
        child, pause_ns = self._order(f"freeze {pid}", "frozen")
        return int(child), int(pause_ns) / 1e9

    def pause(self, pid: int, limit_s: float) -> None:
        """Stop every thread of the target, for `limit_s` at most (0: no limit)."""
        self._order(f"pause {pid} {min(limit_s * 1e9, _LONGEST_NS):.0f}", "paused")

    def make_twin(self, table: int, thread_pointer: int) -> int:
        """Make a process that has the memory of the target, with files this was started with.

        Args:
            table: descriptor of the list of its memory (native/freeze/twin/twin_table.h).
            thread_pointer: the register by which its code finds thread-local data.

        Returns:
            Its pid; it never runs by itself, and ends with the helper.
        """
        (child,) = self._order(f"twin {table} {thread_pointer:x}", "twin")
        return int(child)

    def map_memory(self, size: int) -> int:
        """Map memory, and the stub that runs traverse functions, into the clone or the twin.

        Returns:
            The address of the `size` bytes.
        """
        (address,) = self._order(f"map {size}", "mapped")
        return int(address)

    def run(self, control: int, limit_s: float) -> tuple[str, int]:
        """Run the stub in the clone or the twin.

        Args:
            control: address of its control block; 0: go on where it stands.
            limit_s: interrupt it after this time.

        Returns:
            Why it stands again: "stub" (by itself), "signal", "call" or "limit", or "memory" when
            a twin took too much and was ended; and the number of the signal or of the system call
            that was asked for and not made.
        """
        end, number = self._order(f"run {control} {limit_s * 1e9:.0f}", "ran")
        return end, int(number)

    def release(self) -> tuple[float, str]:
        """Let go of whatever is held.

        Returns:
            Seconds for which the target stood (for a clone: for the release alone), and "clean",
            "zombie" (the clone's entry stays until the target ends), "expired" (the limit of a
            pause came first) or "moved" (a thread that was left asleep in the pause woke up).

        Raises:
            MemoryRanShort: the clone had been ended before this order.
        """
        pause_ns, state = self._order("release", "released")
        if state.startswith("short:") and self._plan is not None:
            place, left = map(int, state.split(":")[1:])
            raise self._plan.explain_shortage(place, left)
        return int(pause_ns) / 1e9, state

    def _order(self, order: str, expected: str) -> list[str]:
        assert self._process.stdin is not None  # noqa: S101 - Popen was given two pipes
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(f"{order}\n".encode())
        except BrokenPipeError as error:
            raise HelperEnded from error
        answer = b""
        while not answer.endswith(b"\n"):
            part = self._process.stdout.read(1024)
            if not part:
                raise HelperEnded
            answer += part
        word, *values = answer.decode().split()
        if word == "error":
            raise HelperFailure(values[0], int(values[1]), " ".join(values[2:]))
        if word != expected:
            raise CaptureInterrupted(f"the freeze helper answered {word!r} to {order!r}")
        return values

    def __enter__(self) -> Self:
        """Return the helper itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its input and wait: when this returns, the target runs as before."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


_LIMITS = {
    errno.EMFILE: ("the limit on open files is too low", "raise it: ulimit -n 1024"),
    errno.ENFILE: ("the machine's limit on open files is reached", "close some, or raise it"),
    errno.EAGAIN: (
        "a limit on processes is reached (ulimit -u, or pids.max of the group)",
        "raise it, or end processes that are not needed",
    ),
    errno.ENOMEM: ("memory, or a limit on it, is used up", "raise the limit, or free some memory"),
}


def _not_started(error: OSError) -> HeapgraphError:
    cause, hint = _LIMITS.get(
        error.errno or 0,
        (
            "heapgraph was installed without its compiled part, or for another processor",
            "reinstall it: pip install --force-reinstall heapgraph",
        ),
    )
    return HeapgraphError(
        f"the freeze helper {HELPER} cannot be started: {error.strerror}", cause, hint
    )
