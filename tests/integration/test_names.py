"""Every expression that is printed names its object; what is plain Python does so in the target."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.expressions import expression, resolve
from heapgraph.analysis.expressions.attributes import module_entries
from heapgraph.analysis.expressions.segments import edges_of
from heapgraph.analysis.suspects import find_suspects
from helpers.interpreters import each_interpreter, some_interpreters
from helpers.live_graphs import dump_graph
from helpers.printed_names import misread, some_objects
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.graph.heap_graph import HeapGraph
    from helpers.running_target import RunningTarget

MOST, MIN_PLAIN = 250, 40
_TEXT = re.compile(r"b?'(?:[^'\\]|\\.)*'|b?\"(?:[^\"\\]|\\.)*\"")


def is_python(text: str) -> bool:
    """Whether nothing of it is `<...>`, and no thread is named."""
    bare = _TEXT.sub("", text)
    # The dict of a class is behind a proxy, made anew each time.
    return "<" not in bare and "(thread " not in bare and not bare.endswith(".__dict__")


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


@pytest.fixture(scope="module", params=each_interpreter())
def named(request, tmp_path_factory) -> Iterator[tuple[RunningTarget, HeapGraph]]:
    """One program of each Python, which answers on its pipes, and its snapshot."""
    with start_target("names_of_all_kinds.py", python=request.param.path) as target:
        yield target, dump_graph(target, tmp_path_factory.mktemp("names") / "names.heapgraph")


def test_what_is_plain_python_names_the_same_object_in_the_target(named):
    """Every object below __main__; all others are read back in the snapshot only.

    Classes of the standard library compute some of their attributes (`__signature__` of an enum,
    `__annotations__` from a tuple), which no snapshot can tell from those that are there.
    """
    target, graph = named
    own = below_globals(graph)[:MOST]
    asked = [(expression(graph, each), each) for each in own + some_objects(graph)]
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


def test_each_way_of_python_is_written(named):
    target, graph = named
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
