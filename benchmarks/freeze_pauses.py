"""How long a target stands with each way to take its memory, by its own heartbeat, in one run.

    python -m benchmarks.freeze_pauses [--size MIB] [--rates 0,100] [--rounds N] [--aim MS]

The target holds SIZE MiB of small objects and rewrites its memory at a rate of MiB a second. A gap
of its heartbeat includes what the machine takes for other processes: the row "nobody" shows that.
Needs a kernel with soft-dirty pages for "precopy"; on others see scripts/guest/run.py.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from heapgraph.capture.live.freeze import freeze
from heapgraph.capture.live.freeze_helper import FreezeHelper
from heapgraph.capture.live.memory_copy import MemoryCopy
from heapgraph.capture.live.precopy import PrecopyRefused, precopy
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.running_target import RunningTarget

WAY_NAMES = ("nobody", "precopy", "clone", "pause")


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=1024, help="of the heap, in MiB")
    parser.add_argument("--rates", default="0,20,200", help="MiB rewritten a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--aim", type=float, default=10.0, help="of a pre-copy, in ms")
    options = parser.parse_args()
    print("| rate | way | stood, ms | longest gap of the heartbeat, ms | of its work | details |")
    print("|--:|---|--:|--:|--:|---|", flush=True)
    for rate in options.rates.split(","):
        with start_target("rewriting.py", options.size, rate, ready_limit_s=600) as target:
            for name in WAY_NAMES:
                print_row(target, rate, name, options.rounds, options.aim)
    return 0


def print_row(target: RunningTarget, rate: str, name: str, rounds: int, aim_ms: float) -> None:
    """One way several times: medians."""
    stood, gaps, work, details = [], [], [], ""
    ways: dict[str, Callable[[], tuple[float, str]]] = {
        "nobody": lambda: (wait(target), ""),
        "clone": lambda: (by_freeze(target.pid, "clone"), ""),
        "pause": lambda: (by_freeze(target.pid, "pause"), ""),
        "precopy": lambda: by_precopy(target.pid, aim_ms),
    }
    idle = beats_of(target, lambda: wait(target))[2]
    for _ in range(rounds):
        outcome: list[tuple[float, str]] = []
        _, gap, pace = beats_of(target, lambda: outcome.append(ways[name]()))  # noqa: B023
        stood.append(outcome[0][0] * 1e3)
        details = outcome[0][1] or details
        gaps.append(gap)
        work.append(pace / max(idle, 1e-9))
    middle = [statistics.median(numbers) for numbers in (stood, gaps, work)]
    shown = f"{middle[0]:.1f} | {middle[1]:.1f} | {middle[2]:.0%}"
    print(f"| {rate} | {name} | {shown} | {details} |", flush=True)


def beats_of(target: RunningTarget, act: Callable[[], object]) -> tuple[float, float, float]:
    """Do something; returns its seconds, the longest gap in ms, and turns of work a second."""
    address = json.loads(target.ready)["beats"]
    with Path(f"/proc/{target.pid}/mem").open("r+b", buffering=0) as memory:
        memory.seek(address + 8)
        memory.write(bytes(8))
        memory.seek(address)
        before = ctypes.c_uint64.from_buffer_copy(memory.read(24)[16:24]).value
        begin = time.monotonic()
        act()
        elapsed = time.monotonic() - begin
        memory.seek(address)
        words = (ctypes.c_uint64 * 3).from_buffer_copy(memory.read(24))
    return elapsed, words[1] / 1e6, (words[2] - before) / elapsed


def wait(target: RunningTarget) -> float:
    """Let the target run for half a second."""
    del target
    threading.Event().wait(0.5)
    return 0.0


def by_freeze(pid: int, method: str) -> float:
    """Freeze and let go; a clone is held for as long as a short walk takes."""
    with freeze(pid, method, max_pause_ms=1e6) as frozen:  # type: ignore[arg-type]
        pass
    return frozen.pause_s


def by_precopy(pid: int, aim_ms: float) -> tuple[float, str]:
    """Copy while it runs."""
    with MemoryCopy() as copy, FreezeHelper() as helper:
        begin = time.monotonic()
        try:
            result = precopy(pid, helper, copy, aim_ms)
        except PrecopyRefused as refusal:
            return 0.0, f"refused: {refusal}"
        elapsed = time.monotonic() - begin
    passes = " + ".join(f"{size / 2**20:.1f}" for size in result.passes)
    clears = ", ".join(f"{seconds * 1e3:.1f}" for seconds in result.clears_s)
    return max(result.stops_s), f"{passes} MiB in {elapsed:.1f} s, cleared in {clears} ms"


if __name__ == "__main__":
    raise SystemExit(main())
