"""Precision and recall of the leak suspects, over programs with known answers, as Markdown.

    python -m benchmarks.leaks [--python PROGRAM] [--output FILE]

Each program of fixtures/leaks is started and dumped while it runs, and so is its twin that does not
leak. A program counts as found when the first suspect names the holder that its author put down; a
suspect of a twin counts as false, whatever it names.

Then each program leaks on, with 5 % of noise in other containers, and is dumped four times: the
first holder of a comparison of two, three and four snapshots must be the known one as well.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.analysis.diff import diff_snapshots
from heapgraph.analysis.suspects import find_suspects
from heapgraph.units import format_share, format_size

# The programs' answers are read and judged by the code that the tests use.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers.leak_programs import ask_live, grow_live, leak_programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.graph.heap_graph import HeapGraph
    from helpers.leak_programs import LeakProgram

SNAPSHOTS = 4


@dataclass(frozen=True)
class Verdict:
    """What was found in one program and in its twin.

    Attributes:
        program: its name.
        found: whether the first suspect is the known holder.
        first: what the first suspect names, with its size; "none".
        others: suspects of the leaking program besides its holder.
        twin: suspects of the twin.
        names_holder_in_twin: whether one of these is the known holder.
        growth: for two, three and four snapshots, whether the holder is the first that grew.
        is_stable: whether the leak has the same fingerprint in the other run.
    """

    program: str
    found: bool
    first: str
    others: int
    twin: list[str]
    names_holder_in_twin: bool
    growth: tuple[bool, ...]
    is_stable: bool


def judge(program: LeakProgram, folder: Path, python: str) -> Verdict:
    """Dump a program and its twin live and compare with the known answer."""
    suspects = ask_live(program, folder, python=python).suspects
    twin = ask_live(program, folder, fixed=True, python=python).suspects
    graphs = grow_live(program, folder, SNAPSHOTS, python=python)
    known = [s.fingerprint for s in find_suspects(graphs[0]).suspects if program.names_holder(s)]
    first = "none"
    if suspects:
        share = format_share(suspects[0].share)
        first = f"`{suspects[0].expression}` {format_size(suspects[0].retained_size)}, {share}"
    return Verdict(
        program=program.name,
        found=bool(suspects) and program.names_holder(suspects[0]),
        first=first,
        others=sum(not program.names_holder(suspect) for suspect in suspects),
        twin=[suspect.expression for suspect in twin],
        names_holder_in_twin=any(map(program.names_holder, twin)),
        growth=tuple(grows_first(program, graphs[:count]) for count in range(2, SNAPSHOTS + 1)),
        is_stable=bool(suspects) and known == [suspects[0].fingerprint],
    )


def grows_first(program: LeakProgram, graphs: Sequence[HeapGraph]) -> bool:
    """Whether a comparison names the known holder first."""
    holders = diff_snapshots(graphs[0], new=graphs[1], newer=graphs[2:]).holders
    return bool(holders) and program.is_growing_holder(holders[0].expression)


def missing_packages(program: LeakProgram, python: str) -> list[str]:
    """Packages a program needs and the interpreter that shall run it does not have."""

    def is_missing(name: str) -> bool:
        tried = subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False)
        return tried.returncode != 0

    return [name for name in program.needs if is_missing(name)]


def version_of(python: str) -> tuple[int, int]:
    """Major and minor version of an interpreter."""
    said = subprocess.run([python, "--version"], capture_output=True, check=True, text=True)
    major, minor = said.stdout.split()[1].split(".")[:2]
    return int(major), int(minor)


def report(verdicts: Sequence[Verdict], left_out: Sequence[str]) -> str:
    """The table and the figures."""
    rows = [
        f"| {v.program} | {'yes' if v.found else '**no**'} | {v.first} | {v.others}"
        f" | {', '.join(f'`{text}`' for text in v.twin) or '-'}"
        f" | {', '.join('yes' if found else '**no**' for found in v.growth)} |"
        for v in verdicts
    ]
    found = sum(v.found for v in verdicts)
    in_twins = sum(len(v.twin) for v in verdicts)
    named = found + in_twins + sum(v.others for v in verdicts)
    recall = f"{found} of {len(verdicts)} leaking programs have their holder as the first suspect"
    precision = f"{found} of {named} suspects in all programs and twins name a real leak"
    holders = sum(v.names_holder_in_twin for v in verdicts)
    growing, stable = sum(map(all_of, verdicts)), sum(v.is_stable for v in verdicts)
    lines = [
        "| program | found | first suspect | other suspects | suspects of the twin | grows first |",
        "|---|---|---|--:|---|---|",
        *rows,
        "",
        f"- recall: {recall}: {format_share(found / len(verdicts))}",
        f"- precision: {precision}: {format_share(found / named) if named else '-'}",
        f"- twins: {holders} of {len(verdicts)} name it; {in_twins} suspects of any kind",
        f"- growth: {growing} of {len(verdicts)} holders come first, with 5 % of noise around them",
        f"- fingerprints: {stable} of {len(verdicts)} are the same in another run",
    ]
    if left_out:
        lines.append(f"- not run, for what is missing: {', '.join(left_out)}")
    return "\n".join(lines)


def all_of(verdict: Verdict) -> bool:
    """Whether every comparison names the holder first."""
    return all(verdict.growth)


def main() -> None:
    """Parse the command line, run the programs, print; exit 1 when an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaks", description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the programs")
    parser.add_argument("--output", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    verdicts, left_out = [], []
    version = version_of(arguments.python)
    with tempfile.TemporaryDirectory() as folder:
        for program in leak_programs():
            if missing := missing_packages(program, arguments.python):
                left_out.append(f"{program.name} ({', '.join(missing)})")
                continue
            if not program.leaks_on(version):
                left_out.append(f"{program.name} (leaks no more on {version[0]}.{version[1]})")
                continue
            print(program.name, file=sys.stderr, flush=True)
            verdicts.append(judge(program, Path(folder), arguments.python))
    text = report(verdicts, left_out)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    if not all(
        v.found and not v.names_holder_in_twin and all(v.growth) and v.is_stable for v in verdicts
    ):
        sys.exit(1)


if __name__ == "__main__":
    main()
