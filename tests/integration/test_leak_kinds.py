"""Small programs, one for each kind of leak and of innocence: the first suspect says what it is."""

from __future__ import annotations

import os
import re
from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from heapgraph.analysis.expressions.resolving import resolve
from heapgraph.analysis.suspects import find_suspects
from helpers.interpreters import Interpreter, each_interpreter
from helpers.live_graphs import dump_graph
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

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

CLOSED_BY_PYTHON = "unclosed_connections"
"""From 3.13 on a StreamWriter that goes closes its connection: there is no leak."""

EVERY = "HEAPGRAPH_EXHAUSTIVE" in os.environ


def cases() -> list:
    """Each kind on one build after the other, so that all have their turn; or on every one."""
    builds = each_interpreter()
    if EVERY:
        return [
            pytest.param(k, *b.values, id=f"{k}-{b.id}", marks=b.marks)
            for k in KINDS
            for b in builds
        ]
    return [
        pytest.param(k, *b.values, id=f"{k}-{b.id}", marks=b.marks)
        for k, b in zip(KINDS, cycle(builds), strict=False)
    ]


@pytest.mark.parametrize(("name", "interpreter"), cases())
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
