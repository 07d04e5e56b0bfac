"""`heapgraph tui PID`: a running process is dumped and browsed, or the dump is given up."""

from __future__ import annotations

import pytest

from helpers.interpreters import is_exhaustive
from helpers.leak_programs import leak_programs
from helpers.processes import children_of
from helpers.running_target import start_target
from helpers.terminal import Terminal, overview_is_complete

PROGRAMS = (
    "class_list",
    "connection_pool",
    "event_listeners",
    "module_cache",
    "stored_exceptions",
    "weak_dictionary",
)
"""Leak programs that need no packages and hold what leaks in ways of different kinds.

Every other one is browsed, in the long form all: test_leaks.py asks for the first suspect of each.
"""

MANY = 1_500_000


def program_of(name):
    """One of the leak programs."""
    return next(program for program in leak_programs() if program.name == name)


@pytest.mark.parametrize("name", PROGRAMS if is_exhaustive() else PROGRAMS[::2])
def test_one_keystroke_leads_from_the_overview_to_the_guilty_object(name, tmp_path):
    """Nobody needs to know where to look: enter on the first suspect is all that is pressed."""
    program = program_of(name)
    with (
        start_target(program.path) as target,
        Terminal("tui", target.pid, columns=160, lines=50, folder=tmp_path) as terminal,
    ):
        terminal.wait_for(overview_is_complete)
        terminal.press("enter", shows=lambda frame: program.is_holder(_place(frame)))
        terminal.wait_for("dominated by")
        assert terminal.quit() == 0
        target.send("grow")
        assert target.read_line() == "grew"
    assert len(list(tmp_path.glob("*.heapgraph"))) == 1


def _place(frame):
    """The last title of the first line."""
    return frame.partition("\n")[0].rpartition(" > ")[2]


@pytest.fixture(scope="module")
def large():
    """A process whose dump takes long enough to be given up."""
    with start_target("large_heap.py", MANY) as target:
        yield target


@pytest.mark.parametrize(
    ("phase", "key"), [("opening", "esc"), ("read objects", "esc"), ("write", "q")]
)
def test_a_dump_given_up_leaves_the_target_and_the_folder_alone(large, tmp_path, phase, key):
    with Terminal("tui", large.pid, folder=tmp_path) as terminal:
        terminal.wait_for(lambda frame: f"process {large.pid}" in frame and phase in frame)
        terminal.press(key)
        assert terminal.wait_for_end() == 0
        assert "Traceback" not in terminal.frame
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []
    assert children_of(large.pid) == []
    large.send("are you there?")
    assert large.read_line() == f"here {MANY}"


def test_while_a_process_is_dumped_its_progress_is_shown(large, tmp_path):
    with Terminal("tui", large.pid, folder=tmp_path) as terminal:
        terminal.wait_for(f"process {large.pid}: opening")
        terminal.wait_for("esc stop")
        terminal.wait_for(overview_is_complete)
        assert "__main__.OBJECTS" in terminal.frame
        assert terminal.quit() == 0
        assert b"wrote" in terminal.raw
    assert [path.suffix for path in tmp_path.iterdir() if path.name != "cache"] == [".heapgraph"]
