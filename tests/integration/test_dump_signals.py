"""A dump that is ended by a signal, wherever it is: no file is left, and the target goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from heapgraph.snapshot.reader import open_snapshot
from helpers.interpreters import is_exhaustive
from helpers.processes import children_of, wait_until
from helpers.running_target import TARGETS, start_target

HELPERS = Path(__file__).parents[1] / "helpers"
WRITER, DUMPER = HELPERS / "signalled_writer.py", HELPERS / "signalled_dump.py"
FEW_STEPS = 500
LIMIT_S = 100


def one_in_three(first: int) -> tuple[int, int]:
    """From which step on one in how many is tried: all in the long form.

    Rows of a kind begin at different ones, so that each step is in some row. And the disk changes
    by calls only, which are more than three instructions apart.
    """
    return (1, 1) if is_exhaustive() else (first, 3)


@pytest.mark.parametrize(
    ("kind", "how", "sample", "signals"),
    [
        ("named", "keep", one_in_three(1), ["SIGINT"]),
        ("named", "keep", one_in_three(2), ["SIGINT", "40"]),
        ("named", "force", (1, 1), ["SIGTERM"]),
        ("named", "keep", one_in_three(3), ["SIGHUP", "3"]),
        ("nameless", "keep", one_in_three(1), ["SIGINT", "3"]),
        ("nameless", "force", one_in_three(1), ["SIGTERM"]),
        ("nameless", "force", one_in_three(2), ["SIGINT"]),
        ("nameless", "force", one_in_three(3), ["SIGKILL"]),
        ("named", "keep", one_in_three(1), ["SIGKILL"]),
    ],
)
def test_no_gap_between_two_steps_leaves_a_file(
    tmp_path: Path, kind: str, how: str, sample: tuple[int, int], signals: list[str]
):
    """Given a signal, or two, at each instruction of the writing, one after the other.

    Then the old file or the new one has the final name, whole, and there is no other (after
    SIGKILL: as soon as another file is written in the folder); and the signal is obeyed.
    """
    words = (WRITER, tmp_path, kind, how, *sample)
    arguments = [sys.executable, *map(str, words), *signals]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    steps = [line.split() for line in done.stdout.splitlines()]
    assert int(steps[-1][0]) > FEW_STEPS
    assert len(steps) >= FEW_STEPS // sample[1]
    assert [step for step in steps if step[3:] not in ([], ["final"])] == []
    assert {step[2] for step in steps} == {"new", "old" if how == "force" else "none"}
    *ended, last = [int(step[1]) for step in steps]
    assert set(ended) <= {-getattr(signal, signals[0]), 130}
    assert last == 0


@pytest.mark.parametrize(
    ("number", "first"), [(signal.SIGINT, 1), (signal.SIGTERM, 2), (signal.SIGHUP, 3)]
)
def test_a_dump_can_be_ended_at_any_point(tmp_path: Path, number: signal.Signals, first: int):
    """Given the phases that a dump announces, then it ends at each, and leaves nothing anywhere."""
    output = tmp_path / "x.heapgraph"
    with (
        start_target(TARGETS / "kinds.py") as target,
        start_target(DUMPER, target.pid, output, int(number)) as dumper,
    ):
        code, point, ended = 1, first, 0
        while code != 0:
            dumper.send(str(point))
            code = int(dumper.read_line(LIMIT_S))
            if code != 0:
                assert code == -number, dumper.standard_error()
                assert os.listdir(tmp_path) == []  # noqa: PTH208 - hidden files too
                wait_until(lambda: children_of(target.pid) == [], "the clone is gone")
                ended += 1
            point += 3
        target.send(str(tmp_path / "account"))
        assert target.read_line() == "described"
    assert ended > 1
    open_snapshot(output).verify_all()
