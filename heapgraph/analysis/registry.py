"""The one list of analyses, which the command line, the Python interface and the docs read.

What they are called and ask for is known at once; the module of one (and numpy with it) is imported
when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from heapgraph.analysis.declarations.questions import QUESTIONS
from heapgraph.errors import UsageError

if TYPE_CHECKING:
    from heapgraph.analysis.declarations.analysis import Analysis
    from heapgraph.analysis.results import Result
    from heapgraph.graph.heap_graph import HeapGraph

Progress = Callable[[str, int, int], None]
"""Called with phase, done, total (0 = unknown); may raise KeyboardInterrupt to stop the work."""


def no_progress(phase: str, done: int, total: int) -> None:
    """A `Progress` that nobody listens to."""
    del phase, done, total


REGISTRY: Mapping[str, Analysis] = MappingProxyType({one.name: one for one in QUESTIONS})
"""Analyses by name, in the order of a first look at a heap."""


def run(
    name: str, graph: HeapGraph, *, progress: Progress | None = None, **parameters: object
) -> Result:
    """Run one analysis.

    Args:
        name: a key of `REGISTRY`.
        graph: the snapshot to ask.
        progress: told about every longer phase.
        parameters: those the analysis declares; the rest have defaults. They are checked here,
            for every front end.

    Raises:
        UsageError: no such analysis, a parameter it does not have or needs, or a wrong value.
        ObjectNotFound: a parameter names no object of this snapshot.
    """
    if name not in REGISTRY:
        raise UsageError(
            f"no analysis named {name!r}",
            "the name is misspelled",
            "one of: " + ", ".join(REGISTRY),
        )
    analysis = REGISTRY[name]
    return analysis.function(graph, progress=progress, **analysis.check(parameters))
