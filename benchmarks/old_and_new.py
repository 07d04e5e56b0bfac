"""Dumps one target by two installations of heapgraph in turn, and compares their phases.

    python -m benchmarks.old_and_new OLD [--objects 10] [--rounds 5] [--method clone]

OLD is the `heapgraph` program of the other installation, e.g. ../before/.venv/bin/heapgraph; the
new one is that of this environment. Objects in millions. Each round dumps twice, the first one
being the other's turn in the next. Medians, since the machine does other things as well.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.processes import Limits, run, start_target

LIMITS = Limits(600.0, memory=24 << 30)
MIN_SHOWN_S = 0.005
"""Phases that take less are summed up in the whole alone."""


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("old", type=Path, help="the other heapgraph")
    parser.add_argument("--objects", type=float, default=10.0, help="of the target, in millions")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--method", default="clone")
    options = parser.parse_args()
    programs = {"old": options.old, "new": Path(sys.executable).with_name("heapgraph")}
    seconds: dict[str, dict[str, list[float]]] = {who: defaultdict(list) for who in programs}
    with start_target(round(options.objects * 1e6)) as target:
        for number in range(options.rounds):
            turns = list(programs) if number % 2 == 0 else list(reversed(programs))
            for who in turns:
                for phase, value in dump_phases(programs[who], target.pid, options.method).items():
                    seconds[who][phase].append(value)
    print_table(seconds["old"], seconds["new"])
    return 0


def dump_phases(program: Path, pid: int, method: str) -> dict[str, float]:
    """Seconds of each phase of one dump, and of the whole."""
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder, "a.heapgraph"))
        command = [str(program), "dump", str(pid), "-o", output, "--json", "--method", method]
        done = run(command, LIMITS)
    if not done.answer:
        raise RuntimeError(f"{program}: {done.failure}")
    return {**done.answer["phases"], "whole": done.answer["seconds"]}


def print_table(old: dict[str, list[float]], new: dict[str, list[float]]) -> None:
    """Medians of both, and their ratio."""
    print("| phase | old | new | new / old |\n|---|--:|--:|--:|")
    for phase, values in new.items():
        after, before = statistics.median(values), statistics.median(old.get(phase, [0.0]))
        if max(after, before) >= MIN_SHOWN_S:
            ratio = f"{after / before:.3f}" if before else "-"
            print(f"| {phase} | {before:.3f} s | {after:.3f} s | {ratio} |")


if __name__ == "__main__":
    sys.exit(main())
