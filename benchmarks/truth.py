"""Bytes really freed beside what each tool says of the same owners, as Markdown.

    python -m benchmarks.truth [--python PROGRAM] [--time-limit S] [--worst N] [--output FILE]

One process holds the owners of the truth test (fixtures/targets/truth_owners.py). It is dumped;
then the in-process peers are asked in forks of it; then it drops one owner after the other and
counts the bytes that come back. Without --python it runs on every CPython for which
scripts/fetch_packages.py fetched the peers and the packages that owners are made of.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.report import describe_host, publish, table
from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.units import format_count

# Targets are started as the tests start theirs.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers.interpreters import find_python
from helpers.packages import PACKAGE_MINORS, fetched_packages
from helpers.running_target import TARGETS, start_target

HEAPGRAPH, OBJGRAPH = "heapgraph", "objgraph"
PEERS = ("guppy3", "Pympler", OBJGRAPH)
SMALL_ERROR = 256
"""Bytes; an error below is none, whatever its share (the promise of the truth test)."""


@dataclass
class Truth:
    """The answers of one run.

    Attributes:
        python: version of the interpreter that ran the owners.
        freed: bytes really freed, by owner.
        said: by tool, then by owner; bytes, and for objgraph the length of its chain.
        absent: why a tool has no answers, by tool.
    """

    python: str
    freed: dict[str, int] = field(default_factory=dict)
    said: dict[str, dict[str, int]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def error(self, tool: str, owner: str) -> float | None:
        """Share of the freed bytes by which a tool is off; None without an answer."""
        said = self.said.get(tool, {}).get(owner)
        if said is None:
            return None
        difference = said - self.freed[owner]
        if abs(difference) <= SMALL_ERROR:
            return 0.0
        return difference / max(self.freed[owner], 1)


def measure(python: str, time_limit_s: float, folder: Path) -> Truth:
    """Dump, ask, drop."""
    version = subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=True,
    )
    truth = Truth(version.stdout.strip())
    minor = int(truth.python.split(".")[1])
    packages = {"PYTHONPATH": str(fetched_packages(minor))}
    snapshot = folder / "truth.heapgraph"
    with start_target(
        TARGETS / "truth_peers.py",
        "--extensions",
        "--numpy",
        python=python,
        env=packages,
        ready_limit_s=90,
    ) as target:
        dump(target.pid, snapshot, force=True)
        target.send("names")
        names = [name for name in target.read_line().split() if name != "nothing"]
        for peer in PEERS:
            print(f"{truth.python}: {peer}", file=sys.stderr, flush=True)
            target.send(f"ask {peer} {time_limit_s}")
            answers = json.loads(target.read_line(time_limit_s + 30))
            if "" in answers:
                truth.absent[peer] = answers.pop("")
            truth.said[peer] = answers
        for name in names:
            target.send(f"drop {name}")
            truth.freed[name] = int(target.read_line())
    graph = HeapGraph.open(snapshot)
    retained = graph.dominators.retained_sizes
    truth.said[HEAPGRAPH] = {
        name: int(retained[resolve(graph, f"truth_owners.OWNERS[{name!r}]")]) for name in names
    }
    return truth


def pythons_with_packages() -> list[str]:
    """The interpreters for which packages were fetched."""
    found = [find_python(minor) for minor in PACKAGE_MINORS if fetched_packages(minor).exists()]
    return [str(python) for python in found if python is not None]


def summary_table(truth: Truth) -> str:
    """One row per tool: how far off it is over all owners."""
    rows = []
    for tool in (HEAPGRAPH, *PEERS):
        answers = truth.said.get(tool, {})
        if tool == OBJGRAPH or not answers:
            chains = sum(length > 1 for length in answers.values())
            shown = truth.absent.get(tool, f"no sizes; a chain from a module for {chains}")
            rows.append([tool, str(len(answers)), "-", "-", "-", shown])
            continue
        errors = {name: truth.error(tool, name) for name in truth.freed}
        known = {name: error for name, error in errors.items() if error is not None}
        worst = max(known, key=lambda name: abs(known[name]))
        rows.append(
            [
                tool,
                str(len(known)),
                str(sum(abs(error) <= 0.02 for error in known.values())),
                f"{statistics.median(map(abs, known.values())):.1%}",
                f"{known[worst]:+,.1%}",
                f"`{worst}`",
            ]
        )
    head = ["tool", "owners answered", "within 2 % or 256 B", "median error", "largest", "of"]
    return table(head, rows)


def owner_table(truth: Truth, most: int) -> str:
    """The owners on which tools differ the most from the bytes freed."""

    def worst(name: str) -> float:
        errors = (truth.error(tool, name) for tool in truth.said if tool != OBJGRAPH)
        return max(abs(error) for error in errors if error is not None)

    def cell(tool: str, name: str) -> str:
        error = truth.error(tool, name)
        if error is None:
            return "-"
        return f"{format_count(truth.said[tool][name])} ({error:+,.0%})"

    sized = [tool for tool in (HEAPGRAPH, *PEERS) if tool != OBJGRAPH]
    rows = [
        [f"`{name}`", format_count(truth.freed[name]), *(cell(tool, name) for tool in sized)]
        for name in sorted(truth.freed, key=worst, reverse=True)[:most]
    ]
    return table(["owner", "really freed", *sized], rows)


def main() -> None:
    """Parse the command line, measure, print; exit 1 when heapgraph misses its promise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth", description=__doc__)
    parser.add_argument("--python", action="append", help="interpreter of the owners; repeatable")
    parser.add_argument("--time-limit", type=float, default=300, help="seconds for each peer")
    parser.add_argument("--worst", type=int, default=20, help="owners shown, the worst first")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    arguments = parser.parse_args()
    parts = [f"{describe_host()}.\n"]
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HEAPGRAPH_CACHE"] = folder
        for python in arguments.python or pythons_with_packages():
            truth = measure(python, arguments.time_limit, Path(folder))
            parts += [f"CPython {truth.python}, {len(truth.freed)} owners:\n", summary_table(truth)]
            parts.append(owner_table(truth, arguments.worst))
            kept &= all(abs(truth.error(HEAPGRAPH, name) or 0) <= 0.02 for name in truth.freed)
    text = "\n".join(parts)
    publish(text, arguments.output)
    if not kept:
        sys.exit(1)


if __name__ == "__main__":
    main()
