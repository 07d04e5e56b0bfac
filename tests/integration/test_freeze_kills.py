"""kill -9 of the helper before each of its steps: the target finds back by itself."""

from __future__ import annotations

import pytest

from heapgraph.capture.live.freeze_helper import FreezeHelper, HelperEnded
from heapgraph.capture.process.permissions import read_status
from helpers.processes import children_of, wait_until
from helpers.running_target import start_target

MAX_STEPS = 200
FEWEST_STEPS = 20


def freeze_and_die(pid: int, step: int, monkeypatch: pytest.MonkeyPatch, order: str) -> bool:
    """True when the helper was killed before the call of ptrace with this number."""
    monkeypatch.setenv("HEAPGRAPH_FREEZE_DIES_AT", str(step))
    with FreezeHelper() as helper:
        try:
            if order == "clone":
                helper.freeze(pid)
            else:
                helper.pause(pid, 1)
            helper.release()
        except HelperEnded:
            return True
    return False


@pytest.mark.parametrize(("order", "fewest"), [("clone", FEWEST_STEPS), ("pause", 4)])
def test_a_helper_that_dies_at_any_step_leaves_the_target_as_it_was(
    monkeypatch: pytest.MonkeyPatch, order: str, fewest: int
) -> None:
    with start_target("freeze_orders.py") as target:
        before = read_status(target.pid)
        for step in range(1, MAX_STEPS):
            died = freeze_and_die(target.pid, step, monkeypatch, order)
            target.send(f"hello {step}")
            assert target.read_line() == f"hello {step}"
            wait_until(lambda: children_of(target.pid) == [], "no child is left", limit_s=1)
            after = read_status(target.pid)
            for name in ("TracerPid", "SigBlk", "Threads", "FDSize"):
                assert after[name] == before[name], (step, name)
            if not died:
                break
        assert fewest < step < MAX_STEPS - 1
