"""The line tables of every version, against the lines that version reads from them itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.cpython.layouts import layout_for
from heapgraph.capture.cpython.line_tables import line_decoder
from helpers.interpreters import each_interpreter
from helpers.running_target import start_target

if TYPE_CHECKING:
    from helpers.interpreters import Interpreter


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_lines_are_the_ones_the_interpreter_reads_itself(interpreter: Interpreter) -> None:
    with start_target("roots_line_tables.py", python=interpreter.path) as process:
        said = json.loads(process.ready)
    decode = line_decoder(layout_for(interpreter.version).kinds.line_table)
    wrong = [
        (first_line, offset, line)
        for table, first_line, lines in said
        for offset, line in lines
        if decode(bytes.fromhex(table), first_line, offset) != line
    ]
    assert wrong == []
    assert sum(len(lines) for _, _, lines in said) > 3000
