"""Every expression that is printed names its object; what is plain Python does so in the target."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from heapgraph.analysis.expressions import expression, resolve
from heapgraph.analysis.expressions.attributes import module_entries
from heapgraph.analysis.expressions.segments import edges_of
from heapgraph.analysis.paths import paths_to
from heapgraph.analysis.suspects import find_suspects
from heapgraph.analysis.threads import list_threads
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT
from helpers.interpreters import each_interpreter, some_interpreters
from helpers.leak_programs import ask_live, leak_programs
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target

ASKED, MOST, MIN_PLAIN = 60, 250, 40
_TEXT = re.compile(r"b?'(?:[^'\\]|\\.)*'|b?\"(?:[^\"\\]|\\.)*\"")


def is_python(text: str) -> bool:
    """Whether nothing of it is `<...>`, and no thread is named."""
    bare = _TEXT.sub("", text)
    # The dict of a class is behind a proxy, made anew each time.
    return "<" not in bare and "(thread " not in bare and not bare.endswith(".__dict__")


def some_objects(graph, count: int) -> list[int]:
    """Reachable objects, the same in each run of the test for the same heap."""
    reached = np.flatnonzero(graph.root_paths.parent != UNREACHABLE).tolist()
    return random.Random(7).sample(reached, min(count, len(reached)))


def below_globals(graph) -> list[int]:
    """Objects that the program's constants lead to, the nearest first, each once."""
    entries = module_entries(graph, resolve(graph, "__main__"))
    found = {target: None for name, target in entries.items() if name.isupper()}
    waiting = list(found)
    for each in waiting:
        if len(found) > 2 * MOST or graph.type_name(each) in ("type", "module"):
            continue
        new = [int(graph.targets[edge]) for edge in edges_of(graph, each)]
        new = [target for target in new if target not in found]
        found.update(dict.fromkeys(new))
        waiting += new
    return list(found)


def misread(graph, printed: list[tuple[str, int]]) -> list[str]:
    """Expressions that do not lead back to their objects, with why."""
    wrong = []
    for text, meant in printed:
        try:
            found = resolve(graph, text)
        except Exception as failure:  # noqa: BLE001 - whatever happens is the finding
            wrong.append(f"{text}: {failure}")
        else:
            wrong += [] if found == meant else [f"{text}: @{found}, not @{meant}"]
    return wrong


def printed_by_questions(graph, suspects) -> list[tuple[str, int]]:
    """What suspects, dominators, path and threads print, with the objects that are meant."""
    printed = []
    for suspect in suspects:
        point = suspect.accumulation_point
        if point is not None:
            printed.append((point.expression, point.id))
        if suspect.path is not None:
            printed.append((suspect.path.expression, suspect.path.steps[-1].id))
    largest = graph.folded.children(VIRTUAL_ROOT, 30)
    asked = [*largest, *some_objects(graph, ASKED)]
    printed += [(expression(graph, each), each) for each in asked]
    rows = paths_to(graph, objects=[int(largest[0])], count=5).paths
    printed += [(row.expression, row.steps[-1].id) for row in rows]
    threads = list_threads(graph, limit=20, suspended=True)
    printed += [(task.expression, task.id) for task in threads.tasks]
    printed += [(row.expression, row.largest) for row in threads.suspended]
    return printed


def parameter(program):
    """A program as a parameter; without its packages it cannot run, and says so."""
    missing = ", ".join(program.missing)
    marks = [pytest.mark.skip(reason=f"needs {missing}: pip install {missing}")] if missing else []
    return pytest.param(program, id=program.name, marks=marks)


@pytest.mark.parametrize("program", [parameter(each) for each in leak_programs()])
def test_what_is_printed_of_a_leaking_program_is_accepted(program, tmp_path):
    answer = ask_live(program, tmp_path)
    assert not misread(answer.graph, printed_by_questions(answer.graph, answer.suspects))


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_what_is_plain_python_names_the_same_object_in_the_target(interpreter, tmp_path):
    """Every object below __main__; all others are read back in the snapshot only.

    Classes of the standard library compute some of their attributes (`__signature__` of an enum,
    `__annotations__` from a tuple), which no snapshot can tell from those that are there.
    """
    with start_target("names_of_all_kinds.py", python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "names.heapgraph")
        own = below_globals(graph)[:MOST]
        asked = [(expression(graph, each), each) for each in own + some_objects(graph, ASKED)]
        assert not misread(graph, asked)
        plain = [(text, each) for text, each in asked[: len(own)] if is_python(text)]
        assert len(plain) > MIN_PLAIN
        wrong = []
        for text, each in plain:
            target.send(text)
            answer = target.read_line()
            if answer != str(int(graph.addresses[each])):
                wrong.append(f"{text}: {answer}")
        assert not wrong, (len(wrong), len(plain), wrong[:20])


@pytest.mark.parametrize("interpreter", some_interpreters(8, 11, 14))
def test_a_table_of_a_library_is_named_by_the_module_that_defines_it(interpreter, tmp_path):
    """And not by way of a module that only has a logger, such as concurrent.futures."""
    with start_target("leak_kinds.py", "loggers_beside_data", python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "names.heapgraph")
    first = find_suspects(graph).suspects[0]
    assert first.expression == "logging.Logger.manager.loggerDict"
    assert "It is held by the module logging (the standard library" in first.reason
    loggers = graph.objects_of_type("logging.Logger").tolist()
    held = {reference.target for reference in graph.referents(resolve(graph, first.expression))}
    assert len(held.intersection(loggers)) > MIN_PLAIN


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_each_way_of_python_is_written(interpreter, tmp_path):
    with start_target("names_of_all_kinds.py", python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "names.heapgraph")
        for text in (
            "__main__.POINT.payload",
            "__main__.GENERATOR.gi_frame.f_locals['rows'][1]",
            "__main__.COROUTINE.cr_await.cr_frame.f_locals['reply']",
            "__main__.ERROR.__traceback__.tb_next.tb_frame.f_locals['payload']",
            "inspect.getclosurevars(__main__.CLOSURE).nonlocals['rows']",
            "__main__.CHAIN.following.rows",
        ):
            target.send(text)
            address = int(target.read_line())
            assert resolve(graph, text) == graph.find_address(address)
            written = expression(graph, graph.find_address(address))
            assert written == text or written.startswith("list("), written
