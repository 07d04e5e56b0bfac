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

WRITER = Path(__file__).parents[1] / "helpers" / "signalled_writer.py"
FEW_STEPS = 500
STRIDE = 1 if is_exhaustive() else 3
"""Where another signal is tried at every step, of this one at one in so many."""

LIMIT_S = 100

SIGNALLED_DUMP = """
import os, signal, sys
from heapgraph.capture.dump import dump
for ending in (signal.SIGTERM, signal.SIGHUP):  # nohup leaves it ignored
    signal.signal(ending, signal.SIG_DFL)
pid, output, number, point = sys.argv[1:]
calls = 0
def report(phase, done, total):
    global calls
    calls += 1
    if calls == int(point):
        os.kill(os.getpid(), int(number))
dump(int(pid), output, progress=report)
"""


@pytest.mark.parametrize(
    ("kind", "how", "stride", "signals"),
    [
        ("named", "keep", 1, ["SIGINT"]),
        ("named", "keep", STRIDE, ["SIGINT", "40"]),
        ("named", "force", 1, ["SIGTERM"]),
        ("named", "keep", STRIDE, ["SIGHUP", "3"]),
        ("nameless", "keep", STRIDE, ["SIGINT", "3"]),
        ("nameless", "force", STRIDE, ["SIGTERM"]),
        ("nameless", "force", 1, ["SIGINT"]),
        ("nameless", "force", STRIDE, ["SIGKILL"]),
        ("named", "keep", 1, ["SIGKILL"]),
    ],
)
def test_no_gap_between_two_steps_leaves_a_file(
    tmp_path: Path, kind: str, how: str, stride: int, signals: list[str]
):
    """Given a signal, or two, at each instruction of the writing, one after the other.

    Then the old file or the new one has the final name, whole, and there is no other (after
    SIGKILL: as soon as another file is written in the folder); and the signal is obeyed.
    """
    arguments = [sys.executable, str(WRITER), str(tmp_path), kind, how, str(stride), *signals]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    steps = [line.split() for line in done.stdout.splitlines()]
    assert int(steps[-1][0]) > FEW_STEPS
    assert len(steps) >= FEW_STEPS // stride
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
    with start_target(TARGETS / "kinds.py") as target:
        code, point, ended = 1, first, 0
        while code != 0:
            words = (target.pid, output, int(number), point)
            done = subprocess.run(
                [sys.executable, "-c", SIGNALLED_DUMP, *map(str, words)],
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            code = done.returncode
            if code != 0:
                assert code == -number, done.stderr
                assert os.listdir(tmp_path) == []  # noqa: PTH208 - hidden files too
                wait_until(lambda: children_of(target.pid) == [], "the clone is gone")
                ended += 1
            point += 3
        target.send(str(tmp_path / "account"))
        assert target.read_line() == "described"
    assert ended > 1
    open_snapshot(output).verify_all()
