"""A dump that may take more memory than there is is refused, with the figures and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.live.memory_limits import (
    BURST,
    CLONE_BUFFERS,
    LARGE_HEAPS,
    WAIT,
    MemoryPlan,
    clone_reserve,
    copy_saving,
    first_to_go,
    plan_memory,
)
from heapgraph.capture.process.maps import Mapping
from heapgraph.errors import CaptureInterrupted
from helpers.made_groups import MadeGroups

if TYPE_CHECKING:
    from pathlib import Path

PID = 7
MIB = 2**20
STATUS = {"VmRSS": "409600 kB", "RssAnon": "409600 kB", "Threads": "1"}  # 400 MiB
CLONE_NEED = BURST + CLONE_BUFFERS + 400 * MIB // 32 + 400 * MIB // 256
OWN_NEED = 150 * MIB + 400 * MIB // 60 * 120


def plan(made: MadeGroups) -> MemoryPlan:
    return plan_memory(PID, STATUS, proc=made.proc, mounts=made.mounts)


@pytest.fixture(params=[1, 2])
def made(tmp_path: Path, request: pytest.FixtureRequest) -> MadeGroups:
    groups = MadeGroups(tmp_path, request.param)
    groups.machine(2**40)
    groups.place(PID, "/pod/app")
    groups.place("self", "/user")
    groups.group("/pod")
    groups.group("/pod/app")
    groups.group("/user")
    return groups


def test_without_limits_the_machine_alone_is_watched(made: MadeGroups) -> None:
    assert plan(made).clone_refusal == ""
    assert plan(made).places == [f"0:{clone_reserve(STATUS)}:0:"]


def test_a_clone_needs_room_in_every_group_above_the_target(made: MadeGroups) -> None:
    folder = made.group("/pod", limit=1000 * MIB, used=1000 * MIB - CLONE_NEED)
    allowed = plan(made)
    assert allowed.clone_refusal == ""
    assert allowed.places[0] == f"{made.version}:{allowed.reserve}:{1000 * MIB}:{folder}"
    made.group("/pod", limit=1000 * MIB, used=1001 * MIB - CLONE_NEED)
    refusal = plan(made).clone_refusal
    assert f"the memory group {folder} (limit 0.98 GiB) has 33.1 MiB left" in refusal
    assert "may take 34.1 MiB" in refusal


def test_what_can_be_rewritten_grows_with_the_threads_up_to_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    reserves = [clone_reserve({**STATUS, "Threads": str(count)}) for count in (1, 2, 4, 500)]
    assert reserves == [round(count * (BURST + 400 * MIB / 32)) for count in (1, 2, 4, 4)]
    assert clone_reserve({**STATUS, "RssAnon": "2048 kB"}) == 2 * MIB


def test_a_busy_machine_asks_for_more(made: MadeGroups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    made.group("/pod", limit=1000 * MIB, used=1000 * MIB - CLONE_NEED - 2 * WAIT)
    (made.proc / "loadavg").write_text("0.20 0.10 0.00 6/345 17\n")
    assert plan(made).clone_refusal == ""
    (made.proc / "loadavg").write_text("7.00 0.10 0.00 1/345 17\n")
    assert "may take 46.6 MiB" in plan(made).clone_refusal


@pytest.mark.parametrize(
    ("group", "own"), [("/pod/app", "/pod/app"), ("/pod", "/pod/helper"), ("/pod", "/pod")]
)
def test_heapgraph_needs_room_in_a_group_that_it_shares(
    made: MadeGroups, group: str, own: str
) -> None:
    made.group(own)
    made.place("self", own)
    folder = made.group(group, limit=2000 * MIB, used=2001 * MIB - OWN_NEED)
    with pytest.raises(CaptureInterrupted) as caught:
        plan(made)
    what, cause, hint = caught.value.parts()
    assert f"the memory group {folder} (limit 1.95 GiB) has 949 MiB left" in what
    assert "may take 950 MiB" in what
    assert "150 MiB and 120 bytes for each object" in cause
    assert f"heapgraph capture {PID} -o -" in hint
    assert "raise the limit to 1.95 GiB" in hint
    # What heapgraph has already is in what the group uses.
    made.place("self", own, "RssAnon:\t 20480 kB\n")
    assert "a clone may take" in plan(made).clone_refusal
    made.group(group, limit=2000 * MIB, used=2000 * MIB - OWN_NEED - CLONE_NEED)
    assert plan(made).clone_refusal == ""


def test_a_group_that_is_not_shared_asks_for_no_room_for_heapgraph(made: MadeGroups) -> None:
    made.group("/user", limit=MIB, used=MIB)
    made.group("/pod", limit=1000 * MIB, used=900 * MIB)
    assert plan(made).clone_refusal == ""


def test_no_clone_where_one_kill_ends_the_container(tmp_path: Path) -> None:
    made = MadeGroups(tmp_path, 2)
    made.place(PID, "/pod/app")
    made.place("self", "/user")
    made.group("/pod", memory__oom__group=1)
    made.group("/pod/app")
    assert "memory.oom.group" in plan(made).clone_refusal


def test_no_clone_where_the_limit_cannot_be_seen(made: MadeGroups) -> None:
    made.place(PID, "/../other")
    assert "another container" in plan(made).clone_refusal


def test_a_machine_without_memory(made: MadeGroups) -> None:
    made.machine(150 * MIB + CLONE_NEED - MIB)
    assert "the machine has 183 MiB of memory left" in plan(made).clone_refusal
    made.machine(149 * MIB)
    with pytest.raises(CaptureInterrupted, match="149 MiB"):
        plan(made)


def test_the_shortage_names_the_place_and_the_figures(made: MadeGroups) -> None:
    folder = made.group("/pod/app", limit=1000 * MIB, used=10)
    short = plan(made)
    what, _, hint = short.explain_shortage(0, 3 * MIB).parts()
    assert f"the memory group {folder} (limit 0.98 GiB) had 3.00 MiB left" in what
    assert "--method pause" in hint
    assert "the machine had" in short.explain_shortage(1, MIB).what


@pytest.mark.parametrize("version", [1, 2])
def test_heapgraph_is_the_first_to_go_for_the_length_of_a_block(
    tmp_path: Path, version: int
) -> None:
    made = MadeGroups(tmp_path, version)
    made.place("self", "/user")
    made.place(PID, "/app")
    score = made.proc / "self" / "oom_score_adj"
    score.write_text("-17\n")
    with first_to_go(PID, made.proc, made.mounts):
        assert score.read_text() == "1000"
    assert score.read_text() == "-17\n"


def test_it_draws_no_kill_to_a_group_that_ends_as_one(tmp_path: Path) -> None:
    made = MadeGroups(tmp_path, 2)
    made.place("self", "/pod/debug")
    made.place(PID, "/pod/app")
    for path, together in (("/pod", 1), ("/pod/app", 0), ("/pod/debug", 0)):
        made.group(path, memory__oom__group=together)
    score = made.proc / "self" / "oom_score_adj"
    score.write_text("0\n")
    with first_to_go(PID, made.proc, made.mounts):
        assert score.read_text() == "0\n"
    score.write_text("1000\n")
    with first_to_go(PID, made.proc, made.mounts):
        assert score.read_text() == "0"
    made.group("/pod", memory__oom__group=0)
    with first_to_go(PID, made.proc, made.mounts):
        assert score.read_text() == "1000"


ARENA = 0x7F0000000000
HEAP, THREAD, OTHER = "[heap]", ARENA, ARENA + 4096


def _mapping(kind: str | int, rss: int) -> Mapping:
    start = 0x1000 if kind == HEAP else int(kind)
    return Mapping(start, start + rss, "rw-p", 0, HEAP if kind == HEAP else "", rss=rss)


@pytest.mark.parametrize(
    ("kinds", "each", "clone_cost", "is_saving"),
    [
        ([HEAP], LARGE_HEAPS, 50 * MIB, True),
        ([HEAP], LARGE_HEAPS - 1, 50 * MIB, False),
        ([HEAP, THREAD, THREAD + (64 << 20)], LARGE_HEAPS // 3 + 1, 50 * MIB, True),
        ([OTHER, OTHER + (1 << 30)], LARGE_HEAPS, 50 * MIB, False),  # arenas of objects, say
        ([HEAP], LARGE_HEAPS, LARGE_HEAPS + 1, False),
    ],
)
def test_heaps_of_malloc_are_copied_where_a_clone_costs_more(
    kinds: list[str | int], each: int, clone_cost: int, *, is_saving: bool
) -> None:
    reason = copy_saving(
        [_mapping(kind, each) for kind in kinds], MemoryPlan("", [], [], 0, clone_cost)
    )
    assert bool(reason) == is_saving
    if is_saving:
        assert "128 MiB for its heaps of malloc, a clone takes 50.0 MiB at most" in reason
