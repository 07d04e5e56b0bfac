"""`make demo`: what a newcomer types first, and types again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot of Graphviz is missing")
def test_the_demonstration_runs_again_over_what_it_has_written(tmp_path: Path):
    """Given the output of an earlier run, the next one ends well, with a snapshot and a picture."""
    command = ["bash", str(ROOT / "scripts/demo.sh"), str(Path(sys.executable).parent), "output"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    written = sorted(path.name for path in (tmp_path / "output").iterdir())
    assert written == ["chain.svg", "http_response.heapgraph"]
