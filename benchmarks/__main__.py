"""Measures heapgraph beside its peers on the same heaps in one run, and prints Markdown.

    python -m benchmarks [--sizes 1M,10M] [--time-limit S] [--memory-limit GIB] [--output FILE]

Needs the extra `benchmark` (make bench installs it) and the privilege to trace its own targets.
Every measurement is a process of its own, one after the other, over files in the page cache.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.heapgraph_runs import ask_heapgraph, dump_service, open_twice
from benchmarks.processes import Limits, run

INSIDE_AT_MOST = 2_000_000
"""In-process peers walk the heap for each question; beyond this many objects they are not asked."""

ENGINES = ("heapgraph", "igraph", "rustworkx", "networkx")
INSIDE_PEERS = ("truth", "guppy3", "objgraph", "Pympler")
UNITS = {"k": 1_000, "M": 1_000_000}


def parse_size(text: str) -> int:
    """10M, 500k or a plain number as a number of objects."""
    unit = UNITS.get(text[-1:], 1)
    return int(text.rstrip("kM")) * unit


def measure_engines(snapshot: Path, folder: Path, limits: Limits) -> dict[str, Any]:
    """Every engine on the graph of one snapshot."""
    module = [sys.executable, "-m", "benchmarks.dominator_engines"]
    exported = run([*module, "export", str(snapshot), str(folder)], limits)
    if exported.failure:
        raise RuntimeError(f"the graph could not be exported: {exported.failure}")
    return {engine: run([*module, engine, str(folder)], limits) for engine in ENGINES}


def measure_questions(objects: int, snapshot: Path, cache: Path, limits: Limits) -> dict[str, Any]:
    """The same questions to heapgraph and to the peers that live in the process asked about."""
    answers: dict[str, Any] = {}
    for peer in INSIDE_PEERS:
        command = [sys.executable, "-m", "benchmarks.peers_inside", peer, str(objects)]
        outcome = run(command, limits)
        answers[peer] = outcome.failure or outcome.answer
    freed = answers.pop("truth")
    return {
        "really freed": freed,
        "heapgraph": ask_heapgraph(objects, snapshot, cache, limits),
        **answers,
    }


def measure(sizes: dict[str, int], limits: Limits, folder: Path) -> str:
    """All measurements of all heaps, as one Markdown text."""
    dumps, opened, engines, questions = {}, {}, {}, {}
    for name, objects in sizes.items():
        work = folder / name
        cache, graph, snapshot = work / "cache", work / "graph", work / "service.heapgraph"
        for made in (cache, graph):
            made.mkdir(parents=True)
        announce(f"{name}: dump")
        dumps[name] = dump_service(objects, snapshot, limits)
        announce(f"{name}: open")
        opened[name] = open_twice(snapshot, cache, limits)
        announce(f"{name}: dominators by every engine")
        engines[name] = measure_engines(snapshot, graph, limits)
        if objects <= INSIDE_AT_MOST:
            announce(f"{name}: questions to every tool")
            questions[name] = measure_questions(objects, snapshot, cache, limits)
    return "\n".join(
        [
            report.describe_machine(),
            report.dump_table(dumps),
            report.open_table(opened),
            *(report.engine_table(name, runs) for name, runs in engines.items()),
            *(report.question_table(name, tools) for name, tools in questions.items()),
        ]
    )


def announce(text: str) -> None:
    """Say on standard error what is measured now."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", default="1M,10M", help="objects of each heap (default 1M,10M)")
    parser.add_argument("--time-limit", type=float, default=180, help="seconds for each process")
    parser.add_argument("--memory-limit", type=float, default=14, help="GiB for each process")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    parser.add_argument("--folder", type=Path, help="where temporary files go (some 500 MB at 10M)")
    arguments = parser.parse_args()
    sizes = {name: parse_size(name) for name in arguments.sizes.split(",")}
    limits = Limits(arguments.time_limit, int(arguments.memory_limit * 2**30))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        text = measure(sizes, limits, Path(folder))
    report.publish(text, arguments.output)


if __name__ == "__main__":
    main()
