"""What a census costs: by the daemon's census server, and by a program of its own.

    python -m benchmarks.census [--objects 1000000] [--runs 10]

Wall time is that from asking to the record in the daemon, processor time that of the child, peak
memory its VmHWM, read every 10 ms while it runs. The two take turns, after one of each that is not
counted: the first of a server starts it.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from statistics import median

from benchmarks.processes import start_target
from benchmarks.report import describe_host, table
from heapgraph.units import format_size
from heapgraph.watch.census.client import CensusServer
from heapgraph.watch.census.runner import run_census
from heapgraph.watch.children import processor_time_of_children
from heapgraph.watch.drill.processes import status_number
from heapgraph.watch.model import WorkerName
from heapgraph.watch.sampling.process_handle import ProcessHandle

LOOK_EVERY_S = 0.01
MAX_PAUSE_MS = 1000.0
KIB = 1024


@dataclass
class Costs:
    """Of some censuses: one entry for each."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)

    def row(self, name: str) -> list[str]:
        """Least, median and most of each."""
        walls, cpus = (
            " / ".join(f"{value:.2f}" for value in (min(each), median(each), max(each)))
            for each in (self.wall_s, self.cpu_s)
        )
        return [name, walls, cpus, format_size(max(self.peak))]


async def watch_peak(own: set[int], server: CensusServer, peaks: list[int]) -> None:
    """Note the peak memory of the children that take censuses, until cancelled."""
    while True:
        for pid in own - {server.pid}:
            peaks[-1] = max(peaks[-1], KIB * status_number(pid, "VmHWM"))
        await asyncio.sleep(LOOK_EVERY_S)


async def measure(pid: int, runs: int) -> dict[str, Costs]:
    """Take censuses of a process both ways."""
    own: set[int] = set()
    server = CensusServer(own)
    with ProcessHandle(pid) as handle:
        key = handle.key
    ways = {"by the server": server, "a program of its own": None}
    costs = {name: Costs() for name in ways}
    peaks = [0]
    watching = asyncio.ensure_future(watch_peak(own, server, peaks))
    for counted in [False] + runs * [True]:
        for name, way in ways.items():
            peaks[-1] = 0
            begun = time.monotonic()
            before = processor_time_of_children() + server.processor_time()
            await run_census(
                WorkerName("service", 0), key, max_pause_ms=MAX_PAUSE_MS, own=own, server=way
            )
            if counted:
                after = processor_time_of_children() + server.processor_time()
                costs[name].wall_s.append(time.monotonic() - begun)
                costs[name].cpu_s.append(after - before)
                costs[name].peak.append(peaks[-1])
    watching.cancel()
    server.close()
    return costs


def main() -> None:
    """Start a service heap, take censuses of it, print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.census")
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=10)
    asked = parser.parse_args()
    print(f"{describe_host()}; {asked.objects:,} objects, {asked.runs} runs\n")
    with start_target(asked.objects) as target:
        costs = asyncio.run(measure(target.pid, asked.runs))
    head = ["census", "wall s: least / median / most", "processor s", "peak memory"]
    print(table(head, [each.row(name) for name, each in costs.items()]))


if __name__ == "__main__":
    main()
