"""`heapgraph watch` with a target of the command line, as somebody types it."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from helpers.cli import invoke
from helpers.daemon_settings import write_settings
from helpers.memory_groups import memory_group, needs_groups
from helpers.running_target import start_target
from helpers.watching import running_daemon

PID_TARGET = ', {{ name = "cat", pid = {} }}'


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


def ended_pid() -> int:
    """A pid that no process has any more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize("command", ["watch", "top"])
def test_a_pid_that_no_process_has_ends_with_the_reason(command: str):
    pid = ended_pid()
    done = invoke(command, pid)
    assert done.code == 3
    assert done.error[0] == f"no process with pid {pid}"
    assert done.error[2]


NO_FULL_COLLECTION = """
import gc, sys
gc.disable()
print("ready", flush=True)
sys.stdin.read()
"""


def test_top_says_why_it_does_not_know_the_tracked_objects(tmp_path: Path):
    """Given a program without a full collection, the question mark has a footnote, once."""
    program = tmp_path / "quiet.py"
    program.write_text(NO_FULL_COLLECTION)
    with start_target(program) as target:
        done = invoke("top", target.pid, "--count", "2", "--interval", "0.1")
        document = invoke("top", target.pid, "--count", "1", "--json")
    assert done.code == 0
    assert done.stdout.splitlines()[-1].split().count("?") == 1
    assert done.stderr.count("tracked ?: counted at a full collection, and there was none yet") == 1
    assert document.stderr == ""


@pytest.mark.parametrize("options", [(), ("--once",), ("--dry-run",)])
def test_a_pid_that_is_no_python_ends_with_the_reason(options: tuple[str, ...]):
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as other:
        try:
            done = invoke("watch", other.pid, *options)
        finally:
            other.kill()
    assert done.code == 3
    assert "not a Python process" in done.error[0]
    assert len(done.error) == 3


def test_a_target_of_the_settings_that_cannot_be_watched_is_named_with_the_reason(tmp_path: Path):
    """Given settings, the other targets are watched all the same."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as other:
        try:
            settings = write_settings(
                tmp_path, f"none-{uuid.uuid4().hex}", more_targets=PID_TARGET.format(other.pid)
            )
            with running_daemon(settings, "--dry-run") as daemon:
                daemon.wait_for("no process of these targets is there now: web, cat")
                line = daemon.wait_for(f"not watched: process {other.pid}: ")
        finally:
            other.kill()
    assert "not a Python process" in line


def test_one_look_that_finds_nobody_is_no_success():
    marker = f"nobody-{uuid.uuid4().hex}"
    done = watch("--match", marker, "--once", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout) == {"workers": [], "refused": {}}
    assert "no worker matched matched: " in done.stderr
    assert marker in done.stderr


def test_one_look_names_the_targets_that_nobody_matched(tmp_path: Path):
    marker, nobody = (f"look-{uuid.uuid4().hex}" for _ in range(2))
    more = f', {{ name = "jobs", match = "{nobody}" }}'
    settings = write_settings(tmp_path, marker, more_targets=more)
    with start_target("collector_counts.py", marker) as target:
        done = watch("--config", str(settings), "--once")
    assert done.returncode == 0, done.stderr
    assert str(target.pid) in done.stdout
    assert (
        f'no worker matched jobs: processes whose command line contains "{nobody}"' in done.stderr
    )
