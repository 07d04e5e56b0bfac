"""How a command ends: what it printed is out, what it registered is called, nothing is searched."""

from __future__ import annotations

import sys

import pytest

from helpers.cli import run_process

PROGRAM = """
import atexit
import sys
from heapgraph.__main__ import main

class Ring:
    def __init__(self):
        self.itself = self

    def __del__(self):
        print("searched", file=sys.stderr)

atexit.register(print, "ended", file=sys.stderr)
Ring()
sys.argv = ["heapgraph", {argument!r}]
{call}
"""


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("no-such-command", 2)])
def test_a_command_ends_without_a_search_for_cycles(argument, code):
    """Python looks through all objects at its end, which took as long as a quick answer."""
    completed = run_process(code=PROGRAM.format(argument=argument, call="main()"))
    assert completed.returncode == code, completed.stderr
    assert completed.stderr.endswith("ended\n")
    assert "searched" not in completed.stderr
    assert ("heapgraph" in completed.stdout) == (code == 0)


def test_the_end_of_another_program_searches():
    """Else the test above could not fail."""
    completed = run_process(code=PROGRAM.format(argument="", call=""))
    assert completed.stderr.endswith("searched\n"), sys.version
