"""The text that names a target is in the command lines of those who ask about it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from heapgraph.watch.sampling.discovery import matching, processes
from heapgraph.watch.settings.model import TargetSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITS = "print('ready', flush=True); input()"


@contextmanager
def process_called(name: str, text: str) -> Iterator[int]:
    """A Python that waits, whose command line begins with a name and has a text in it."""
    with subprocess.Popen(
        [name, "-c", WAITS, text],
        executable=sys.executable,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("name", "is_found"),
    [
        ("python", True),
        ("/srv/heapgraph/bin/python", True),
        ("/srv/venv/bin/heapgraph", False),
        ("heapgraph.watch.census", False),
    ],
)
def test_no_command_of_heapgraph_is_a_worker(name: str, *, is_found: bool, tmp_path) -> None:
    text = f"shop-{tmp_path.name}-{tmp_path.parent.name}"
    with process_called(name, text) as pid:
        found = list(matching(TargetSpec(name="shop", match=text), processes()))
    assert found == ([pid] if is_found else [])
