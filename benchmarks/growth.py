"""How often the verdict on one container is right, over services with known histories, as Markdown.

    python -m benchmarks.growth [--python PROGRAM...] [--programs WORD...] [--modes MODE...]
        [--backgrounds NAME... | --all-backgrounds] [--every N] [--seed N] [--snapshots FOLDER]
        [--json FILE]

Each service of benchmarks/growth_programs is run and dumped once in each mode, and its container is
judged by `growth_of`. Backgrounds take turns, so that each service meets each of them. With
`--snapshots` the dumps stay, and the next run judges those that are there. The exit code is 1 when
more than 1 % of the verdicts are wrong.
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

import heapgraph
from benchmarks.growth_programs.backgrounds import BACKGROUNDS
from benchmarks.growth_programs.modes import MODES
from benchmarks.growth_programs.service import load_all
from benchmarks.report import table
from heapgraph.analysis.ages.growth import growth_of

ROOT = Path(__file__).resolve().parents[1]
READY_LIMIT_S = 120
WORKERS = 2
MAX_WRONG = 0.01
UNKNOWN = "unknown"
SAID = ("growing", "turning over", "loaded once", UNKNOWN)
OUTCOMES = ("right", "wrong", "unknown")


@dataclass(frozen=True)
class Case:
    """One run of one service."""

    program: str
    mode: str
    background: str
    version: str
    python: str
    seed: int = 0

    @property
    def file_name(self) -> str:
        """Of its snapshot."""
        parts = (self.version, self.program, self.mode.replace(" ", "-"), self.background)
        return "_".join((*parts, str(self.seed))) + ".heapgraph"


@dataclass(frozen=True)
class Verdict:
    """What was said of it.

    Attributes:
        kind: what kind of service it is, with its true verdict.
        is_tracked: whether the collector knows the members.
        outcome: one of `OUTCOMES`; "right" also for `unknown` of members nobody tracks.
    """

    case: Case
    kind: str
    is_tracked: bool
    said: str
    evidence: str
    outcome: str


def cases(arguments: argparse.Namespace) -> list[Case]:
    """What to run."""
    backgrounds = arguments.backgrounds or list(BACKGROUNDS)
    words = arguments.programs or [""]
    chosen = []
    for row, python in enumerate(arguments.python):
        version = version_of(python)
        for name in sorted(load_all()):
            if not any(word in name for word in words):
                continue
            for column, mode in enumerate(MODES):
                if mode not in arguments.modes:
                    continue
                one = backgrounds[(crc32(name.encode()) + column + row) % len(backgrounds)]
                each = backgrounds if arguments.all_backgrounds else [one]
                chosen += [
                    Case(name, mode, background, version, python, arguments.seed)
                    for background in each
                ]
        chosen = [case for case in chosen if case.version != version] + [
            case
            for place, case in enumerate([case for case in chosen if case.version == version])
            if (place + row + 3 * arguments.seed) % arguments.every == 0
        ]
    return chosen


def version_of(python: str) -> str:
    """Of an interpreter, as 3.12."""
    asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def judge(case: Case, folder: Path) -> Verdict:
    """Run one service, if there is no snapshot of it, and judge its container."""
    service = load_all()[case.program]
    path = folder / case.file_name
    if not path.exists():
        dump(case, path)
    snapshot = heapgraph.open(path)
    growth = growth_of(snapshot.graph, snapshot.resolve(service.where))
    if growth.trend in service.verdicts:
        outcome = "right"
    elif growth.trend == UNKNOWN:
        outcome = "unknown" if service.has_tracked_members else "right"
    else:
        outcome = "wrong"
    return Verdict(
        case=case,
        kind=f"{service.kind}: {' or '.join(service.verdicts)}",
        is_tracked=service.has_tracked_members,
        said=growth.trend,
        evidence=growth.evidence,
        outcome=outcome,
    )


def dump(case: Case, path: Path) -> None:
    """Run a service until it is ready, dump it, end it."""
    command = [case.python, "-m", "benchmarks.growth_programs"]
    with subprocess.Popen(
        [*command, case.program, case.mode, case.background, str(case.seed)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            if not select.select([process.stdout], [], [], READY_LIMIT_S)[0]:
                raise TimeoutError(f"{case.program} said nothing in {READY_LIMIT_S} s")
            if process.stdout.readline().strip() != "READY":
                raise EOFError(f"{case.program} ended before it was ready")
            heapgraph.dump(process.pid, path)
        finally:
            process.kill()


def report(verdicts: list[Verdict]) -> str:
    """The tables and the list of what is wrong."""
    tracked = [verdict for verdict in verdicts if verdict.is_tracked]
    rows = []
    for kind in sorted({verdict.kind for verdict in verdicts}):
        said = Counter(verdict.said for verdict in verdicts if verdict.kind == kind)
        programs = {verdict.case.program for verdict in verdicts if verdict.kind == kind}
        rows.append([f"{kind} ({len(programs)})", *(str(said[word]) for word in SAID)])
    groups = [("all", verdicts), ("tracked members", tracked)]
    for name in ("version", "mode", "background"):
        names = sorted({getattr(verdict.case, name) for verdict in tracked})
        groups += [
            (f"{name} {each}", [v for v in tracked if getattr(v.case, name) == each])
            for each in names
        ]
    lines = [
        table(["program kind: true verdict", *(f"said {word}" for word in SAID)], rows),
        table(["", "runs", *OUTCOMES], [_row(name, group) for name, group in groups]),
    ]
    lines += [
        f"- wrong: {v.case.program}, {v.case.mode}, {v.case.background}, {v.case.version}:"
        f" {v.said} ({v.evidence}); true is {v.kind.partition(': ')[2]}"
        for v in verdicts
        if v.outcome == "wrong"
    ]
    return "\n".join(lines)


def _row(name: str, group: list[Verdict]) -> list[str]:
    counted = Counter(verdict.outcome for verdict in group)
    return [
        name,
        str(len(group)),
        *(f"{100 * counted[outcome] / max(len(group), 1):.1f} %" for outcome in OUTCOMES),
    ]


def main() -> None:
    """Parse the command line, run the services, print; exit 1 when too much is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters")
    parser.add_argument("--programs", nargs="+", help="those whose name has one of these words")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--backgrounds", nargs="+", choices=BACKGROUNDS)
    parser.add_argument("--all-backgrounds", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="only one in so many runs")
    parser.add_argument("--seed", type=int, default=0, help="other random numbers and lengths")
    parser.add_argument("--snapshots", type=Path, help="keep the dumps here, and use them")
    parser.add_argument("--json", type=Path, help="also write every verdict to this file")
    arguments = parser.parse_args()
    chosen = cases(arguments)
    with tempfile.TemporaryDirectory() as temporary, ProcessPoolExecutor(WORKERS) as pool:
        folder = arguments.snapshots or Path(temporary)
        folder.mkdir(exist_ok=True)
        verdicts = list(pool.map(judge, chosen, [folder] * len(chosen)))
    print(report(verdicts))
    if arguments.json:
        rows = [asdict(verdict) for verdict in verdicts]
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    wrong = sum(verdict.outcome == "wrong" for verdict in verdicts)
    if wrong > MAX_WRONG * len(verdicts):
        sys.exit(1)


if __name__ == "__main__":
    main()
