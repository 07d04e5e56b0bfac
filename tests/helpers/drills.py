"""Runs a fault drill as a test: what it saw is shown when it fails; in CI none is skipped."""

from __future__ import annotations

import os

import pytest

from heapgraph.watch.drill.registry import DRILLS, find_drill
from heapgraph.watch.drill.run import run_drill

_AROUND = ("webhook-", "target-", "many-targets", "flapping-rule", "pid-reuse")


def names_of(part: str) -> list[str]:
    """Names of drills: two files run them beside one another, in as much time each.

    Args:
        part: "around" the daemon, targets and receivers, or of the "daemon" itself.
    """
    return [one.name for one in DRILLS if one.name.startswith(_AROUND) == (part == "around")]


def pass_drill(name: str) -> None:
    """Run a drill of the registry, and fail unless it passes."""
    drill = find_drill(name)
    assert drill is not None
    result = run_drill(drill)
    if result.outcome == "skipped" and not os.environ.get("CI"):
        pytest.skip(result.seen[-1])
    assert result.outcome == "passed", "\n".join(result.seen)
