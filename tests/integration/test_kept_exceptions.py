"""Who keeps an exception is the suspect, not the variable of the function that has ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.analysis.suspects import find_suspects
from helpers.interpreters import Interpreter, each_interpreter, some_interpreters
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target
from helpers.turns import by_turns

if TYPE_CHECKING:
    from pathlib import Path

    from heapgraph.graph.heap_graph import HeapGraph

IN_ROWS = (
    r"most of it in `rows` of query\(\) at kept_exceptions\.py:\d+: 1\d\.\d MiB, "
    r"a list of 20,000 lists"
)
SESSION = r"A known pattern: the last exception of an interactive session\..* del sys\.last_value"
ANY = r"A known pattern: an exception that is kept with its traceback\."

PROGRAMS = {
    "interactive_session": (
        r"sys\.last_traceback",
        (IN_ROWS, r"also reached as sys\.last_value\.__traceback__, which must let go", SESSION),
    ),
    "interactive_chain": (r"sys\.last_value", (IN_ROWS, SESSION)),
    "remembered_error": (r"__main__\.CLIENT\.error", (r"\(KeyError\) keeps", IN_ROWS, ANY)),
    "remembered_context": (r"__main__\.CLIENT\.error", (r"\(__main__\.Gone\) keeps", IN_ROWS, ANY)),
    "two_large_variables": (
        r"__main__\.CLIENT\.error",
        (r"(most|largest part) of it in `(ours|theirs)` of \S*compare\(\)", ANY),
    ),
}
"""Expression of the only suspect, and what its reason has."""


def graph_of(name: str, interpreter: Interpreter, folder: Path) -> HeapGraph:
    with start_target("kept_exceptions.py", name, python=interpreter.path) as target:
        return dump_graph(target, folder / "x.heapgraph")


@pytest.mark.parametrize(("name", "interpreter"), by_turns(PROGRAMS, share=2))
def test_the_only_suspect_is_what_keeps_the_exception(
    name: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    graph = graph_of(name, interpreter, tmp_path)
    (suspect,) = find_suspects(graph).suspects
    expression, reasons = PROGRAMS[name]
    assert suspect.kind == "exception"
    assert re.fullmatch(expression, suspect.expression)
    for reason in reasons:
        assert re.search(reason, suspect.reason), suspect.reason
    keeper = resolve(graph, suspect.expression)
    assert suspect.retained_size == graph.folded.retained_size(keeper)
    assert suspect.accumulation_point is not None
    assert graph.dominators.dominates(keeper, suspect.accumulation_point.id)


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_a_variable_of_a_running_function_is_its_own(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    answer = find_suspects(graph_of("being_handled", interpreter, tmp_path))
    (suspect,) = (*answer.suspects, *answer.steady)
    assert suspect.kind == "container"
    assert re.fullmatch(r"<.* being_handled\(\) at .*> rows", suspect.expression)


@pytest.mark.parametrize("interpreter", some_interpreters())
def test_results_of_cells_are_one_suspect(interpreter: Interpreter, tmp_path: Path) -> None:
    """But for the one that has a name of its own, which goes on when `Out` is emptied."""
    graph = graph_of("notebook", interpreter, tmp_path)
    answer = find_suspects(graph)
    found = {one.expression: one for one in (*answer.suspects, *answer.steady)}
    table = "__main__.Out" if "__main__.Out" in found else "__main__._oh"
    assert found.keys() == {table, "__main__.summary.rows"}
    notebook = found[table]
    assert "2 objects of type __main__.Shown" in notebook.reason
    assert "results kept by the notebook" in notebook.reason
