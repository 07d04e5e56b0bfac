"""Dumps a target in a memory group that has hardly any memory left, and counts who is ended.

    python -m benchmarks.tight_groups [--dumps 500] [--memory MIB] [--threads N] [--method METHOD]
                                      [--headrooms 5,10,...] [--python PYTHON] [--json FILE]

Needs root: it makes a memory group below the root for each headroom and place, and removes it. The
target rewrites all of its memory all the time; the headroom is a share of what the group uses when
it is ready. heapgraph runs outside of the group and inside. A target that the kernel ended is
started anew. Ends with 1 when one was ended. `--python` runs another installation of heapgraph.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Groups and targets are those of the tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from heapgraph.units import format_seconds, format_size
from helpers.memory_groups import MemoryGroup, memory_group, why_no_groups
from helpers.running_target import RunningTarget, start_target

HEADROOMS = (5, 10, 12, 15, 20, 30)
PLACES = ("outside", "inside")
DUMP_LIMIT_S = 120


@dataclass
class Tally:
    """What became of the dumps of one headroom and place.

    Attributes:
        targets_ended: targets that the kernel ended.
        kills: all that it ended in the group, the clone and heapgraph included.
        least_left: bytes that the group had left when it used most.
        outcomes: dumps by what they said.
        pauses_ms: how long the target stood, of those that worked.
    """

    headroom: int
    place: str
    targets_ended: int = 0
    kills: int = 0
    least_left: int = 2**63
    outcomes: Counter[str] = field(default_factory=Counter)
    pauses_ms: list[float] = field(default_factory=list)

    @property
    def row(self) -> str:
        """A line of the table."""
        pause = format_seconds(statistics.median(self.pauses_ms) / 1e3) if self.pauses_ms else ""
        outcomes = "; ".join(f"{count} {what}" for what, count in self.outcomes.most_common())
        return (
            f"| {self.headroom} % | {self.place} | {sum(self.outcomes.values())} | "
            f"{self.targets_ended} | {self.kills} | {format_size(self.least_left)} | {pause} | "
            f"{outcomes} |"
        )


def start_inside(stack: ExitStack, group: MemoryGroup, memory: int, threads: int) -> RunningTarget:
    """A target that was in the group before it took any memory."""
    procs = group.folder / "cgroup.procs"
    return stack.enter_context(start_target("heap_rewriter.py", memory, threads, procs))


class Outside:
    """One heapgraph that dumps again and again, outside of the group."""

    def __init__(self, stack: ExitStack, options: argparse.Namespace) -> None:
        """Start it."""
        command = [options.python, str(Path(__file__).with_name("dumps_on_order.py"))]
        self._process = stack.enter_context(
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
            )
        )
        stack.callback(self._process.kill)
        self._options = options

    def dump(self, pid: int, output: str) -> tuple[str, float | None]:
        """Dump once: what it said, and the pause of one that worked."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"pid": pid, "method": self._options.method, "output": output}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["said"], answer["pause_ms"]


class Inside:
    """A heapgraph for each dump, in the group from its first instruction on."""

    def __init__(self, group: MemoryGroup, options: argparse.Namespace) -> None:
        """Remember which group."""
        self._group = group
        self._options = options

    def dump(self, pid: int, output: str) -> tuple[str, float | None]:
        """Dump once: what it said, and the pause of one that worked."""
        method = "clone" if self._options.method == "hold" else self._options.method
        command = [self._options.python, "-m", "heapgraph", "dump", str(pid), "--json", "--force"]
        command += ["--method", method, "-o", output]
        done = subprocess.run(
            self._group.command(command),
            capture_output=True,
            text=True,
            timeout=DUMP_LIMIT_S,
            check=False,
            cwd="/",
        )
        if done.returncode == 0:
            document = json.loads(done.stdout)
            return f"worked by {document['method']}", document["pause_ms"]
        if done.returncode < 0:
            return f"heapgraph was ended by signal {-done.returncode}", None
        lines = done.stderr.splitlines()
        return next((line for line in lines if line.startswith("error:")), "no word"), None


KNOWN = {
    "was ended:": "clone ended in time",
    "cannot be cloned": "clone refused",
    "a dump of process": "refused, no room for heapgraph",
}
"""What refusals say, and what it is called in the table."""


def in_short(said: str) -> str:
    """The words for the table."""
    return next((name for words, name in KNOWN.items() if words in said), said[:80])


def measure(headroom: int, place: str, dumps: int, options: argparse.Namespace) -> Tally:
    """All dumps of one headroom and place."""
    tally = Tally(headroom, place)
    while sum(tally.outcomes.values()) < dumps:
        with memory_group() as group, ExitStack() as stack:
            target = start_inside(stack, group, options.memory, options.threads)
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            used = group.used
            group.limit(used + used * headroom // 100)
            dumper = Outside(stack, options) if place == "outside" else Inside(group, options)
            while target.process.poll() is None and sum(tally.outcomes.values()) < dumps:
                said, pause_ms = dumper.dump(target.pid, f"{folder}/x.heapgraph")
                tally.outcomes[in_short(said)] += 1
                if pause_ms is not None:
                    tally.pauses_ms.append(pause_ms)
            tally.targets_ended += target.process.poll() is not None
            tally.kills += group.kills
            tally.least_left = min(tally.least_left, group.least_left)
    return tally


def main() -> int:
    """Parse the command line, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dumps", type=int, default=500, help="in all")
    parser.add_argument("--memory", type=int, default=300, help="MiB of the target")
    parser.add_argument("--threads", type=int, default=1, help="of the target that rewrite it")
    parser.add_argument(
        "--method", default="auto", help="of dump, or hold: a clone is held, no more"
    )
    parser.add_argument("--headrooms", default=",".join(map(str, HEADROOMS)), help="percent")
    parser.add_argument("--places", default=",".join(PLACES))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if reason := why_no_groups():
        parser.error(reason)
    cases = [
        (int(headroom), place)
        for headroom in options.headrooms.split(",")
        for place in options.places.split(",")
    ]
    print("| headroom | heapgraph | dumps | targets ended | kills | least left | pause | said |")
    print("|--:|---|--:|--:|--:|--:|--:|---|")
    rows: list[dict[str, Any]] = []
    ended = 0
    for row, (headroom, place) in enumerate(cases):
        dumps = options.dumps // len(cases) + (row < options.dumps % len(cases))
        tally = measure(headroom, place, dumps, options)
        ended += tally.targets_ended
        rows.append({**vars(tally)})
        print(tally.row, flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows))
    print(f"\nTargets that the kernel ended: {ended}")
    return 1 if ended else 0


if __name__ == "__main__":
    sys.exit(main())
