"""Precision and recall of the leak suspects, over programs with known answers, as Markdown.

    python -m benchmarks.leaks [--python PROGRAM] [--output FILE]

Each program of fixtures/leaks is started and dumped while it runs, and so is its twin that does not
leak. A program counts as found when the first suspect names the holder that its author put down; a
suspect of a twin counts as false, whatever it names.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heapgraph.units import format_share, format_size

# The programs' answers are read and judged by the code that the tests use.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers.leak_programs import ask_live, leak_programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from helpers.leak_programs import LeakProgram


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
    """

    program: str
    found: bool
    first: str
    others: int
    twin: list[str]
    names_holder_in_twin: bool


def judge(program: LeakProgram, folder: Path, python: str) -> Verdict:
    """Dump a program and its twin live and compare with the known answer."""
    suspects = ask_live(program, folder, python=python).suspects
    twin = ask_live(program, folder, fixed=True, python=python).suspects
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
    )


def missing_packages(program: LeakProgram, python: str) -> list[str]:
    """Packages a program needs and the interpreter that shall run it does not have."""

    def is_missing(name: str) -> bool:
        tried = subprocess.run([python, "-c", f"import {name}"], capture_output=True, check=False)
        return tried.returncode != 0

    return [name for name in program.needs if is_missing(name)]


def report(verdicts: Sequence[Verdict], left_out: Sequence[str]) -> str:
    """The table and the figures."""
    rows = [
        f"| {v.program} | {'yes' if v.found else '**no**'} | {v.first} | {v.others}"
        f" | {', '.join(f'`{text}`' for text in v.twin) or '-'} |"
        for v in verdicts
    ]
    found = sum(v.found for v in verdicts)
    in_twins = sum(len(v.twin) for v in verdicts)
    named = found + in_twins + sum(v.others for v in verdicts)
    recall = f"{found} of {len(verdicts)} leaking programs have their holder as the first suspect"
    precision = f"{found} of {named} suspects in all programs and twins name a real leak"
    holders = sum(v.names_holder_in_twin for v in verdicts)
    lines = [
        "| program | found | first suspect | other suspects | suspects of the twin |",
        "|---|---|---|--:|---|",
        *rows,
        "",
        f"- recall: {recall}: {format_share(found / len(verdicts))}",
        f"- precision: {precision}: {format_share(found / named) if named else '-'}",
        f"- twins: {holders} of {len(verdicts)} name it; {in_twins} suspects of any kind",
    ]
    if left_out:
        lines.append(f"- not run, packages are missing: {', '.join(left_out)}")
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, run the programs, print; exit 1 when an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaks", description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the programs")
    parser.add_argument("--output", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    verdicts, left_out = [], []
    with tempfile.TemporaryDirectory() as folder:
        for program in leak_programs():
            if missing := missing_packages(program, arguments.python):
                left_out.append(f"{program.name} ({', '.join(missing)})")
                continue
            print(program.name, file=sys.stderr, flush=True)
            verdicts.append(judge(program, Path(folder), arguments.python))
    text = report(verdicts, left_out)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    if not all(v.found and not v.names_holder_in_twin for v in verdicts):
        sys.exit(1)


if __name__ == "__main__":
    main()
