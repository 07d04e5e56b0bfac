"""How long a target stands, by its own heartbeat: a thread that looks at the clock all the time.

Gaps that the machine itself makes are measured in between, with nobody looking: old and new, and
quiet times, follow one another in every round on the same target.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.report import table
from benchmarks.stress.checkouts import Freezer, start_freezer
from benchmarks.stress.looks import became, context_switches, pause
from benchmarks.stress.results import Result, announce
from heapgraph.units import format_size
from helpers.processes import read_u64, resident_bytes, write_u64
from helpers.running_target import start_target

if TYPE_CHECKING:
    from benchmarks.stress.options import Options

ROUNDS = 10
MANY_THREADS = 1000
SMALL_MIB = 1
QUIET_S = 0.05
READY_LIMIT_S = 120.0
BEAT_BASE_MS, BEAT_MS_PER_GIB, THREADS_LIMIT_MS = 10.0, 15.0, 50.0


@dataclass
class Pauses:
    """The pauses of one target by one method.

    Attributes:
        target, method, checkout: what was measured; "none" as a method is a quiet time.
        resident: bytes of the target.
        gaps_ms: the longest gap of its beats in each round; empty where nobody beats.
        told_ms: the pause as the tool reports it.
        switches: times that its threads came off a processor, in all rounds of an idle target.
        refused: freezes that the tool would not do.
    """

    target: str
    method: str
    checkout: str = "this"
    resident: int = 0
    gaps_ms: list[float] = field(default_factory=list)
    told_ms: list[float] = field(default_factory=list)
    switches: int = 0
    refused: int = 0

    def cells(self) -> list[str]:
        """The row of the table."""

        def figures(values: list[float]) -> str:
            return (
                f"{min(values):.1f} / {median(values):.1f} / {max(values):.1f}" if values else "-"
            )

        name = self.method if self.checkout == "this" else f"{self.method} ({self.checkout})"
        gaps, told = figures(self.gaps_ms), figures(self.told_ms)
        return [self.target, format_size(self.resident), name, gaps, told, str(self.refused)]


class Beats:
    """The heartbeat of one target, from outside."""

    def __init__(self, ready: dict[str, Any]) -> None:
        """Take over what a target said when it was ready."""
        self.pid: int = ready["pid"]
        self._address: int = ready["beats"]

    def start_over(self) -> None:
        """Forget the longest gap."""
        write_u64(self.pid, self._address + 8, 0)

    def longest_gap_ms(self) -> float:
        """The longest gap since `start_over`, when it beats again."""
        count = read_u64(self.pid, self._address)
        became(lambda: read_u64(self.pid, self._address) > count + 2, READY_LIMIT_S)
        return read_u64(self.pid, self._address + 8) / 1e6


def measure(
    name: str, arguments: tuple[object, ...], freezers: dict[tuple[str, str], Freezer], python: str
) -> list[Pauses]:
    """One target, frozen by turns by each method of each checkout."""
    is_idle = "idle" in arguments
    rows = {key: Pauses(name, key[1], key[0]) for key in freezers}
    quiet = Pauses(name, "none")
    with start_target(
        "stress_heap.py", *arguments, python=python, ready_limit_s=READY_LIMIT_S
    ) as target:
        beats = Beats(json.loads(target.ready))
        for _ in range(ROUNDS):
            if not is_idle:
                beats.start_over()
                pause(QUIET_S)
                quiet.gaps_ms.append(beats.longest_gap_ms())
            for key, freezer in freezers.items():
                row = rows[key]
                before = context_switches(beats.pid)
                beats.start_over()
                answer = freezer.ask("freeze", pid=beats.pid, method=key[1])
                row.refused += answer["outcome"] != "ok"
                if answer["outcome"] == "ok":
                    row.told_ms.append(answer["pause_ms"])
                    if not is_idle:
                        row.gaps_ms.append(beats.longest_gap_ms())
                row.switches += context_switches(beats.pid) - before
        for row in (quiet, *rows.values()):
            row.resident = resident_bytes(beats.pid)
    return [*([] if is_idle else [quiet]), *rows.values()]


def limit_ms(row: Pauses) -> float:
    """What a clone or a copy may cost this target."""
    if str(MANY_THREADS) in row.target:
        return THREADS_LIMIT_MS
    return BEAT_BASE_MS + BEAT_MS_PER_GIB * row.resident / 2**30


def is_too_long(row: Pauses) -> bool:
    """Whether the best round broke its limit; a pause stands as long as it takes to read."""
    return (
        bool(row.gaps_ms)
        and row.method not in {"none", "pause"}
        and min(row.gaps_ms) > limit_ms(row)
    )


def run_pauses(options: Options) -> Result:
    """A large heap with one running thread, a thousand threads, and an idle target."""
    rows: list[Pauses] = []
    targets = {
        "one Python thread runs": (options.size_mib, 0),
        f"one of {MANY_THREADS} threads runs": (SMALL_MIB, MANY_THREADS - 1),
        "idle": (SMALL_MIB, 8, "idle"),
    }
    with ExitStack() as stack:
        freezers = {}
        for checkout in options.checkouts:
            freezer = stack.enter_context(start_freezer(checkout))
            freezers.update(
                {(checkout.name, method): freezer for method in options.methods[checkout.name]}
            )
        for name, arguments in targets.items():
            announce(f"pauses: {name}")
            rows += measure(name, arguments, freezers, options.python)
    head = (
        "target", "resident", "method", "longest gap, ms: best / median / worst",
        "pause as told, ms", "refused",
    )  # fmt: skip
    idle = [
        f"- idle, {row.method} ({row.checkout}): {row.switches} context switches of its threads in"
        f" {ROUNDS} rounds"
        for row in rows
        if row.target == "idle"
    ]
    text = table(head, [row.cells() for row in rows]) + "\n" + "\n".join(idle) + "\n"
    return Result(text, [asdict(row) for row in rows], sum(map(is_too_long, rows)))
