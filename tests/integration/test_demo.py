"""`make demo`: what a newcomer types first, and types again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (
    (ROOT / "README.md").read_text().partition("    $ python ")[2].partition("    make test")[0]
)
"""The part that shows what the demonstration prints."""

COLUMNS = ("retained ", "id ")
"""How the lines begin that name the columns of its tables."""


def headings(text: str) -> set[tuple[str, ...]]:
    """The names of the columns of each table."""
    lines = [line.strip() for line in text.splitlines()]
    return {tuple(line.split()) for line in lines if line.startswith(COLUMNS)}


def test_the_readme_has_tables_of_the_demonstration() -> None:
    """Given its text, then what the next test compares is there: holders, dominators, a path."""
    assert len(headings(README)) == 3


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot of Graphviz is missing")
def test_the_demonstration_runs_again_over_what_it_has_written(tmp_path: Path):
    """Given the output of an earlier run, the next one ends well, with a snapshot and a picture;
    the tables have the columns that the README shows."""
    command = ["bash", str(ROOT / "scripts/demo.sh"), str(Path(sys.executable).parent), "output"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert headings(README) <= headings(done.stdout)
    written = sorted(path.name for path in (tmp_path / "output").iterdir())
    assert written == ["chain.svg", "http_response.heapgraph"]
