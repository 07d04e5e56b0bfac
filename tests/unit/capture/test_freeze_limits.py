"""What a freeze costs is predicted from the kernel's own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.freeze_limits import (
    clone_fits,
    clone_is_comfortable,
    memory_headroom,
    predict_clone_pause_s,
    predict_copy_pause_s,
    resident_bytes,
)

if TYPE_CHECKING:
    from pathlib import Path

GIB = 2**30
PID = 7


def write_group(folder: Path, version: int, limit: str, usage: int, cache: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    limit_name, usage_name, cache_name = (
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if version == 1
        else ("memory.max", "memory.current", "inactive_file")
    )
    (folder / limit_name).write_text(f"{limit}\n")
    (folder / usage_name).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{cache_name} {cache}\n")


def write_membership(proc: Path, line: str) -> None:
    (proc / str(PID)).mkdir(parents=True)
    (proc / str(PID) / "cgroup").write_text(f"12:pids:/other\n{line}\n")


@pytest.mark.parametrize(
    ("version", "line", "root"), [(1, "4:memory:/a/b", "memory"), (2, "0::/a/b", ".")]
)
def test_the_tightest_group_decides_and_cache_counts_as_free(
    tmp_path: Path, version: int, line: str, root: str
) -> None:
    # Given /a with 300 bytes left of which 100 are cache, and /a/b without a limit
    write_membership(tmp_path / "proc", line)
    base = tmp_path / "groups" / root
    write_group(base / "a", version, "1000", 800, 100)
    write_group(base / "a" / "b", version, "max", 500, 0)
    # When, Then
    assert memory_headroom(PID, groups=tmp_path / "groups", proc=tmp_path / "proc") == 300


def test_a_group_over_its_limit_has_no_headroom(tmp_path: Path) -> None:
    write_membership(tmp_path / "proc", "0::/a")
    write_group(tmp_path / "groups" / "a", 2, "1000", 1200, 50)
    assert memory_headroom(PID, groups=tmp_path / "groups", proc=tmp_path / "proc") == 0


def test_no_group_and_no_process_mean_no_limit(tmp_path: Path) -> None:
    assert memory_headroom(PID, groups=tmp_path, proc=tmp_path) is None
    write_membership(tmp_path, "0::/a")
    assert memory_headroom(PID, groups=tmp_path, proc=tmp_path) is None


def test_a_clone_needs_room_for_page_tables_and_wants_room_for_pages() -> None:
    assert clone_fits(GIB, None)
    assert clone_is_comfortable(GIB, None)
    assert not clone_fits(GIB, 2**20)
    assert clone_fits(GIB, 8 * 2**20)
    assert not clone_is_comfortable(GIB, 8 * 2**20)
    assert clone_is_comfortable(GIB, GIB // 5)


def test_predictions_grow_with_the_memory() -> None:
    assert predict_clone_pause_s(4 * GIB) == pytest.approx(0.1)
    assert predict_copy_pause_s(GIB) == pytest.approx(0.6)
    assert resident_bytes({"VmRSS": "  2048 kB"}) == 2 * 2**20
    assert resident_bytes({}) == 0
