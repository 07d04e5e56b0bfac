"""Runs the capture helper by itself: to the end, or with a reader that takes nothing."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from heapgraph.capture.capture_process import CAPTURE_HELPER
from helpers.processes import children_of, is_blocked, state_of, wait_until
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from helpers.running_target import RunningTarget

LIMIT_S = 60
_PART = 1 << 20


def write_capture(pid: int, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Write the capture of a process to a file."""
    with path.open("wb") as file:
        return subprocess.run(
            [CAPTURE_HELPER, *arguments, str(pid)],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )


def write_capture_measured(pid: int, path: Path) -> int:
    """Write the capture of a process; the most bytes that the helper has had in memory.

    They are read until the last part is: what the kernel tells at the end (ru_maxrss) counts what
    this process had when it became the helper.
    """
    most = 0
    with (
        path.open("wb") as file,
        subprocess.Popen([CAPTURE_HELPER, str(pid)], stdout=subprocess.PIPE) as helper,
    ):
        assert helper.stdout is not None
        while part := helper.stdout.read(_PART):
            most = peak_bytes(helper.pid) or most
            file.write(part)
    assert helper.returncode == 0
    return most


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had; 0 when it has ended."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s*(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


HOLDER = """
import os, sys
blocks = [os.urandom(1 << 20) for _ in range({size} >> 20)]
words = [[str(number)] for number in range(1000)]
print("ready", flush=True)
for line in sys.stdin:
    print(len(blocks), words[-1][0], flush=True)
"""

LARGE = 100 << 20


@contextmanager
def start_large(folder: Path) -> Iterator[RunningTarget]:
    """Start a target with 100 MiB that cannot be packed, which answers on its pipes."""
    program = folder / "holder.py"
    program.write_text(HOLDER.format(size=LARGE))
    with start_target(program) as target:
        yield target


def assert_goes_on(target: RunningTarget) -> None:
    """A large target answers, is not traced, and no copy of it runs."""
    target.send("report")
    assert target.read_line() == f"{LARGE >> 20} 999"
    assert living_children_of(target.pid) == []
    assert "TracerPid:\t0\n" in Path(f"/proc/{target.pid}/status").read_text()


class HeldCapture:
    """A helper whose reader takes nothing, so that it holds its clone.

    Attributes:
        process: the helper.
        clone: process id of what it reads.
    """

    def __init__(self, process: subprocess.Popen[bytes], target: int) -> None:
        """Wait until it holds one."""
        self.process = process
        self.clone = await_clone(process.pid, target)
        wait_until(lambda: is_blocked(process.pid), "a helper that waits for its reader")

    @property
    def pipe(self) -> IO[bytes]:
        """What it writes to."""
        assert self.process.stdout is not None
        return self.process.stdout


@contextmanager
def hold_capture(pid: int) -> Iterator[HeldCapture]:
    """Start a helper on a process with much memory, and read nothing of what it writes."""
    with subprocess.Popen(
        [CAPTURE_HELPER, str(pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield HeldCapture(process, pid)
        finally:
            process.kill()


def is_in_the_middle(pid: int, target: int) -> bool:
    """Tell whether it is a child of the target, as the process is through which a clone is made."""
    with suppress(OSError):
        return f"PPid:\t{target}\n" in Path(f"/proc/{pid}/status").read_text()
    return True


def await_clone(helper: int, target: int) -> int:
    """The process id of the clone that a helper holds, as soon as it does."""
    line = f"TracerPid:\t{helper}\n"
    found: list[int] = []

    def look() -> bool:
        found.clear()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if line in (folder / "status").read_text():
                    found.append(int(folder.name))
            except OSError:
                continue  # it ended meanwhile
        # The target, and the process in the middle, are traced for a moment before.
        return len(found) == 1 and target not in found and not is_in_the_middle(found[0], target)

    wait_until(look, "a clone that is held")
    return found[0]


def living_children_of(pid: int) -> list[int]:
    """Children of a process that have not ended."""
    return [child for child in children_of(pid) if not is_gone(child)]


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has too."""
    return state_of(pid) in ("", "Z", "X")
