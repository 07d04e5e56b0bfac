"""Kills of the helper, the dump and the clone, between any two system calls of the helper."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.report import table
from benchmarks.stress.checkouts import FreezerGone
from benchmarks.stress.looks import became

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from benchmarks.stress.checkouts import Freezer
    from benchmarks.stress.killed import Nursery

HELPER_HANGS_S = 2.0
"""A helper that is stopped for good must not keep the target standing for longer."""

STEP_LIMIT_S = 30.0
"""How long the helper may take to come to a step, on a loaded machine."""

STATES = {
    "registers": "stress_registers.py",
    "sleeps": "stress_signals.py",
    "storm": "stress_signals.py",
    "blocked_read": "stress_pipes.py",
}
KILLS = (
    ("helper", "kill"),
    ("helper", "int"),
    ("helper", "term"),
    ("helper", "hang"),
    ("dump", "kill"),
    ("dump", "int"),
    ("dump", "term"),
    ("dump", "stop"),
    ("both", "kill"),
)
STANDSTILLS = {"hang", "stop"}
"""Actions after which the victim is there and does nothing: the target must go on all the same."""

CLONE_KILLS = 20


@dataclass
class Kills:
    """One sort of kill, of one state and method, at many steps.

    Attributes:
        state, method, victim, action, checkout: what was tried.
        steps: system calls of the helper, before and after each.
        done: kills that were made.
        harmed: those after which the target was not as it should be.
        harm: the sorts of harm, each with how often.
        at: the calls (number, -1: after one) at which it was harmed.
    """

    state: str
    method: str
    victim: str
    action: str
    checkout: str = "this"
    steps: int = 0
    done: int = 0
    harmed: int = 0
    harm: Counter[str] = field(default_factory=Counter)
    at: list[int] = field(default_factory=list)
    skipped: str = ""

    def take(self, found: list[str], call: int) -> None:
        """Count what was found after one kill."""
        self.done += 1
        self.harmed += bool(found)
        self.harm.update(found)
        if found:
            self.at.append(call)

    def to_dict(self) -> dict[str, Any]:
        """For the JSON document."""
        return dict(vars(self))


class Stepper:
    """The folder of the program that stands in for the helper, and its orders."""

    def __init__(self, program: Path, helper: Path) -> None:
        """Use the compiled stepper for a helper."""
        self._folder, self._helper = program.parent, helper

    def order(self, step: int, action: str, victim: str) -> None:
        """What the next helper is to suffer."""
        for name in ("report", "go"):
            (self._folder / name).unlink(missing_ok=True)
        (self._folder / "order").write_text(f"{self._helper} {step} {action} {victim}\n")

    def go(self) -> None:
        """Let a helper that hangs go on."""
        (self._folder / "go").touch()

    def report(self) -> dict[str, int]:
        """Say "acted" with the number of the call, "steps" with how many there were."""
        path = self._folder / "report"
        words = path.read_text().split() if path.exists() else []
        return dict(zip(words[::2], map(int, words[1::2]), strict=False))


def kill_at_steps(
    kills: Kills, freezer: Freezer, stepper: Stepper, nursery: Nursery, most: int
) -> Kills:
    """Try one sort of kill at every step of a freeze, or at `most` of them."""
    kills.steps = _count_steps(kills, freezer, stepper, nursery)
    for step in spread(kills.steps, most):
        watched = nursery.healthy()
        stepper.order(step, kills.action, kills.victim)
        started = freezer.ask(
            "start", task={"order": "freeze", "pid": watched.pid, "method": kills.method}
        )
        is_reached = became(lambda: bool(stepper.report()), STEP_LIMIT_S)
        found = []
        if kills.action in STANDSTILLS and is_reached and not watched.goes_on(HELPER_HANGS_S):
            found.append(f"stands while the {kills.victim} hangs")
        if kills.action == "stop":
            os.kill(started["pid"], signal.SIGCONT)
        stepper.go()
        freezer.ask("wait")
        found += watched.harm()
        report = stepper.report()
        if "acted" in report or found:  # another run can have fewer steps
            kills.take(found, report.get("acted", -2))
        if found:
            nursery.give_up()
    return kills


def _count_steps(kills: Kills, freezer: Freezer, stepper: Stepper, nursery: Nursery) -> int:
    """How many steps a freeze has that nothing disturbs."""
    stepper.order(0, "none", "none")
    pid = nursery.healthy().pid
    freezer.ask("start", task={"order": "freeze", "pid": pid, "method": kills.method})
    ended = freezer.ask("wait")
    if ended["code"] != 0 or ended["answer"]["outcome"] == "failed":
        raise FreezerGone(f"a freeze through the stepper failed: {ended}")
    became(lambda: "steps" in stepper.report(), 5)
    return stepper.report()["steps"]


def spread(steps: int, most: int) -> Iterable[int]:
    """All steps from 1 on, or `most` of them at even distances."""
    count = min(steps, most)
    return [1 + number * steps // count for number in range(count)]


def kill_clones(kills: Kills, freezer: Freezer, nursery: Nursery, most: int) -> Iterator[Kills]:
    """Kill the clone while it is held, and let go: by the methods that have one."""
    for _ in range(min(most, CLONE_KILLS)):
        watched = nursery.healthy()
        answer = freezer.ask("hold", pid=watched.pid, method=kills.method)
        if answer["outcome"] != "ok":
            continue
        if answer["memory_pid"] == watched.pid:
            freezer.ask("release")
            return
        os.kill(answer["memory_pid"], signal.SIGKILL)
        freezer.ask("release")
        found = watched.harm()
        kills.take(found, -2)
        if found:
            nursery.give_up()
    yield kills


HEAD = ("target", "method", "victim", "action", "steps", "kills", "harmed", "what")


def kill_table(rows: Iterable[Kills]) -> str:
    """A row for each sort of kill."""
    return table(HEAD, [_row(kills) for kills in rows])


def _row(kills: Kills) -> list[str]:
    method = kills.method if kills.checkout == "this" else f"{kills.method} ({kills.checkout})"
    if kills.skipped:
        what = f"not run: {kills.skipped}"
    else:
        what = ", ".join(f"{name}: {count}" for name, count in kills.harm.items()) or "none"
    numbers = map(str, (kills.steps or "-", kills.done, kills.harmed))
    return [kills.state, method, kills.victim, kills.action, *numbers, what]
