"""Limits, kills and pressure of control groups, as files of both versions say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.watch.sampling.group_counters import read_group_counters

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def version_2(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The file cgroup of a process, the mounts, and its group."""
    top = tmp_path / "top"
    group = top / "web.slice" / "web.service"
    group.mkdir(parents=True)
    membership = tmp_path / "cgroup"
    membership.write_text("0::/web.slice/web.service\n")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"31 23 0:28 / {top} rw - cgroup2 cgroup rw\n")
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("700\n")
    (group.parent / "memory.max").write_text("1000\n")
    (group.parent / "memory.current").write_text("900\n")
    (group.parent / "memory.stat").write_text("inactive_file 100\nfile_dirty 0\n")
    return membership, mounts, group


def test_the_tightest_group_above_counts(version_2: tuple[Path, Path, Path]):
    """Given a limit above the group of the process, use without droppable pages is against it."""
    membership, mounts, group = version_2
    counters = read_group_counters(membership, mounts)
    assert counters.folder == group.parent
    assert counters.values() == {
        "cgroup_bytes": 800.0,
        "cgroup_limit_bytes": 1000.0,
        "cgroup_ratio": 0.8,
    }


def test_pressure_and_kills(version_2: tuple[Path, Path, Path]):
    membership, mounts, group = version_2
    (group / "memory.pressure").write_text(
        "some avg10=12.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 total=0\n"
    )
    (group.parent / "memory.events").write_text("low 0\noom 4\noom_kill 3\n")
    counters = read_group_counters(membership, mounts)
    assert counters.pressure == 0.125
    assert counters.oom_kills == 3


@pytest.mark.parametrize("text", ["", "some avg10=\n", "some avg10=x\n", "full avg10=1\n"])
def test_what_cannot_be_read_is_unknown_and_not_zero(version_2: tuple[Path, Path, Path], text: str):
    membership, mounts, group = version_2
    (group / "memory.pressure").write_text(text)
    counters = read_group_counters(membership, mounts)
    assert counters.pressure is None
    assert counters.oom_kills is None
    assert "psi_some" not in counters.values()


def test_without_a_limit_nothing_is_said_of_one(tmp_path: Path):
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "mountinfo").write_text("")
    assert read_group_counters(tmp_path / "cgroup", tmp_path / "mountinfo").values() == {}
