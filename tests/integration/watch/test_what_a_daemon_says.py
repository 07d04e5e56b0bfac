"""What a daemon says of itself on standard error: at its start, and last."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from helpers.daemon_settings import write_settings
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

HTTP = '[http]\nlisten = "unix:{folder}/s"\n'


def run_until_ready(settings: Path, number: signal.Signals, *options: str) -> tuple[str, str, int]:
    """What a daemon that is ended once it watches wrote to both streams."""
    command = [sys.executable, "-P", "-m", "heapgraph", "watch", "--config", str(settings)]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.endswith(" ready\n"):
                break
        process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return said + rest, errors, process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_at_once_what_it_has_and_last_what_ended_it(tmp_path: Path, number: signal.Signals):
    marker = f"says-{uuid.uuid4().hex}"
    settings = write_settings(tmp_path, marker, more=HTTP, warm_up="1h", do=())
    with start_target("collector_counts.py", marker):
        said, errors, code = run_until_ready(settings, number)
    assert code == 0
    lines = [line.partition(" ")[2] for line in errors.splitlines()]
    assert lines == [
        "watching: web",
        "rules: too-large",
        f"store: {tmp_path}/store; audit: {tmp_path}/audit",
        f"listen: unix:{tmp_path}/s",
        f"ended by {number.name}; the next one goes on from {tmp_path}/store",
    ]
    assert "rules: too-large" not in said


def test_a_dry_run_says_that_it_writes_nothing(tmp_path: Path):
    settings = write_settings(tmp_path, f"says-{uuid.uuid4().hex}")
    said, errors, code = run_until_ready(settings, signal.SIGTERM, "--dry-run")
    assert code == 0
    assert "no process of these targets is there now: web" in said
    lines = [line.partition(" ")[2] for line in errors.splitlines()]
    assert lines[2:] == [
        "store: none in a dry run; nothing is written, told or served",
        "ended by SIGTERM",
    ]
