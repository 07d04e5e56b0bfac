"""The one list of analyses, which the command line, the Python interface and the docs read.

Names are known at once; the module behind a name (and numpy with it) is imported when it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heapgraph.errors import UsageError

if TYPE_CHECKING:
    from heapgraph.analysis.results import Result
    from heapgraph.graph.heap_graph import HeapGraph

Progress = Callable[[str, int, int], None]
"""Called with phase, done, total (0 = unknown); may raise KeyboardInterrupt to stop the work."""


def unreported(phase: str, done: int, total: int) -> None:
    """A `Progress` that nobody listens to."""
    del phase, done, total


@dataclass(frozen=True)
class Parameter:
    """One named parameter of an analysis."""

    name: str
    description: str
    default: object = None
    required: bool = False


@dataclass(frozen=True)
class Analysis:
    """One question that can be asked of a graph.

    `function(graph, *, progress=None, **parameters)` returns a frozen `Result`.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    function: Callable[..., Result]


class AnalysisRegistry(Mapping[str, Analysis]):
    """Analyses by name; each is the `ANALYSIS` of the module of the same name."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Know the names without importing the modules."""
        self._names = names

    def __getitem__(self, name: str) -> Analysis:
        """The analysis called `name`; KeyError for an unknown one."""
        if name not in self._names:
            raise KeyError(name)
        module = importlib.import_module(f"heapgraph.analysis.{name}")
        analysis: Analysis = module.ANALYSIS
        return analysis

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of a first look at a heap."""
        return iter(self._names)

    def __len__(self) -> int:
        """How many analyses there are."""
        return len(self._names)


REGISTRY = AnalysisRegistry(
    (
        "summary",
        "histogram",
        "dominators",
        "holders",
        "paths",
        "show",
        "suspects",
        "threads",
        "waste",
        "memory",
        "diff",
        "sql",
        "verify",
    )
)


def run(
    name: str, graph: HeapGraph, *, progress: Progress | None = None, **parameters: object
) -> Result:
    """Run one analysis.

    Args:
        name: a key of `REGISTRY`.
        graph: the snapshot to ask.
        progress: told about every longer phase.
        parameters: those the analysis declares; the rest have defaults.

    Raises:
        UsageError: no such analysis, or a parameter it does not have or needs.
        ObjectNotFound: a parameter names no object of this snapshot.
    """
    if name not in REGISTRY:
        raise UsageError(
            f"no analysis named {name!r}",
            "the name is misspelled",
            "one of: " + ", ".join(REGISTRY),
        )
    analysis = REGISTRY[name]
    known = {parameter.name for parameter in analysis.parameters}
    missing = {p.name for p in analysis.parameters if p.required} - parameters.keys()
    if unknown := parameters.keys() - known:
        raise UsageError(
            f"{name} has no parameter {', '.join(sorted(unknown))}",
            "the name is misspelled, or it belongs to another analysis",
            "one of: " + ", ".join(sorted(known)),
        )
    if missing:
        raise UsageError(f"{name} needs {', '.join(sorted(missing))}", "it was not given")
    return analysis.function(graph, progress=progress, **parameters)
