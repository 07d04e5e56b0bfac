"""heapgraph as a user runs it: dump a live target, open the snapshot, ask."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.peers_inside import HELD_IN_CYCLES, HELD_PLAINLY
from benchmarks.processes import Outcome, run, start_target
from benchmarks.service_heap import (
    FIRST_CUSTOMER,
    OBJECTS_PER_CUSTOMER,
    ORDERS_PER_CUSTOMER,
)

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.processes import Limits


@dataclass(frozen=True)
class DumpRun:
    """One dump of one live target.

    Attributes:
        outcome: what `heapgraph dump --json` said and cost.
        manifest: of the snapshot it wrote.
        file_size: bytes on disk.
        heartbeat_gap_ms: the longest time the target's own heartbeat thread stood still meanwhile.
        quiet_gap_ms: the same over a second before the dump: the noise of the measurement.
        target_memory: resident bytes of the target before and after.
    """

    outcome: Outcome
    manifest: dict[str, Any]
    file_size: int
    heartbeat_gap_ms: float
    quiet_gap_ms: float
    target_memory: tuple[int, int]


def heapgraph(*arguments: object) -> list[str]:
    """The command line that runs heapgraph from this environment."""
    return [sys.executable, "-m", "heapgraph", *map(str, arguments)]


def dump_service(objects: int, snapshot: Path, limits: Limits) -> DumpRun:
    """Start a service heap, dump it while it runs, end it.

    Raises:
        RuntimeError: the dump failed; there is nothing to measure then.
    """
    with start_target(objects) as target:
        before = target.resident_memory()
        quiet_gap_ms = float(target.ask("quiet"))
        outcome = run(heapgraph("dump", target.pid, "-o", snapshot, "--json"), limits)
        heartbeat_gap_ms = float(target.ask("pause"))
        after = target.resident_memory()
    if outcome.failure:
        raise RuntimeError(f"heapgraph dump of {objects} objects: {outcome.failure}")
    with zipfile.ZipFile(snapshot) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    return DumpRun(
        outcome,
        manifest,
        snapshot.stat().st_size,
        heartbeat_gap_ms,
        quiet_gap_ms,
        (before, after),
    )


def open_twice(snapshot: Path, cache: Path, limits: Limits) -> tuple[Outcome, Outcome]:
    """Open a snapshot with an empty cache, then with the one this left."""
    command = [sys.executable, "-m", "benchmarks.open_snapshot", str(snapshot)]
    environment = {"HEAPGRAPH_CACHE": str(cache)}
    return run(command, limits, environment), run(command, limits, environment)


def last_order(objects: int) -> str:
    """The expression of the object whose path `peers_inside` asks for."""
    last_customer = FIRST_CUSTOMER + objects // OBJECTS_PER_CUSTOMER - 1
    return f"__main__.SERVICE.customers[{last_customer}].orders[{ORDERS_PER_CUSTOMER - 1}]"


def ask_heapgraph(
    objects: int, snapshot: Path, cache: Path, limits: Limits
) -> dict[str, dict[str, Any]]:
    """The questions of `peers_inside`, asked of the snapshot; each is one run of the program."""
    environment = {"HEAPGRAPH_CACHE": str(cache)}

    def ask(*arguments: object) -> Outcome:
        return run(heapgraph(*arguments, "--json"), limits, environment)

    def retained(name: str) -> tuple[object, float]:
        outcome = ask("show", snapshot, f"__main__.SERVICE.{name}")
        return outcome.failure or outcome.answer["object"]["retained_size"], outcome.seconds

    def commonest() -> tuple[object, float]:
        outcome = ask("histogram", snapshot)
        if outcome.failure:
            return outcome.failure, outcome.seconds
        row = max(outcome.answer["types"], key=lambda row: row["count"])
        return row["type"], outcome.seconds

    def path() -> tuple[object, float]:
        outcome = ask("path", snapshot, last_order(objects))
        return outcome.failure or outcome.answer["paths"][0]["expression"], outcome.seconds

    answers = {
        "types": commonest(),
        HELD_IN_CYCLES: retained(HELD_IN_CYCLES),
        HELD_PLAINLY: retained(HELD_PLAINLY),
        "path": path(),
    }
    return {
        question: {"answer": answer, "seconds": seconds}
        for question, (answer, seconds) in answers.items()
    }
