"""A process held by descriptors, so that its pid can never come to mean another one."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from heapgraph.capture.process.memory import UnreadableMemory
from heapgraph.capture.process.other_threads import running_thread
from heapgraph.capture.process.permissions import explain_refusal
from heapgraph.capture.process.start_time import start_ticks, stat_fields, ticks_in_seconds
from heapgraph.errors import TargetError, TargetNotFound
from heapgraph.watch.model import ProcessKey

if TYPE_CHECKING:
    from types import TracebackType

PROC = Path("/proc")

_BOOT_ID = PROC / "sys/kernel/random/boot_id"
_LONGEST_FILE = 1 << 16

_SAYS_ENDED = (errno.ESRCH, errno.ENOENT, errno.EBADF)  # the last one behind close()


class CannotLook(TargetError):
    """Nothing is known of a process now, as without a descriptor: it may live, or have ended."""


def boot_id() -> str:
    """Which boot of the machine this is; "" where the kernel does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def boot_age() -> float:
    """Seconds since the boot, suspended time included, as starts of processes are counted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ProcessHandle:
    """One process, as long as it lives: what is read later is always of this one.

    Its folder in /proc is held open, and reading there fails once the process has ended, whatever
    became of its pid. The same holds for its memory, also after it has started another program.
    Not safe to share between threads.

    Args:
        pid: the process.

    Raises:
        TargetNotFound: there is none.
        CannotLook: that cannot be told now.

    Attributes:
        pid: as given.
        key: which process it is.
    """

    def __init__(self, pid: int) -> None:
        """Open its folder."""
        self.pid = pid
        self._memory: int | None = None
        try:
            self._folder = os.open(PROC / str(pid), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _failed(pid, error) from error
        try:
            self.key = ProcessKey(pid, start_ticks(self.read("stat")), boot_id())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the descriptors back; again has no effect."""
        self.forget_memory()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    @property
    def started_s(self) -> float:
        """Seconds from the boot to its start."""
        return ticks_in_seconds(self.key.started)

    def read(self, name: str) -> str:
        """The content of one of its files in /proc, 64 KiB at most.

        Raises:
            TargetNotFound: it has ended.
            CannotLook: the machine has no descriptor or memory for that now.
            PermissionError: this user may not read it.
        """
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
            try:
                return os.read(descriptor, _LONGEST_FILE).decode(errors="replace")
            finally:
                os.close(descriptor)
        except PermissionError:
            raise
        except OSError as error:
            raise _failed(self.pid, error) from error

    def is_alive(self) -> bool:
        """It has neither ended nor become a zombie, as far as that can be told now."""
        try:
            return self._is_first_running() or self.running_thread() != 0
        except (TargetNotFound, PermissionError):
            return False
        except CannotLook:
            return True

    def running_thread(self) -> int:
        """A thread that runs, where the first one has ended; 0 where none does.

        Raises:
            CannotLook: the machine has no descriptor for that now.
        """
        try:
            return running_thread(self._folder)
        except OSError as error:
            failure = _failed(self.pid, error)
            if isinstance(failure, CannotLook):
                raise failure from error
            return 0

    def _is_first_running(self) -> bool:
        """Whether its first thread, whose state is that of the process, has not ended."""
        state = stat_fields(self.read("stat"))
        return bool(state) and state[0] not in ("Z", "X")

    def count_descriptors(self) -> int | None:
        """How many files it has open; None where that cannot be told."""
        with suppress(OSError):
            count = os.stat("fd", dir_fd=self._folder).st_size  # since Linux 6.2
            if count:
                return count
            folder = os.open("fd", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._folder)
            try:
                count = len(os.listdir(folder))  # noqa: PTH208 - by its descriptor
            finally:
                os.close(folder)
            return count
        return None

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of its memory.

        Raises:
            UnreadableMemory: they are not mapped, or the process has ended.
            CannotLook: the machine has no descriptor or memory for that now.
            TargetPermissionDenied: this user may not read it.
        """
        if self._memory is None:
            self._memory = self._open_memory()
        try:
            content = os.pread(self._memory, size, address)
        except OSError as error:
            if error.errno == errno.ENOMEM:
                raise _failed(self.pid, error) from error
            raise UnreadableMemory(f"{size} bytes at {address:#x}: {error.strerror}") from error
        if len(content) != size:
            raise UnreadableMemory(f"{len(content)} of {size} bytes at {address:#x}")
        return content

    def forget_memory(self) -> None:
        """Open the memory anew at the next read: the process may have started another program."""
        if self._memory is not None:
            os.close(self._memory)
            self._memory = None

    def _open_memory(self) -> int:
        thread = 0 if self._is_first_running() else self.running_thread()
        name = f"task/{thread}/mem" if thread else "mem"
        try:
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        except PermissionError as error:
            raise explain_refusal(self.pid, error.errno or 0) from error
        except OSError as error:
            if error.errno not in _SAYS_ENDED:
                raise _failed(self.pid, error) from error
            raise UnreadableMemory(f"the memory of process {self.pid} is not there") from error


def _failed(pid: int, error: OSError) -> TargetError:
    """What a failure says of a process: that it has ended, or nothing."""
    if error.errno not in _SAYS_ENDED:
        return CannotLook(
            f"process {pid} cannot be looked at now",
            error.strerror or type(error).__name__,
            "raise the limits of this process: ulimit -n",
        )
    return TargetNotFound(
        f"no process with pid {pid}",
        "it has ended, or it runs in another pid namespace (container)",
        "list the Python processes here: heapgraph ps",
    )
