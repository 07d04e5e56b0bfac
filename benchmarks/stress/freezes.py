"""Many freezes at random moments of every kind of target, by every method."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.stress.checkouts import FreezerGone
from benchmarks.stress.looks import (
    SETTLED_S,
    Look,
    became,
    is_alive,
    left_children,
    look_at,
    pause,
    status_of,
)
from benchmarks.stress.trials import Trial
from helpers.processes import state_of
from helpers.running_target import RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.stress.checkouts import Freezer
    from benchmarks.stress.kinds import Kind

LONGEST_GAP_S = 0.006
"""Between two freezes: the targets' rounds are of some milliseconds."""

DUMP_EVERY, FIRST_DUMP = 10, 2
REPORT_LIMIT_S = 20.0
EXITS_CODE = 7
CONTROL_S = 1.0
CONTINUED_S = 0.5


class Skipped(Exception):
    """This kind cannot run here; the text says why."""


@contextmanager
def started(kind: Kind, python: str) -> Iterator[tuple[RunningTarget, int]]:
    """A target that does its rounds, and its pid, which a namespace can make another."""
    with start_target(kind.program, kind.name, python=python) as target:
        ready = json.loads(target.ready)
        if "skip" in ready:
            raise Skipped(ready["skip"])
        yield target, ready["pid"]


class Moments:
    """Random moments, the same in every run."""

    def __init__(self, seed: int) -> None:
        """Start over."""
        self._random = random.Random(seed)

    def pass_one(self) -> None:
        """Let the time to the next freeze pass."""
        pause(self._random.random() * LONGEST_GAP_S)


def control(kind: Kind, python: str, seconds: float = CONTROL_S) -> Trial:
    """A run without any freeze: what it counts would have been without us."""
    trial = Trial(kind.name, "none")
    if kind.base == "exits":
        return trial
    with started(kind, python) as (target, pid):
        before = look_at(pid)
        pause(seconds / 2)
        middle = look_at(pid)
        pause(seconds / 2)
        _finish(trial, target, pid, before, middle)
    return trial


def freeze_many(
    kind: Kind,
    method: str,
    freezes: int,
    freezer: Freezer,
    python: str,
    *,
    seed: int = 1,
    with_dumps: bool = True,
) -> Trial:
    """Freeze one target many times, a dump among every `DUMP_EVERY`, and hear what it says."""
    trial = Trial(kind.name, method)
    if kind.base == "exits":
        return _freeze_short_lives(trial, kind, freezes, freezer, python)
    moments = Moments(seed)
    with started(kind, python) as (target, pid):
        if kind.base == "stopped":
            os.kill(pid, signal.SIGSTOP)
            became(lambda: state_of(pid) == "T", 5)
        before = middle = look_at(pid)
        for number in range(freezes):
            if number == freezes // 2:
                middle = look_at(pid)
            moments.pass_one()
            is_dump = with_dumps and number % DUMP_EVERY == FIRST_DUMP
            order = "dump" if is_dump else "freeze"
            trial.take_answer(_order(freezer, order, pid, method), order)
            if not is_alive(pid):
                break
        if kind.base == "stopped":
            became(lambda: state_of(pid) == "T", SETTLED_S)
            trial.compare(before, look_at(pid))
            os.kill(pid, signal.SIGCONT)
            pause(CONTINUED_S)  # for rounds, which show that it goes on
            before = Look("R", before.tracer, before.virtual, before.anonymous, before.children)
        _finish(trial, target, pid, before, middle)
    return trial


def _order(freezer: Freezer, order: str, pid: int, method: str) -> dict[str, object]:
    values = {"pid": pid, "method": method}
    if order == "freeze":
        return freezer.ask(order, **values)
    with tempfile.TemporaryDirectory() as folder:
        return freezer.ask(order, **values, output=str(Path(folder) / "x.heapgraph"))


def _finish(trial: Trial, target: RunningTarget, pid: int, before: Look, middle: Look) -> None:
    """End the rounds, take the report, and look at what is left."""
    after = look_at(pid)
    try:
        target.send("stop")
        report = json.loads(target.read_line(REPORT_LIMIT_S))
    except (EOFError, BrokenPipeError) as error:
        trial.note(str(error).strip()[-200:])
        trial.died = _how_it_ended(target.process, trial)
        return
    except TimeoutError:
        waits = status_of(pid).get("State", "gone")
        trial.died = f"stands still after {trial.freezes + trial.dumps} freezes ({waits})"
        return
    trial.take_report(report)
    trial.zombies = left_children(pid, before.children)
    trial.compare(before, look_at(pid))
    trial.memory = max(after.virtual - middle.virtual, after.anonymous - middle.anonymous, 0)
    target.send("end")
    try:
        code = target.process.wait(REPORT_LIMIT_S)
    except subprocess.TimeoutExpired:
        trial.died = "did not end"
        return
    if code != 0:
        trial.died = f"ended with {code}"


def _how_it_ended(process: subprocess.Popen[bytes], trial: Trial) -> str:
    code = process.wait(REPORT_LIMIT_S)
    done = trial.freezes + trial.dumps
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"dead after {done} freezes ({name})"


def _freeze_short_lives(
    trial: Trial, kind: Kind, freezes: int, freezer: Freezer, python: str
) -> Trial:
    """Targets that end by themselves, each frozen until it does; its exit code must be right."""
    moments = Moments(2)
    tried = 0
    while tried < freezes:
        with started(kind, python) as (target, pid):
            while is_alive(pid) and tried < freezes:
                moments.pass_one()
                try:
                    answer = freezer.ask("freeze", pid=pid, method=trial.method)
                except FreezerGone:
                    trial.failed += 1
                    return trial
                tried += 1
                trial.take_answer(answer, "freeze")
            try:
                code = target.process.wait(REPORT_LIMIT_S)
            except subprocess.TimeoutExpired:
                trial.died = "did not end"
                return trial
            trial.rounds += 1
            if code != EXITS_CODE:
                trial.wrong += 1
                trial.note(f"exit code {code}")
    return trial
