"""Small programs, one for each kind of leak and of innocence: the first suspect says what it is."""

from __future__ import annotations

import os
import re
from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.analysis.suspects import find_suspects
from helpers.interpreters import Interpreter, each_interpreter, some_interpreters
from helpers.live_graphs import dump_graph
from helpers.packages import EACH_SHAPE, each_with_packages
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from _pytest.mark.structures import ParameterSet

KINDS = {
    "nested_containers": (
        r"__main__\.STORE\.shards",
        r"16 dicts with 4,000 lists, 2\.\d+ KiB each",
    ),
    "slow_reader": (
        r"__main__\.STORE\.slow",
        r"(2,9\d\d|3,000) objects of type dict.*itertools\.tee that nobody reads",
    ),
    "finalizers": (
        r"weakref\.finalize\._registry",
        r"5,00\d finalizers that call (Topic\.)?drop \(leak_kinds.py:\d+\) when `__main__.meas",
    ),
    "callbacks_in_records": (
        r"__main__\.STORE\.hooks",
        r"2,000 objects of type dict, each with (\S+\.)?changed \(leak_kinds.py:\d+\).*callbacks",
    ),
    "wrapped_functions": (
        r"__main__\.Mailer\.(__dict__\['send'\]|send)",
        r"a function that is wrapped again and again",
    ),
    "modules_of_plugins": (
        r"sys\.modules",
        r"600 modules plugin_0000 \.\.\. plugin_0599.*loaded under new names",
    ),
    "many_references": (
        r"__main__\.STORE\.seen",
        r"600,000 references, most of them to 1 object of type object",
    ),
    "loggers": (r".*\.manager\.loggerDict", r"6,0\d\d objects of type logging\.Logger"),
    "thread_locals": (r"__main__\.LOCAL", r"`LOCAL\.client`: 8 threads, \d+ KiB each"),
    "redirected_stream": (
        r"<thread .+ in (Application\.)?run\(\) at leak_kinds\.py:\d+> self\.rows",
        r"holds it, too: sys\.stderr\.application\.rows",
    ),
    "unclosed_connections": (
        r"<event loop of MainThread>\._selector\._fd_to_key",
        r"connections that nobody closes",
    ),
    "open_connections": None,
    "bounded_cache": None,
}
"""Expression and reason of the first suspect, as patterns; None: there is no suspect."""

INNOCENTS = (
    *("asyncio_server", "threads_server", "function_cache", "own_cache", "session_store"),
    *("last_events", "work_queue", "tables_of_the_start", "package_data"),
)
WITH_PACKAGES = ("gevent_server", "import_numpy", "import_pandas")

CLOSED_BY_PYTHON = "unclosed_connections"
"""From 3.13 on a StreamWriter that goes closes its connection: there is no leak."""

EVERY = "HEAPGRAPH_EXHAUSTIVE" in os.environ


def cases(kinds: Iterable[str]) -> list[ParameterSet]:
    """Each kind on one build after the other, so that all have their turn; or on every one."""
    builds = each_interpreter()
    if EVERY:
        return [
            pytest.param(k, *b.values, id=f"{k}-{b.id}", marks=b.marks)
            for k in kinds
            for b in builds
        ]
    return [
        pytest.param(k, *b.values, id=f"{k}-{b.id}", marks=b.marks)
        for k, b in zip(kinds, cycle(builds), strict=False)
    ]


@pytest.mark.parametrize(("name", "interpreter"), cases(KINDS))
def test_the_first_suspect_says_what_it_is(
    name: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    with start_target(
        "leak_kinds.py", name, python=interpreter.path, env={"TMPDIR": str(tmp_path)}
    ) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    assert graph.manifest["quality"]["grade"] == "good"
    found = find_suspects(graph).suspects
    if KINDS[name] is None or (name, interpreter.version >= (3, 13)) == (CLOSED_BY_PYTHON, True):
        assert found == ()
        return
    expression, reason = KINDS[name]
    assert re.fullmatch(expression, found[0].expression), found[0]
    assert re.search(reason, found[0].reason), found[0].reason
    assert resolve(graph, found[0].expression) is not None


@pytest.mark.parametrize("interpreter", some_interpreters(8, 9, 12))
def test_what_atexit_calls_is_a_suspect_of_its_own(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """Up to 3.9 the module atexit leads to it as well; since 3.14 it is a list with an age."""
    with start_target("leak_kinds.py", "exit_callbacks", python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    answer = find_suspects(graph)
    first = (*answer.suspects, *answer.steady)[0]
    if interpreter.version >= (3, 14):
        assert first.expression == "<atexit callbacks>"
        return
    assert first.expression == "<atexit callbacks, 2,000 objects> method"
    assert re.search(r"2,000 (Client\.)?close \(leak_kinds.py:\d+\) as method", first.reason)


def suspects_of_innocent(
    name: str, interpreter: Interpreter, folder: Path, **variables: str
) -> list[tuple[str, str]]:
    """Expression and reason of what is suspect in a program that does not leak."""
    env = {"TMPDIR": str(folder), **variables}
    with start_target("innocents.py", name, python=interpreter.path, env=env) as target:
        graph = dump_graph(target, folder / "x.heapgraph")
    assert graph.manifest["quality"]["grade"] == "good"
    return [(one.expression, one.reason) for one in find_suspects(graph).suspects]


@pytest.mark.parametrize(("name", "interpreter"), cases(INNOCENTS))
def test_a_program_that_does_not_leak_is_not_accused(
    name: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    assert suspects_of_innocent(name, interpreter, tmp_path) == []


@pytest.mark.parametrize(("interpreter", "packages"), each_with_packages(EACH_SHAPE))
@pytest.mark.parametrize("name", WITH_PACKAGES)
def test_nor_is_one_that_has_packages(
    name: str, interpreter: Interpreter, packages: Path, tmp_path: Path
) -> None:
    found = suspects_of_innocent(name, interpreter, tmp_path, PYTHONPATH=str(packages))
    assert found == []
