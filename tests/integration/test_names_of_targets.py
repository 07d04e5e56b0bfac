"""What is printed of programs that do not leak, or leak without a holder, is accepted as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.suspects import find_suspects
from helpers.live_graphs import dump_graph
from helpers.printed_names import misread, printed_by_questions
from helpers.running_target import start_target
from helpers.turns import in_turn

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter

KEPT = ("interactive_session", "interactive_chain", "remembered_error", "remembered_context")
PROGRAMS = (
    *(f"kept_exceptions.py {name}" for name in (*KEPT, "two_large_variables", "notebook")),
    *(f"leak_kinds.py {name}" for name in ("dead_pages", "dead_frames", "lost_texts")),
    *("standing.py", "views_of_buffers.py", "keys_as_values.py"),
    *("threads_and_tasks.py", "kinds.py", "three_kinds_of_tables.py"),
)


@pytest.mark.parametrize(("program", "interpreter"), in_turn(PROGRAMS))
def test_what_is_printed_of_it_is_accepted(
    program: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    with start_target(*program.split(), python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    printed = printed_by_questions(graph, find_suspects(graph).suspects)
    assert printed
    assert not misread(graph, printed)
