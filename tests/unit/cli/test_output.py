"""Tables and progress: nothing is cut in a pipe, nothing drives the terminal."""

from __future__ import annotations

import io

import pytest

from heapgraph.cli.output import print_table
from heapgraph.cli.progress import TerminalProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_piped_table_keeps_long_cells_whole(capsys):
    long = "x" * 500
    print_table((("n", "right"), ("name", "left")), [("1", long), ("22", "[red]b[/red]")])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [" n  name", f" 1  {long}", "22  [red]b[/red]"]


def test_control_characters_of_the_target_are_written_out(capsys):
    print_table((("name", "left"),), [("\x1b[2Jgone\u202e",)])
    assert capsys.readouterr().out.splitlines()[1] == r"\x1b[2Jgone\u202e"


def test_progress_is_silent_without_a_terminal(monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    with TerminalProgress(quiet_s=0) as progress:
        progress("walking", 1, 2)
    assert stderr.getvalue() == ""


def test_progress_is_silent_for_what_is_quick(monkeypatch):
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    with TerminalProgress(quiet_s=60) as progress:
        progress("walking", 1, 2)
    assert stderr.getvalue() == ""


@pytest.mark.parametrize("total", [0, 4])
def test_progress_appears_by_itself_during_a_long_phase(monkeypatch, total):
    monkeypatch.setenv("TERM", "xterm")
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    with TerminalProgress(quiet_s=0.01) as progress:
        progress("walking the heap", 1, total)
        progress._timer.join(timeout=10)  # other tests may have left timers of their own
    assert "walking the heap" in stderr.getvalue()
