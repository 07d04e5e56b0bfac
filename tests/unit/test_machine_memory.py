"""The memory groups of a process are found where they are mounted, with all their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.machine_memory import (
    GroupMemory,
    group_is_out_of_sight,
    group_memory,
    groups_that_end_as_one,
)
from helpers.made_groups import MadeGroups

if TYPE_CHECKING:
    from pathlib import Path

PID = 7


def groups_of(made: MadeGroups) -> list[GroupMemory]:
    return group_memory(made.proc / str(PID) / "cgroup", made.mounts)


@pytest.fixture(params=[1, 2])
def made(tmp_path: Path, request: pytest.FixtureRequest) -> MadeGroups:
    groups = MadeGroups(tmp_path, request.param)
    groups.place(PID, "/a/b")
    return groups


def test_every_group_with_a_limit_counts_and_those_without_do_not(made: MadeGroups) -> None:
    made.group("/", limit=None, used=5000)
    upper = made.group("/a", limit=1000, used=800, cache=100)
    made.group("/a/b", limit=None, used=500)
    (one,) = groups_of(made)
    assert one == GroupMemory(upper, made.version, 1000, 800, 100)
    assert one.left == 300


def test_pages_that_must_be_written_first_are_not_free(made: MadeGroups) -> None:
    prefix = "total_" if made.version == 1 else "file_"
    stat = f"{prefix}dirty 30\n{prefix}writeback 20"
    made.group("/a", limit=1000, used=900, cache=90, stat=stat)
    made.group("/a/b")
    assert groups_of(made)[0].left == 140


def test_a_group_over_its_limit_has_nothing_left(made: MadeGroups) -> None:
    made.group("/a/b", limit=1000, used=1200)
    assert [one.left for one in groups_of(made)] == [0]


def test_a_process_that_is_gone_and_groups_that_are_not_mounted(made: MadeGroups) -> None:
    made.group("/a/b", limit=1000, used=10)
    assert group_memory(made.proc / "8" / "cgroup", made.mounts) == []
    made.mounts.write_text("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n")
    assert groups_of(made) == []


def test_above_high_the_kernel_slows_a_group_down(tmp_path: Path) -> None:
    made = MadeGroups(tmp_path, 2)
    made.place(PID, "/a")
    made.group("/a", limit=1000, used=700, memory__high=800)
    assert [(one.limit, one.left) for one in groups_of(made)] == [(800, 100)]


def test_what_is_swapped_out_counts_where_both_are_limited(tmp_path: Path) -> None:
    made = MadeGroups(tmp_path, 1)
    made.place(PID, "/a")
    swap = {"memory__memsw__limit_in_bytes": 1100, "memory__memsw__usage_in_bytes": 1050}
    made.group("/a", limit=1000, used=700, **swap)
    assert [one.left for one in groups_of(made)] == [50]


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_sees_its_own_group_at_the_top(tmp_path: Path, version: int) -> None:
    """The path in /proc is that of the host, and is not found below the folder of the mount."""
    made = MadeGroups(tmp_path, version, top="/docker/abc", place="a folder")
    made.place(PID, "/docker/abc")
    folder = made.group("/docker/abc", limit=1000, used=900)
    assert [(one.folder, one.left) for one in groups_of(made)] == [(folder, 100)]


def test_a_limit_above_the_container_is_told_by_the_first_version(tmp_path: Path) -> None:
    made = MadeGroups(tmp_path, 1, top="/pod/abc")
    made.place(PID, "/pod/abc")
    made.group("/pod/abc", limit=None, used=900, stat="hierarchical_memory_limit 1000")
    assert [one.left for one in groups_of(made)] == [100]


def test_another_container_is_out_of_sight(tmp_path: Path) -> None:
    made = MadeGroups(tmp_path, 2)
    made.place(PID, "/../other")
    made.group("/", limit=1000)
    made.group("/other", limit=1000)
    assert groups_of(made) == []
    assert group_is_out_of_sight(made.proc / str(PID) / "cgroup", made.mounts)


@pytest.mark.parametrize("version", [1, 2])
def test_a_sibling_of_the_group_at_the_top_is_out_of_sight(tmp_path: Path, version: int) -> None:
    made = MadeGroups(tmp_path, version, top="/docker/abc")
    for path, hidden in (("/docker/abc", False), ("/docker/abc/x", False), ("/docker/def", True)):
        made.place(PID, path)
        group = made.proc / str(PID) / "cgroup"
        assert group_is_out_of_sight(group, made.mounts) is hidden
    made.mounts.write_text("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n")
    assert not group_is_out_of_sight(group, made.mounts)


def test_groups_that_end_as_one_are_found_without_a_limit(tmp_path: Path) -> None:
    made = MadeGroups(tmp_path, 2)
    made.place(PID, "/pod/abc")
    made.group("/pod", memory__oom__group=0)
    folder = made.group("/pod/abc", memory__oom__group=1)
    assert groups_that_end_as_one(made.proc / str(PID) / "cgroup", made.mounts) == [folder]
