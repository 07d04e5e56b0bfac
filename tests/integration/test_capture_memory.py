"""How long `heapgraph capture` may hold a clone, or the target, while its output is written."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.capture_process import CAPTURE_HELPER
from helpers.captures import LIMIT_S, assert_goes_on, await_clone, is_gone, start_large
from helpers.made_groups import MadeGroups
from helpers.memory_groups import needs_groups, tight_target
from helpers.processes import state_of, wait_until

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20
RESERVE, LIMIT = 20 * MIB, 1000 * MIB
GUARD_S = 1.2
"""A helper that does nothing for so long while a thread stands is ended (hold/guard.h)."""

TARGET_ERROR = 3


def start(*command: object) -> subprocess.Popen[bytes]:
    """Start a program of which nothing is read."""
    words = [str(word) for word in command]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_pause_may_last_as_long_as_it_was_allowed(tmp_path: Path) -> None:
    """Given a reader that begins late, the target stands until all is written, within the limit."""
    with start_large(tmp_path) as target, start(CAPTURE_HELPER, "--pause", 60000, target.pid) as it:
        wait_until(lambda: state_of(target.pid) == "t", "a target that stands")
        begun = time.monotonic()
        wait_until(lambda: time.monotonic() > begun + GUARD_S + 0.5, "the guard's time")
        _, said = it.communicate(timeout=LIMIT_S)
        assert it.returncode == 0, said
        assert_goes_on(target)


@pytest.mark.parametrize("version", [1, 2])
def test_the_clone_is_ended_before_memory_runs_out(tmp_path: Path, version: int) -> None:
    """Given a group that fills while it is written, the clone ends and the reason is said."""
    made = MadeGroups(tmp_path, version)
    folder = made.group("/app", limit=LIMIT, used=LIMIT - RESERVE)
    place = f"{version}:{RESERVE}:{LIMIT}:{folder}"
    with (
        start_large(tmp_path) as target,
        start(CAPTURE_HELPER, "--watch", place, target.pid) as it,
    ):
        clone = await_clone(it.pid, target.pid)
        made.group("/app", limit=LIMIT, used=LIMIT - RESERVE + 1)
        wait_until(lambda: is_gone(clone), "the end of the clone")
        _, said = it.communicate(timeout=LIMIT_S)
        assert it.returncode == TARGET_ERROR
        assert b"its clone was ended in time" in said
        assert_goes_on(target)


def test_what_is_short_already_is_not_cloned(tmp_path: Path) -> None:
    made = MadeGroups(tmp_path, 1)
    folder = made.group("/app", limit=LIMIT, used=LIMIT)
    with start_large(tmp_path) as target:
        with start(CAPTURE_HELPER, "--watch", f"1:{RESERVE}:0:{folder}", target.pid) as it:
            _, said = it.communicate(timeout=LIMIT_S)
        assert it.returncode == TARGET_ERROR
        assert b"memory is short already" in said
        assert_goes_on(target)


@needs_groups
@pytest.mark.parametrize("alone", [True, False])
def test_a_slow_reader_costs_the_target_nothing(alone: bool) -> None:
    """Given a target that rewrites its memory in a tight group, and a reader that reads nothing."""
    with tight_target(90) as (group, target):
        heapgraph = [sys.executable, "-m", "heapgraph", "capture", "-o", "-"]
        with start(*([CAPTURE_HELPER] if alone else heapgraph), target.pid) as it:
            assert it.stderr is not None
            said = it.stderr.read().decode()  # it ends although nobody reads
            it.kill()
        assert "clone was ended" in said
        assert alone or str(group.folder) in said
        assert group.kills == 0
        target.send("how often")
        assert int(target.read_line()) > 0
