"""Generators, coroutines and async generators: the code they run, and whether they have ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from heapgraph.analysis.expressions.segments import edges_of, label_text
from heapgraph.graph.code_places import NO_PLACE
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heapgraph.graph.code_places import CodePlace
    from heapgraph.graph.heap_graph import HeapGraph

SUSPENDABLE_TYPES = ("async_generator", "coroutine", "generator")
"""Types of objects that stand for a function which can be suspended."""

CODE_FIELDS = frozenset({"f_code", "gi_code", "cr_code", "ag_code"})
FRAME_FIELDS = frozenset({"f_func", "gi_frame", "cr_frame", "ag_frame"})
"""Only one that has not ended has a frame: a part of itself since 3.11, an object before."""


def code_of(graph: HeapGraph, object_id: int) -> int | None:
    """The code object that a generator, a coroutine or a frame runs."""
    return _field(graph, object_id, CODE_FIELDS)


def place_of(graph: HeapGraph, object_id: int) -> CodePlace:
    """The code of a generator, a coroutine or a frame, with the line at which that stands.

    Of one that has ended, and where the line is not known, the code's first line.
    """
    code = code_of(graph, object_id)
    place = NO_PLACE if code is None else graph.codes.place(code)
    return graph.standing_lines.place(object_id, place)


def common_line(graph: HeapGraph, members: Iterable[int]) -> int | None:
    """The line at which most of some functions stand that run one code; None where none does."""
    lines = Counter(map(graph.standing_lines.line, members))
    del lines[None]
    return min(lines, key=lambda line: (-lines[line], line)) if lines else None


def has_ended(graph: HeapGraph, object_id: int) -> bool:
    """Whether a generator or coroutine has run to its end: its variables are gone."""
    if len(edges_of(graph, object_id, EdgeKind.LOCAL, EdgeKind.STACK)):
        return False
    return _field(graph, object_id, FRAME_FIELDS) is None


def frame_owner(graph: HeapGraph, object_id: int) -> int:
    """The object that holds the variables: itself, or up to 3.10 its frame object."""
    for edge in edges_of(graph, object_id, EdgeKind.FIELD):
        if graph.type_name(int(graph.targets[edge])) == "frame":
            return int(graph.targets[edge])
    return object_id


def _field(graph: HeapGraph, object_id: int, names: frozenset[str]) -> int | None:
    for edge in edges_of(graph, object_id, EdgeKind.FIELD):
        reference = graph.reference(int(edge))
        if label_text(graph, reference) in names:
            return reference.target
    return None
