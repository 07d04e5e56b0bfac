"""What a daemon has started ends with it, also when it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from heapgraph.watch.tied import tied
from helpers.processes import state_of, wait_until

PARENT = """
import subprocess, sys
from heapgraph.watch.tied import tied
command = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
child = subprocess.Popen(tied(command), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_child_ends_with_a_parent_that_is_killed():
    """Given SIGKILL of the parent, its child gets SIGTERM and ends."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            assert state_of(child) in ("R", "S")
        finally:
            parent.kill()
    wait_until(lambda: state_of(child) in ("", "Z"), "the child has ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_tied_program_is_the_process_that_was_started(number: signal.Signals):
    """Given a tied command, its exit code and output are those of the program."""
    script = "import os, sys; print(os.getpid()); sys.exit(7)"
    with subprocess.Popen(
        tied([sys.executable, "-c", script], number), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == process.pid
    assert process.returncode == 7


def test_a_parent_that_has_ended_before_starts_nothing():
    """Given a parent that is another process than the one named, the program is not begun."""
    command = tied([sys.executable, "-c", "print('begun')"])
    command[4] = "1"
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (1, "")
