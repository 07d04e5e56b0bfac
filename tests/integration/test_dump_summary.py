"""What `dump` says of the snapshot it has written: the biggest holders, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.cli import invoke
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

STREAMS = """
import sys, zlib
STREAMS = [zlib.compressobj(9) for _ in range(60)]
for stream in STREAMS:
    stream.compress(b"text" * 10_000)
print("ready", flush=True)
sys.stdin.read()
"""
PLAIN = """
import sys
ROWS = [str(number) * 9 for number in range(200_000)]
print("ready", flush=True)
sys.stdin.read()
"""


def dumped(program: Path | str, folder: Path) -> tuple[str, list[str]]:
    """The snapshot, and the lines of the summary."""
    path = str(folder / "summary.heapgraph")
    with start_target(program) as target:
        outcome = invoke("dump", target.pid, "-o", path)
    assert outcome.code == 0, outcome.stderr
    return path, outcome.stdout.splitlines()


def written(folder: Path, text: str) -> Path:
    program = folder / "program.py"
    program.write_text(text)
    return program


def test_the_biggest_holders_say_what_they_are_ranked_by(tmp_path: Path) -> None:
    """Given streams with memory of zlib's own, the table has it beside the exact sizes."""
    path, lines = dumped(written(tmp_path, STREAMS), tmp_path)
    header, first, *_ = lines[lines.index("biggest holders") + 1 :]
    assert header.split()[2:4] == ["native", "(estimate)"]
    assert first.split()[-1] == "__main__.STREAMS"
    assert "MiB" in first.partition("%")[2]
    assert lines[-1] == f"next: heapgraph suspects {path}"


def test_without_native_memory_there_is_no_column_of_it(tmp_path: Path) -> None:
    path, lines = dumped(written(tmp_path, PLAIN), tmp_path)
    assert "native" not in lines[lines.index("biggest holders") + 1]
    assert lines[-1] == f"next: heapgraph suspects {path}"


def test_of_a_fragmented_heap_the_memory_is_looked_at_next(tmp_path: Path) -> None:
    """Given little besides free blocks, then what the memory is says more than any object."""
    path, lines = dumped("memory_fragmented.py", tmp_path)
    assert lines[-1] == f"next: heapgraph memory {path}"


def test_of_native_memory_of_no_object_the_memory_is_looked_at_next(tmp_path: Path) -> None:
    """Also by `suspects`, which has none to show."""
    path, lines = dumped("memory_native.py", tmp_path)
    assert lines[-1] == f"next: heapgraph memory {path}"
    found = invoke("suspects", path)
    assert found.stdout == f"next: heapgraph memory {path}\n"
    assert "most of the resident memory is no object's: native memory" in found.stderr
