"""What a dump tells of what it could not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapgraph.capture.dump import dump
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

DEEP = """
import sys
sys.setrecursionlimit(50_000)
def descend(left):
    if left:
        return descend(left - 1)
    print("ready", flush=True)
    sys.stdin.read()
descend(11_000)
"""


def test_a_dump_says_which_frames_were_left_out(tmp_path: Path) -> None:
    """Given a stack deeper than is read, the dump has the rest of the heap, and says so."""
    program = tmp_path / "deep.py"
    program.write_text(DEEP)
    with start_target(program) as target:
        result = dump(target.pid, tmp_path / "deep.heapgraph")
    assert [note for note in result.notes if "only the innermost" in note]
