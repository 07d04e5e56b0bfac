"""A web application with the extensions that such programs load: is each of their types right?"""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from heapgraph.capture.dump import dump
from heapgraph.graph.heap_graph import HeapGraph
from heapgraph.model import ObjectFlags, RootKind
from helpers.packages import needs_packages
from helpers.running_target import start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.capture.captured import DumpResult

pytestmark = needs_packages()

MIN_IDENTICAL = 0.9999
MIN_NAMED = 0.9995
REQUESTS = 100


class Dumped(NamedTuple):
    """What a dump says, its graph, and what the application answered before and after it."""

    result: DumpResult
    graph: HeapGraph
    answers: list[str]


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dumped]:
    """The application, asked, dumped with all traverse functions, and asked again."""
    folder = tmp_path_factory.mktemp("web")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEAPGRAPH_CACHE", str(folder / "cache"))
        with start_target("web_application.py", REQUESTS) as target:
            port = int(target.ready.split()[2])
            answers = [_ask(port)]
            result = dump(target.pid, folder / "web.heapgraph", verify_with_traverse=True)
            answers.append(_ask(port))
            target.send("how many")
            assert target.read_line() == f"orders {400 + REQUESTS}"
        yield Dumped(result, HeapGraph.open(result.path), answers)


def _ask(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/customers/7", timeout=30) as answer:
        return str(answer.read().decode())


def test_every_type_agrees_with_its_own_traverse_function(dumped: Dumped) -> None:
    """Given hundreds of extension types, when all objects are traversed, none disagrees."""
    compared = dumped.result.quality["traverse"]

    assert compared["objects"] > 100_000
    assert compared["identical"] >= MIN_IDENTICAL * compared["objects"], compared
    assert (compared["faults"], compared["skipped"]) == (0, 0)
    assert dumped.result.quality["negative_refcounts"] == 0
    assert dumped.result.quality["invalid_references"] == 0
    assert dumped.result.quality["grade"] == "good"


def test_the_application_goes_on(dumped: Dumped) -> None:
    """Given a live server, when it is dumped, it answers as before."""
    assert dumped.answers[0] == dumped.answers[1]
    assert dumped.result.method != "pause"


def test_what_is_alive_is_reached_from_named_roots(dumped: Dumped) -> None:
    """Given everything alive, when searched from named roots, nearly all is reached.

    The rest is labelled: held by C code, immortal, or garbage that waits for the collector.
    """
    graph, quality = dumped.graph, dumped.result.quality
    garbage = int(((graph.flags & ObjectFlags.GARBAGE) != 0).sum())
    named = quality["reached_from_named_roots"] * len(graph.flags)

    assert garbage == quality["garbage"]
    assert named >= MIN_NAMED * (len(graph.flags) - garbage)
    assert set(np.unique(graph.roots.kinds)) >= {RootKind.LIBRARY, RootKind.FRAME, RootKind.MODULE}


def test_variables_of_extensions_are_named(dumped: Dumped) -> None:
    """Given constants of a Cython module, when only its variables hold them, it says so."""
    roots = dumped.graph.roots
    libraries = {
        roots.row(row).name.partition(" ")[0].partition(".")[0]
        for row in np.flatnonzero(roots.kinds == RootKind.LIBRARY).tolist()
    }

    assert libraries >= {"loop", "etree", "hashtable"}
