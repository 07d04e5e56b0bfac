"""Dumps that come to a bad end at any moment: what they leave in the folder, and the target."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.stress.looks import became, pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.stress.checkouts import Freezer
    from benchmarks.stress.killed import Watched

NAME = "x.heapgraph"
DISK_KIB = (4, 40, 100, 200, 300)
MEMORY_MIB = (40, 60, 90, 120, 160, 220)
DUMP_LIMIT_S = 60
SIGNALS = {"kill": signal.SIGKILL, "int": signal.SIGINT, "term": signal.SIGTERM}
GROUPS = Path("/sys/fs/cgroup")


class NotHere(Exception):
    """This cannot be tried on this machine; the text says why."""


def end_at_random_moments(
    freezer: Freezer, watched: Callable[[], Watched], method: str, action: str, times: int
) -> Iterator[list[str]]:
    """Signal whole dumps after random times; each yields what is wrong afterwards."""
    moments = random.Random(action)
    whole_s = _time_of_a_dump(freezer, watched().pid, method)
    for _ in range(times):
        target = watched()
        with tempfile.TemporaryDirectory() as folder:
            task = {
                "order": "dump",
                "pid": target.pid,
                "method": method,
                "output": f"{folder}/{NAME}",
            }
            started = freezer.ask("start", task=task)
            pause(moments.random() * whole_s)
            _signal(started["pid"], SIGNALS[action])
            freezer.ask("wait")
            yield [*look_into(Path(folder), freezer), *target.harm()]


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it was faster


def _time_of_a_dump(freezer: Freezer, pid: int, method: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        answer = freezer.ask("dump", pid=pid, method=method, output=f"{folder}/{NAME}")
    if answer["outcome"] != "ok":
        raise NotHere(answer["error"])
    return float(answer["whole_ms"]) / 1e3


def look_into(folder: Path, freezer: Freezer) -> list[str]:
    """What is wrong with what a dump left: the final name must be whole, and alone."""
    found = []
    for path in folder.iterdir():
        if path.name != NAME:
            found.append("another file is left")
        elif freezer.ask("verify", output=str(path))["outcome"] != "ok":
            found.append("the final name is not whole")
    return found


def dump_command(python: str, pid: int, method: str, output: Path) -> list[str]:
    """A whole `heapgraph dump`."""
    command = [python, "-m", "heapgraph", "dump", str(pid), "--method", method, "-o", str(output)]
    return [*command, "--force"]


def run_out_of_disk(
    watched: Callable[[], Watched], python: str, method: str
) -> Iterator[list[str]]:
    """Dump onto file systems that are full before the snapshot is: a mount nobody else sees."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        raise NotHere("a file system of its own needs root and unshare")
    for size in DISK_KIB:
        target = watched()
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / NAME
            # What is left on it is counted by the shell, which alone sees it.
            script = (
                f'mount -t tmpfs -o size={size}k none "$0" || exit 99; "$@"; code=$?;'
                f' ls -A "$0" | wc -l; exit $code'
            )
            command = dump_command(python, target.pid, method, output)
            done = subprocess.run(
                ["unshare", "-m", "sh", "-c", script, folder, *command],
                capture_output=True,
                text=True,
                timeout=DUMP_LIMIT_S,
                check=False,
            )
        if done.returncode == 99:
            raise NotHere("no file system can be mounted")
        yield [*_judge_failure(done, target)]


def _judge_failure(done: subprocess.CompletedProcess[str], target: Watched) -> Iterator[str]:
    left = done.stdout.strip().splitlines()[-1:] or ["?"]
    if done.returncode != 0 and left != ["0"]:
        yield "a file is left on the full disk"
    if done.returncode not in {0, 3}:
        yield f"exit code {done.returncode} on a full disk"
    if "Traceback" in done.stderr:
        yield "a traceback"
    yield from target.harm()


@contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """A memory group of its own, by either version of the kernel's interface.

    Raises:
        NotHere: none can be made.
    """
    first = GROUPS / "memory"
    root, name = (first, "memory.limit_in_bytes") if first.exists() else (GROUPS, "memory.max")
    folder = root / f"heapgraph-stress-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        raise NotHere(f"no memory group can be made: {error.strerror}") from error
    try:
        (folder / name).write_text(str(limit))
        yield folder
    except OSError as error:
        raise NotHere(f"the memory group takes no limit: {error.strerror}") from error
    finally:
        became(lambda: not (folder / "cgroup.procs").read_text(), 5)
        folder.rmdir()


def run_out_of_memory(
    freezer: Freezer, watched: Callable[[], Watched], python: str, method: str
) -> Iterator[list[str]]:
    """Dump in memory groups in which the tool is killed at some moment or other."""
    for mib in MEMORY_MIB:
        target = watched()
        with memory_group(mib << 20) as group, tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / NAME
            command = dump_command(python, target.pid, method, output)
            script = 'echo $$ >"$0/cgroup.procs" || exit 99; exec "$@"'
            done = subprocess.run(
                ["sh", "-c", script, str(group), *command],
                capture_output=True,
                timeout=DUMP_LIMIT_S,
                check=False,
            )
            if done.returncode == 99:
                raise NotHere("a process cannot be put into a memory group")
            yield [*look_into(Path(folder), freezer), *target.harm()]


def tally(found: Iterator[list[str]], give_up: Callable[[], None]) -> dict[str, Any]:
    """Count what comes of each, and start a new target after harm."""
    counts: Counter[str] = Counter()
    done = harmed = 0
    skipped = ""
    try:
        for each in found:
            done += 1
            harmed += bool(each)
            counts.update(each)
            if each and not is_harmless(each):
                give_up()
    except NotHere as reason:
        skipped = str(reason)
    return {"done": done, "harmed": harmed, "harm": dict(counts), "skipped": skipped}


def is_harmless(found: list[str]) -> bool:
    """Whether only files were wrong, so that the target can be used again."""
    return all("file" in text or "name" in text for text in found)
