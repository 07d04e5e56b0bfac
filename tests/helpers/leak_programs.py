"""The programs of fixtures/leaks with their known answers, dumped live and judged.

program = leak_programs()[0]
with heapgraph_of(program, folder) as graph:      # or fixed=True for the twin
    answer = find_suspects(graph)
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heapgraph.analysis.suspects import find_suspects
from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from helpers.running_target import start_target

if TYPE_CHECKING:
    from heapgraph.analysis.suspects import LeakSuspect

READY_LIMIT_S = 120.0
"""Until a program has leaked: members of a flag take 3.8 some 15 s, on a machine that is quiet."""

LEAKS = Path(__file__).resolve().parents[2] / "fixtures" / "leaks"


@dataclass(frozen=True)
class LeakProgram:
    """One program and what must be found in it.

    Attributes:
        path: the program; with `--fixed` it is its twin.
        expected: its EXPECTED: `holder` (`*` stands for anything), `leaked_type`, `chain` (labels
            on the path to a leaked object), `objects_at_ready`; where it has them also `grows`
            (what a comparison of snapshots calls the holder, where it calls it otherwise),
            `held_by` (words of the reason about a holder that no module of the program has),
            `reason` (a pattern in the reason), `until` (the last version of Python that leaks).
        needs: packages it imports that heapgraph does not depend on.
    """

    path: Path
    expected: dict[str, Any]
    needs: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The program's name without `.py`."""
        return self.path.stem

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed beside heapgraph."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    def is_holder(self, expression: str) -> bool:
        """Whether an expression is the known holder."""
        return _fits(self.expected["holder"], expression)

    def is_growing_holder(self, expression: str) -> bool:
        """Whether an expression is what a comparison calls the known holder."""
        wanted = self.expected.get("grows")
        return self.is_holder(expression) if wanted is None else _fits(wanted, expression)

    def leaks_on(self, version: tuple[int, int]) -> bool:
        """Whether a version of Python lets it leak."""
        return version <= tuple(self.expected.get("until", version))

    def is_reason(self, reason: str) -> bool:
        """Whether the words of a suspect say what is held, as far as the program asks for it."""
        return re.search(self.expected.get("reason", ""), reason) is not None

    def names_holder(self, suspect: LeakSuspect) -> bool:
        """Whether a suspect names the known holder, by itself or as its accumulation point."""
        point = suspect.accumulation_point
        texts = [suspect.expression] if point is None else [suspect.expression, point.expression]
        return any(map(self.is_holder, texts))


def _fits(pattern: str, expression: str) -> bool:
    """Whether a text is what a pattern says, `*` standing for anything."""
    parts = map(re.escape, pattern.split("*"))
    return re.fullmatch(".*".join(parts), expression, re.DOTALL) is not None


@functools.cache
def leak_programs() -> tuple[LeakProgram, ...]:
    """All programs, by name."""
    return tuple(_read_program(path) for path in sorted(LEAKS.glob("*.py")))


def _read_program(path: Path) -> LeakProgram:
    """The constants of a program, read without running it."""
    constants = {
        ast.unparse(statement.targets[0]): statement.value
        for statement in ast.parse(path.read_text()).body
        if isinstance(statement, ast.Assign)
    }
    if "EXPECTED" not in constants:
        raise LookupError(f"{path.name} has no EXPECTED: every leak program carries its answer")
    needs = ast.literal_eval(constants["NEEDS"]) if "NEEDS" in constants else []
    return LeakProgram(path, ast.literal_eval(constants["EXPECTED"]), needs)


@dataclass(frozen=True)
class LiveAnswer:
    """A snapshot of a program that ran, and the suspects in it, the first one first."""

    graph: HeapGraph
    suspects: tuple[LeakSuspect, ...]


def ask_live(
    program: LeakProgram, folder: Path, *, fixed: bool = False, python: str = sys.executable
) -> LiveAnswer:
    """Start a program, dump it while it runs, and ask for suspects.

    Args:
        program: what to run.
        folder: where the snapshot goes.
        fixed: run the twin that does not leak.
        python: the interpreter of the program.
    """
    snapshot = folder / f"{program.name}{'-fixed' if fixed else ''}.heapgraph"
    options = ["--fixed"] * fixed
    with start_target(program.path, *options, python=python, ready_limit_s=READY_LIMIT_S) as target:
        assert target.ready == f"ready {target.pid}"
        dump(target.pid, snapshot)
        assert target.process.poll() is None, "the target must survive its dump"
    graph = HeapGraph.open(snapshot)
    return LiveAnswer(graph, find_suspects(graph).suspects)


def grow_live(
    program: LeakProgram, folder: Path, count: int, *, python: str = sys.executable
) -> list[HeapGraph]:
    """Snapshots of one run, with more leaked before each, and one object of noise for twenty.

    Args:
        program: what to run.
        folder: where the snapshots go.
        count: how many.
        python: the interpreter of the program.
    """
    graphs = []
    with start_target(program.path, "--noise", python=python) as target:
        assert target.ready == f"ready {target.pid}"
        for number in range(count):
            if number:
                target.send("grow")
                answer = target.read_line()
                assert answer == "grew", answer
            snapshot = folder / f"{program.name}-{number}.heapgraph"
            dump(target.pid, snapshot)
            assert target.process.poll() is None, "the target must survive its dump"
            graphs.append(HeapGraph.open(snapshot))
    return graphs
