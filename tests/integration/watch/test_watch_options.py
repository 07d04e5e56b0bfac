"""`heapgraph watch` with a target of the command line, as somebody types it."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from helpers.memory_groups import memory_group, needs_groups
from helpers.running_target import start_target


def watch(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "heapgraph", "watch", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_groups
def test_the_workers_of_a_real_group_are_found_by_its_folder_and_its_path():
    marker = f"group-{uuid.uuid4().hex}"
    with memory_group() as group, start_target("collector_counts.py", marker) as target:
        group.enter(target.pid)
        lines = Path(f"/proc/{target.pid}/cgroup").read_text().splitlines()
        path = next(line.split(":", 2)[2] for line in lines if group.folder.name in line)
        for name in (str(group.folder), path):
            done = watch("--cgroup", name, "--once", "--json")
            assert done.returncode == 0, done.stderr
            assert [one["pid"] for one in json.loads(done.stdout)["workers"]] == [target.pid]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--cgroup", "/sys/fs/cgroup/../shop"), 'without ".."'),
        (("--unit", "a/b.service"), 'a unit is named like "web.service"'),
        (("--match", "a\nb"), "printable characters are expected"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(options: tuple[str, str], expected: str):
    done = watch(*options, "--once")
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
