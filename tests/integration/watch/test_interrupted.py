"""Programs that are told to end put away what they made, and print no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from helpers.cli import run_process
from helpers.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def test_a_drill_that_is_told_to_end_leaves_no_folder(tmp_path: Path):
    """Given SIGTERM while a drill runs, its folder is gone, and so is all that it started."""
    command = [sys.executable, "-P", "-m", "heapgraph", "drill", "two-daemons"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        text=True,
    )
    try:
        wait_until(lambda: any(tmp_path.glob("*/*")), "the drill has begun", 60)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_the_program_is_loaded_is_no_traceback():
    """Given SIGINT before the command line is there, the exit code says what happened."""
    code = """
import sys
class Interrupts:
    def find_spec(self, name, *_):
        if name == "heapgraph.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
from heapgraph.__main__ import main
try:
    main()
except SystemExit as end:
    print(end.code)
"""
    assert run_process(code=code).stdout == "130\n"
