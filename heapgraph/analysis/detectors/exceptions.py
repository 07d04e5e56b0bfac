"""Exceptions that keep the frames they went through, with all variables of these frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.expressions.attributes import module_entries
from heapgraph.model import EdgeKind, RootKind
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.analysis.detectors.facts import HeapFacts

MIN_EXCEPTIONS = 10
_LAST_NAMES = ("last_exc", "last_value", "last_traceback")


def stored_exceptions(facts: HeapFacts) -> Iterator[Evidence]:
    """Exceptions with a traceback that no thread is handling."""
    graph = facts.graph
    labels = np.array(facts.names("__traceback__"), np.uint32)
    edges = np.flatnonzero((graph.edge_kinds == EdgeKind.FIELD) & np.isin(graph.labels, labels))
    edges = edges[facts.is_of_types("traceback")[graph.targets[edges]]]
    being_handled = graph.roots.targets[
        np.isin(graph.roots.kinds, [RootKind.THREAD, RootKind.FRAME])
    ]
    stored = facts.is_reachable[facts.sources_of(edges)]
    stored &= ~np.isin(facts.sources_of(edges), being_handled)
    edges = edges[stored]
    if len(edges) >= MIN_EXCEPTIONS:
        note = f"{format_count(len(edges))} stored exceptions keep their frames"
        tracebacks = np.unique(graph.targets[edges])
        size = facts.retained(tracebacks)
        yield Evidence(size, len(edges), note, np.unique(facts.sources_of(edges)))


def last_exception(facts: HeapFacts) -> Iterator[Evidence]:
    """What the interactive interpreter keeps of its last failure."""
    graph = facts.graph
    for row in np.flatnonzero(graph.roots.kinds == RootKind.MODULE).tolist():
        if graph.roots.names[row] != "sys":
            continue
        module = int(graph.roots.targets[row])
        entries = module_entries(graph, module)
        held = sorted({entries[name] for name in _LAST_NAMES if name in entries})
        held = [target for target in held if graph.type_name(target) != "NoneType"]
        size = facts.retained(held)
        if held:
            note = "sys.last_exc, last_value and last_traceback keep the frames of a failure"
            yield Evidence(size, len(held), note, owners=tuple(held))


DETECTORS = (
    Detector(
        "stored-exceptions",
        f"{MIN_EXCEPTIONS} or more exceptions with a traceback that nobody is handling",
        "store what is needed of the exception, or error.with_traceback(None)",
        stored_exceptions,
        is_leak=True,
    ),
    Detector(
        "last-exception",
        "the last exception of an interactive interpreter",
        "del sys.last_exc, sys.last_value, sys.last_traceback",
        last_exception,
    ),
)
