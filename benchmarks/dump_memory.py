"""What a dump takes of memory at most, for each object of its target.

    python -m benchmarks.dump_memory [--objects 3,10] [--methods clone,pause]

Objects in millions. A dump may take `OWN_BASE` and `OWN_BYTES_PER_OBJECT` of memory_limits.py: ends
with 1 when one took more. 50 million objects need some 10 GiB together with their target.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.heapgraph_runs import heapgraph
from benchmarks.processes import Limits, run, start_target
from heapgraph.capture.live.memory_limits import OWN_BASE, OWN_BYTES_PER_OBJECT
from heapgraph.units import format_count, format_seconds, format_size

LIMITS = Limits(600.0, memory=24 << 30)
LONGEST_PAUSE_MS = 60_000


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--objects", default="3,10", help="of the target, in millions")
    parser.add_argument("--methods", default="clone,pause")
    options = parser.parse_args()
    print("| objects | method | target | peak | bytes per object beyond 150 MiB | took |")
    print("|--:|---|--:|--:|--:|--:|", flush=True)
    is_within = True
    for millions in options.objects.split(","):
        with start_target(round(float(millions) * 1e6)) as target:
            for method in options.methods.split(","):
                is_within &= print_row(target.pid, target.resident_memory(), method)
    return 0 if is_within else 1


def print_row(pid: int, resident: int, method: str) -> bool:
    """One dump; True when it took no more than it may."""
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Path(folder) / "x.heapgraph"
        words = ["dump", pid, "-o", snapshot, "--json", "--method", method]
        outcome = run(heapgraph(*words, "--max-pause", LONGEST_PAUSE_MS), LIMITS)
    if outcome.failure:
        print(f"|  | {method} | {format_size(resident)} | {outcome.failure} |  |  |", flush=True)
        return False
    objects = outcome.answer["objects"]
    each = (outcome.peak_memory - OWN_BASE) / objects
    cells = (
        format_count(objects),
        method,
        format_size(resident),
        format_size(outcome.peak_memory),
        f"{each:.1f}",
        format_seconds(outcome.seconds),
    )
    print(f"| {' | '.join(cells)} |", flush=True)
    return bool(each <= OWN_BYTES_PER_OBJECT)


if __name__ == "__main__":
    sys.exit(main())
