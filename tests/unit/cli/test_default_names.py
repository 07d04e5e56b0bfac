"""What a snapshot is called that nobody named: never an option, never hidden, always here."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from heapgraph.cli.commands.dump import default_output

if TYPE_CHECKING:
    from pathlib import Path

WAIT = "import sys; print('ready', flush=True); sys.stdin.read()"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("service.py", "service"),
        (".hidden.py", "hidden"),
        ("..py", "python"),
        ("-rf", "rf"),
        ("--", "python"),
        ("-.-.evil\x1b]0;x\x07\u202e\n.py", "evil_0_x_"),
        ("...", "python"),
    ],
)
def test_default_name_can_be_typed_and_seen(tmp_path: Path, name: str, shown: str):
    script = tmp_path / name
    script.write_text(WAIT)
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        found = default_output(process.pid)
        process.stdin.close()
    assert re.fullmatch(rf"{re.escape(shown)}-{process.pid}-\d{{8}}-\d{{6}}\.heapgraph", str(found))


def test_default_name_of_a_process_that_ended_is_no_option():
    assert str(default_output(999_999_999)).startswith("python-999999999-")
