"""The kernel never ends a target because of a dump: the clone goes before memory runs out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture import dump as dump_module
from heapgraph.capture.dump import dump
from heapgraph.capture.live.freeze import freeze
from heapgraph.capture.live.freeze_helper import FreezeHelper, HelperFailure
from heapgraph.capture.live.memory_limits import MemoryPlan, first_to_go, plan_memory
from heapgraph.capture.process.memory import ProcessMemory
from heapgraph.capture.process.permissions import read_status
from heapgraph.errors import CaptureInterrupted, MemoryRanShort, TargetError
from heapgraph.machine_memory import GroupMemory
from helpers.made_groups import MadeGroups
from helpers.memory_groups import needs_groups, tight_target
from helpers.methods import without_idle
from helpers.processes import state_of, wait_until
from helpers.running_target import RunningTarget, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.cpython.root_set import RootSet

MIB = 2**20
RESERVE, LIMIT = 20 * MIB, 1000 * MIB
SHORT = LIMIT - RESERVE + 1
FIRST = "1000\n"


@pytest.fixture
def target() -> Iterator[RunningTarget]:
    with start_target("freeze_orders.py") as running:
        yield running


@pytest.fixture(params=[1, 2])
def made(tmp_path: Path, request: pytest.FixtureRequest) -> MadeGroups:
    return MadeGroups(tmp_path, request.param)


def plan_for(made: MadeGroups, folder: Path) -> MemoryPlan:
    group = GroupMemory(folder, made.version, LIMIT, 0, 0)
    return MemoryPlan("", [f"{made.version}:{RESERVE}:{LIMIT}:{folder}"], [group], RESERVE)


def answers(target: RunningTarget) -> bool:
    target.send("hello")
    return target.read_line() == "hello"


def ends(pid: int) -> None:
    wait_until(lambda: state_of(pid) in {"", "Z"}, f"process {pid} ended")


def dump_or_refusal(pid: int, output: Path, method: str) -> str:
    try:
        dump(pid, output, method=method)  # type: ignore[arg-type]
    except TargetError as refusal:
        return "".join(refusal.parts())
    return ""


@needs_groups
@pytest.mark.parametrize("method", ["auto", "clone"])
@pytest.mark.parametrize("headroom", [5, 30, 50, 80])
def test_a_target_that_rewrites_its_memory_in_a_tight_group_goes_on(
    tmp_path: Path, headroom: int, method: str
) -> None:
    with tight_target(headroom) as (group, target):
        for row in range(3):
            refusal = dump_or_refusal(target.pid, tmp_path / f"{row}.heapgraph", method)
            assert not refusal or (method == "clone" and str(group.folder) in refusal)
        assert group.kills == 0
        assert group.least_left > 0
        target.send("how often")
        assert int(target.read_line()) > 0


@needs_groups
def test_a_clone_that_takes_all_the_room_is_ended_before_it_is_gone() -> None:
    with tight_target(90) as (group, target):
        plan = plan_memory(target.pid, read_status(target.pid))
        with FreezeHelper(plan) as helper:
            child, _ = helper.freeze(target.pid)
            ends(child)
            with pytest.raises(MemoryRanShort) as caught:
                helper.release()
        assert str(group.folder) in caught.value.what
        assert group.kills == 0
        target.send("how often")
        assert target.read_line()


@needs_groups
def test_heapgraph_in_the_group_of_its_target_is_refused_before_it_takes_room(
    tmp_path: Path,
) -> None:
    with tight_target(30) as (group, target):
        command = [sys.executable, "-m", "heapgraph", "dump", str(target.pid)]
        command += ["-o", str(tmp_path / "x.heapgraph")]
        done = subprocess.run(
            group.command(command), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 3, done.stderr
        assert str(group.folder) in done.stderr
        assert f"heapgraph capture {target.pid}" in done.stderr
        assert group.kills == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["used", "other limit"])
def test_the_clone_ends_when_the_reserve_is_touched(
    target: RunningTarget, made: MadeGroups, kind: str
) -> None:
    swap = {"memory__memsw__limit_in_bytes": LIMIT, "memory__memsw__usage_in_bytes": SHORT - 1}
    other = swap if made.version == 1 else {"memory__high": "max"}
    folder = made.group("/app", limit=LIMIT, used=SHORT - 1, **other)
    plan = plan_for(made, folder)
    with FreezeHelper(plan) as helper:
        child, _ = helper.freeze(target.pid)
        assert answers(target)
        assert state_of(child) == "t"
        if kind == "used":
            made.group("/app", limit=LIMIT, used=SHORT)
        elif made.version == 1:
            (folder / "memory.memsw.usage_in_bytes").write_text(f"{SHORT}")
        else:
            (folder / "memory.high").write_text(f"{LIMIT - 1}")
        ends(child)
        with pytest.raises(MemoryRanShort, match=r"of which 20\.0 MiB are kept"):
            helper.release()
    assert answers(target)


def test_pages_that_the_kernel_drops_first_count_as_free(
    target: RunningTarget, made: MadeGroups
) -> None:
    folder = made.group("/app", limit=LIMIT, used=LIMIT, cache=RESERVE)
    dirty = "total_dirty 1" if made.version == 1 else "file_dirty 1"
    with FreezeHelper(plan_for(made, folder)) as helper:
        child, _ = helper.freeze(target.pid)
        made.group("/app", limit=LIMIT, used=LIMIT, cache=RESERVE, stat=dirty)
        ends(child)
        with pytest.raises(MemoryRanShort):
            helper.release()
        # And what is short already is not cloned.
        with pytest.raises(HelperFailure) as caught:
            helper.freeze(target.pid)
        assert caught.value.code == "memory"
        made.group("/app", limit=LIMIT, used=0)
        child, _ = helper.freeze(target.pid)
        assert state_of(child) == "t"
        assert helper.release()[1] == "clean"
    assert answers(target)


def test_the_machine_is_watched_as_its_groups_are(target: RunningTarget) -> None:
    plan = MemoryPlan("", [f"0:{2**60}:0:"], [], 2**60)
    with FreezeHelper(plan) as helper, pytest.raises(HelperFailure) as caught:
        helper.freeze(target.pid)
    assert caught.value.code == "memory"
    assert answers(target)


@pytest.mark.parametrize("method", ["auto", "clone"])
def test_a_dump_whose_clone_was_ended_goes_on_with_another_method(
    target: RunningTarget,
    made: MadeGroups,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    folder = made.group("/app", limit=LIMIT, used=0)
    find_roots = dump_module.find_roots

    def find_when_short(*arguments: object) -> RootSet:
        found = find_roots(*arguments)  # type: ignore[arg-type]
        made.group("/app", limit=LIMIT, used=SHORT)
        (memory, *_) = arguments
        if isinstance(memory, ProcessMemory):  # of the clone; a copy is read from a file
            ends(memory.pid)
        return found

    monkeypatch.setattr(dump_module, "find_roots", find_when_short)
    monkeypatch.setattr(
        "heapgraph.capture.live.freeze.plan_memory", lambda *_: plan_for(made, folder)
    )
    output = tmp_path / "x.heapgraph"
    if method == "clone":
        with pytest.raises(MemoryRanShort, match=str(folder)):
            dump(target.pid, output, method="clone")
        assert not output.exists()
    else:
        with without_idle():
            result = dump(target.pid, output)
        assert result.method == "pause"
        assert [note for note in result.notes if str(folder) in note], result.notes
    assert answers(target)


def test_a_clone_that_may_not_be_is_told_with_the_figures(
    target: RunningTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = MemoryPlan("its group has 3 KiB left", [], [], 0)
    monkeypatch.setattr("heapgraph.capture.live.freeze.plan_memory", lambda *_: plan)
    with without_idle(), freeze(target.pid) as frozen:
        assert frozen.method == "pause"
        assert frozen.passed_over["clone"] == "its group has 3 KiB left"
    with pytest.raises(CaptureInterrupted) as caught, freeze(target.pid, "clone"):
        pass
    assert caught.value.cause == "its group has 3 KiB left"


def test_heapgraph_and_its_helper_are_the_first_to_go(
    target: RunningTarget, tmp_path: Path
) -> None:
    own = Path("/proc/self/oom_score_adj")
    before = own.read_text()
    scores = set()
    dump(
        target.pid,
        tmp_path / "x.heapgraph",
        progress=lambda *_: scores.add(own.read_text()),
    )
    assert scores == {FIRST}
    with first_to_go(target.pid), freeze(target.pid) as frozen:
        assert Path(f"/proc/{frozen.helper.pid}/oom_score_adj").read_text() == FIRST
    assert own.read_text() == before
    assert Path(f"/proc/{target.pid}/oom_score_adj").read_text() == before
