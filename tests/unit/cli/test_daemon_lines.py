"""Lines of the daemon: whoever reads them, or does not, holds nothing up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from heapgraph.cli.watching import lines as module
from heapgraph.cli.watching.lines import MOST_WAITING, DaemonLines

if TYPE_CHECKING:
    import pytest


class Reader:
    """Takes lines in place of both streams; those of stdout once it reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads, self.asked = threading.Event(), threading.Event()
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        monkeypatch.setattr(module, "print_at_once", self._print)

    def _print(self, text: str, *, to_stderr: bool) -> None:
        if not to_stderr:
            self.asked.set()
            assert self.reads.wait(30)
        (self.stderr if to_stderr else self.stdout).append(text.partition(" ")[2])


def test_lines_that_nobody_reads_are_dropped_counted_and_said(monkeypatch: pytest.MonkeyPatch):
    reader = Reader(monkeypatch)
    with DaemonLines() as lines:
        lines.say("first")
        assert reader.asked.wait(30)
        for number in range(MOST_WAITING + 7):
            lines.say(f"line {number}")
        reader.reads.set()
    assert reader.stdout[0] == "first"
    assert reader.stdout[1:-1] == [f"line {number}" for number in range(MOST_WAITING)]
    assert reader.stdout[-1] == "7 lines were dropped here: nobody read them"
    assert reader.stderr == ["nobody reads stdout: lines are dropped; the daemon goes on"]


def test_the_end_does_not_wait_for_a_reader_for_ever(monkeypatch: pytest.MonkeyPatch):
    reader = Reader(monkeypatch)
    monkeypatch.setattr(module, "END_S", 0.05)
    with DaemonLines() as lines:
        lines.say("never read")
        assert reader.asked.wait(30)
        lines.note("ended")
    assert reader.stdout == []
    reader.reads.set()
