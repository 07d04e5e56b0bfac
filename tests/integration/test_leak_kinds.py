"""Small programs, one for each kind of leak and of innocence: the first suspect says what it is.

Every other one of fixtures/leaks runs here, on the builds by turns, in the long form all on each;
test_leaks.py asks more of all of them on one build.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.analysis.suspects import find_suspects
from heapgraph.analysis.waste import find_waste
from heapgraph.model import C_CODE_OF_GREENLET, RootKind
from helpers.interpreters import Interpreter, is_exhaustive, some_interpreters
from helpers.leak_programs import LeakProgram, ask_live, leak_programs
from helpers.live_graphs import dump_graph
from helpers.packages import EACH_SHAPE, each_with_packages, with_packages
from helpers.running_target import start_target
from helpers.turns import in_turn

if TYPE_CHECKING:
    from pathlib import Path

INNOCENTS = (
    *("asyncio_server", "threads_server", "function_cache", "own_cache", "session_store"),
    *("last_events", "work_queue", "tables_of_the_start", "package_data", "open_connections"),
    *("pattern_cache", "pool_of_workers", "full_caches_of_methods"),
)
WITH_PACKAGES = ("gevent_server", "import_numpy", "import_pandas")

WITHOUT_HOLDER = {
    "dead_pages": (r"<(4,500|1,500) dead objects> __main__\.(Page|Link)", "The collector is off"),
    "dead_sessions": (
        r"<150 dead objects> __main__\.Connection",
        r"Connection\.on_close\.__self__ -> Connection.*may have something open",
    ),
    "dead_frames": (r"<6 dead objects> __main__\.Frame", r"Frame\.next -> Frame"),
    "lost_texts": (
        r"<(7,99|8,00)\d lost objects> str",
        r"'Authorization: Bearer.*nothing refers to",
    ),
    "loggers_beside_data": (
        r".*\.manager\.loggerDict",
        r"6,0\d\d objects of type logging\.Logger.*loggers without end",
    ),
}
"""Expression and reason of the first suspect, as patterns."""

NEVER_FREED = ((3, 12), (3, 12))
"""First and last version of which some builds never free an interned string."""


PROGRAMS = [each for each in leak_programs() if not each.needs]


@pytest.mark.parametrize(
    ("program", "interpreter"), in_turn(PROGRAMS if is_exhaustive() else PROGRAMS[::2])
)
def test_the_first_suspect_is_the_holder_on_every_build(
    program: LeakProgram, interpreter: Interpreter, tmp_path: Path
) -> None:
    answer = ask_live(program, tmp_path, python=str(interpreter.path))
    assert answer.graph.manifest["quality"]["grade"] == "good"
    if not program.leaks_on(interpreter.version):
        assert answer.suspects == ()
        return
    first = answer.suspects[0]
    assert program.names_holder(first), first.expression
    assert program.is_reason(first.reason), first.reason
    if first.kind in ("container", "object"):
        assert resolve(answer.graph, first.expression) is not None


@pytest.mark.parametrize(("name", "interpreter"), in_turn(WITHOUT_HOLDER))
def test_a_leak_without_a_holder_is_said_as_well(
    name: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    with start_target("leak_kinds.py", name, python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    assert graph.manifest["quality"]["grade"] == "good"
    first = find_suspects(graph).suspects[0]
    expression, reason = WITHOUT_HOLDER[name]
    assert re.fullmatch(expression, first.expression), first
    assert re.search(reason, first.reason), first.reason


@pytest.mark.parametrize("interpreter", some_interpreters(12))
def test_names_that_are_data_are_a_suspect_where_they_are_never_freed(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    with start_target("leak_kinds.py", "interned_names", python=interpreter.path) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    assert graph.manifest["quality"]["grade"] == "good"
    found = find_suspects(graph).suspects
    if NEVER_FREED[0] <= interpreter.version <= NEVER_FREED[1] and found:
        assert found[0].expression == "<interned strings>"
        assert re.search(r"20,\d\d\d objects of type str", found[0].reason)
    else:
        assert found == ()


def suspects_of_innocent(
    name: str, interpreter: Interpreter, folder: Path, **variables: str
) -> list[tuple[str, str]]:
    """Expression and reason of what is suspect in a program that does not leak."""
    env = {"TMPDIR": str(folder), **variables}
    with start_target("innocents.py", name, python=interpreter.path, env=env) as target:
        graph = dump_graph(target, folder / "x.heapgraph")
    assert graph.manifest["quality"]["grade"] == "good"
    return [(one.expression, one.reason) for one in find_suspects(graph).suspects]


@pytest.mark.parametrize(("name", "interpreter"), in_turn(INNOCENTS))
def test_a_program_that_does_not_leak_is_not_accused(
    name: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    assert suspects_of_innocent(name, interpreter, tmp_path) == []


@pytest.mark.parametrize(("interpreter", "packages"), each_with_packages(EACH_SHAPE))
@pytest.mark.parametrize("name", WITH_PACKAGES)
def test_nor_is_one_that_has_packages(
    name: str, interpreter: Interpreter, packages: Path, tmp_path: Path
) -> None:
    found = suspects_of_innocent(name, interpreter, tmp_path, **with_packages(packages))
    assert found == []


@pytest.mark.parametrize("interpreter", some_interpreters(9, 10))
def test_a_function_has_the_name_of_what_it_is_inside_of(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    """Up to 3.10 no code knows it, only the function."""
    (program,) = (each for each in leak_programs() if each.name == "channel_callbacks")
    first = ask_live(program, tmp_path, python=str(interpreter.path)).suspects[0]
    assert re.search(r"each with call\.<locals>\.closed \(channel_callbacks\.py:", first.reason)


@pytest.mark.parametrize(("interpreter", "packages"), each_with_packages(EACH_SHAPE))
def test_greenlets_that_wait_are_told_by_their_code(
    interpreter: Interpreter, packages: Path, tmp_path: Path
) -> None:
    env = with_packages(packages)
    with start_target(
        "leak_kinds.py", "waiting_greenlets", python=interpreter.path, env=env
    ) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    assert graph.manifest["quality"]["grade"] == "good"
    first, *others = find_suspects(graph).suspects
    assert not others
    told = re.search(r"([\d,]+) greenlets in .*job\(\) at leak_kinds\.py:\d+", first.reason)
    assert told, first.reason
    assert f"<{told[1]} objects>" in first.expression or f" {told[1]} obj" in first.expression
    assert first.expression.startswith(("<in C code of waiting greenlets, ", "<1,")), first
    assert "gevent.Timeout" in first.reason
    assert "Py_DECREF" not in first.reason


@pytest.mark.parametrize(("interpreter", "packages"), each_with_packages(EACH_SHAPE))
def test_what_calls_of_waiting_greenlets_use_is_no_lost_reference(
    interpreter: Interpreter, packages: Path, tmp_path: Path
) -> None:
    """Bound methods, sockets and waiters, of which the C stack of each greenlet has one."""
    env = with_packages(packages)
    with start_target("innocents.py", "gevent_server", python=interpreter.path, env=env) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    roots = graph.roots
    named = Counter(
        graph.type_name(int(roots.targets[row]))
        for row in np.flatnonzero(roots.kinds == RootKind.C_HELD).tolist()
        if roots.names[row] == C_CODE_OF_GREENLET
    )
    waiters = graph.objects_of_type("gevent._gevent_c_waiter.Waiter")
    assert named["gevent._gevent_c_waiter.Waiter"] >= len(waiters) - 2 >= 400
    assert "gevent.hub.Hub" not in named
    assert find_waste(graph, detectors=["c-held-objects"]).findings == ()


PYTHON_WITH = {
    package: os.environ[f"HEAPGRAPH_PYTHON_WITH_{package.upper()}"]
    for package in ("torch", "boto3")
    if f"HEAPGRAPH_PYTHON_WITH_{package.upper()}" in os.environ
}
"""By hand: interpreters that have packages too large to fetch."""


@pytest.mark.parametrize("package", PYTHON_WITH)
def test_nor_is_one_that_has_a_package_too_large_to_fetch(package: str, tmp_path: Path) -> None:
    python = PYTHON_WITH[package]
    with start_target(
        "innocents.py", f"import_{package}", python=python, ready_limit_s=120
    ) as target:
        graph = dump_graph(target, tmp_path / "x.heapgraph")
    assert graph.manifest["quality"]["grade"] == "good"
    assert find_suspects(graph).suspects == ()
