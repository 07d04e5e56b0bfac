"""One group, whichever way it is named: its folder, its path in /proc/PID/cgroup, its unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.errors import UsageError
from heapgraph.watch.settings.group_paths import memberships_of, wanted_group

if TYPE_CHECKING:
    from pathlib import Path

VERSION_1 = """\
25 20 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
27 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
28 25 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
VERSION_2 = "26 25 0:23 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
INSIDE = "26 25 0:23 /pods/a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

OF_VERSION_1 = "9:memory:/shop/web\n8:cpu,cpuacct:/other\n0::/system.slice/shop.service\n"
OF_VERSION_2 = "0::/system.slice/shop.service\n"


def is_in(mounted: str, given: str, process: str, folder: Path) -> bool:
    mounts = folder / "mountinfo"
    mounts.write_text(mounted)
    return wanted_group(given, mounts).has(memberships_of(process))


@pytest.mark.parametrize(
    ("mounted", "given", "process", "expected"),
    [
        (VERSION_1, "/sys/fs/cgroup/memory/shop", OF_VERSION_1, True),
        (VERSION_1, "/sys/fs/cgroup/memory/shop/web/", OF_VERSION_1, True),
        (VERSION_1, "/shop", OF_VERSION_1, True),
        (VERSION_1, "shop/web", OF_VERSION_1, True),
        (VERSION_1, "/sys/fs/cgroup/memory/sho", OF_VERSION_1, False),
        (VERSION_1, "/sys/fs/cgroup/memory/other", OF_VERSION_1, False),
        (VERSION_1, "/sys/fs/cgroup/cpu,cpuacct/other", OF_VERSION_1, True),
        (VERSION_1, "/sys/fs/cgroup/unified/system.slice", OF_VERSION_1, True),
        (VERSION_1, "/sys/fs/cgroup/memory", OF_VERSION_1, True),
        (VERSION_1, "shop.service", OF_VERSION_1, True),
        (VERSION_2, "/sys/fs/cgroup/system.slice/shop.service", OF_VERSION_2, True),
        (VERSION_2, "/sys/fs/cgroup/system.slice", OF_VERSION_2, True),
        (VERSION_2, "/system.slice/shop.service", OF_VERSION_2, True),
        (VERSION_2, "system.slice", OF_VERSION_2, True),
        (VERSION_2, "/sys/fs/cgroup", OF_VERSION_2, True),
        (VERSION_2, "op.service", OF_VERSION_2, False),
        (VERSION_2, "/sys/fs/cgroup/shop.service", OF_VERSION_2, False),
        (INSIDE, "/sys/fs/cgroup/memory/web", "9:memory:/pods/a/web\n", True),
        (INSIDE, "/sys/fs/cgroup/memory/web", "9:memory:/web\n", False),
    ],
)
def test_a_group_is_found_by_each_of_its_names(
    tmp_path: Path, mounted: str, given: str, process: str, *, expected: bool
):
    assert is_in(mounted, given, process, tmp_path) is expected


def test_a_folder_of_no_hierarchy_is_refused_with_what_there_is(tmp_path: Path):
    """Given version 1 and a folder without its controller, the error says both ways to name it."""
    with pytest.raises(UsageError) as refusal:
        is_in(VERSION_1, "/sys/fs/cgroup/shop", OF_VERSION_1, tmp_path)
    what, cause, hint = refusal.value.parts()
    assert "/sys/fs/cgroup/shop" in what
    assert "/sys/fs/cgroup/memory" in cause
    assert "/sys/fs/cgroup/memory/shop" in hint
    assert "/proc/PID/cgroup does: /shop" in hint


def test_without_control_groups_a_folder_is_refused_and_a_path_is_not(tmp_path: Path):
    with pytest.raises(UsageError) as refusal:
        is_in("", "/sys/fs/cgroup/shop", OF_VERSION_2, tmp_path)
    assert "no hierarchy" in refusal.value.cause
    assert "/shop" in refusal.value.hint
    assert is_in("", "/system.slice", OF_VERSION_2, tmp_path)
