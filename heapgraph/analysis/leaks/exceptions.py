"""Exceptions that were kept, and with them the variables of functions that have ended.

What is large then lies in a variable of one of those functions; what must let go of it is whoever
keeps the exception.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from heapgraph.analysis.expressions import path_references, write_path
from heapgraph.analysis.expressions.segments import edges_of, label_text
from heapgraph.analysis.expressions.suspended_functions import is_suspended, suspended_place
from heapgraph.analysis.leaks.accumulation import dominators_of
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from heapgraph.analysis.leaks.candidates import Candidate
    from heapgraph.graph.heap_graph import HeapGraph

EXCEPTION = "exception"
"""Kind of a suspect: an exception, or a traceback, that keeps what nothing else does."""

_FIELDS = frozenset({"__traceback__", "__context__", "__cause__"})
_TRACEBACK = "traceback"

_MAX_PATHS, _MAX_NAMED = 12, 3
"""Ways to an exception that are looked at, and those that are named."""


@dataclass(frozen=True)
class KeptVariable:
    """The variable of a function that has ended, in which most of what is kept lies.

    Attributes:
        name: as the function calls it.
        place: the function, with the line at which it was left: `query() at shop.py:41`.
    """

    name: str
    place: str


def kept_by_exceptions(
    graph: HeapGraph, candidates: Iterable[Candidate], is_structure: NDArray[np.bool_]
) -> list[Candidate]:
    """The same candidates; of those that one exception keeps, the first, as kept by it.

    Args:
        graph: the snapshot.
        candidates: in their order.
        is_structure: bool[n], see `candidates.structure_mask`.

    Cost: the references of what dominates each candidate.
    """
    found: list[Candidate] = []
    taken: set[int] = set()
    for candidate in candidates:
        keeper = _keeper(graph, candidate.point, is_structure) if candidate.has_holder else None
        if keeper is None or (keeper == candidate.point and candidate.kind != "object"):
            found.append(candidate)
        elif keeper not in taken:
            taken.add(keeper)
            size = graph.folded.retained_size(keeper)
            found.append(replace(candidate, kind=EXCEPTION, retained_size=size, keeper=keeper))
    return found


def kept_variable(graph: HeapGraph, point: int, keeper: int) -> KeptVariable | None:
    """The variable through which an exception keeps an object; None where it is no variable's."""
    path = graph.root_paths.path_to(point)
    if path is None:
        return None
    below = False
    for reference in path_references(graph, path):
        below = below or reference.source == keeper
        if not below or reference.kind is not EdgeKind.LOCAL:
            continue
        name = label_text(graph, reference)
        if name and is_suspended(graph, reference.source):
            return KeptVariable(name, suspended_place(graph, reference.source))
    return None


def other_ways(graph: HeapGraph, keeper: int) -> list[str]:
    """Expressions by which else an exception is reached: these must let go of it as well.

    Cost: the references by referent, once per snapshot; then bounded.
    """
    first: dict[int | None, str] = {}
    for path in graph.all_paths(keeper, _MAX_PATHS):
        first.setdefault(path.steps[-1].edge_index, write_path(graph, path))
    return list(first.values())[1 : _MAX_NAMED + 1]


def _keeper(graph: HeapGraph, point: int, is_structure: NDArray[np.bool_]) -> int | None:
    """The uppermost exception or traceback without which an object would not be there."""
    found = None
    for above in dominators_of(graph, point, is_structure):
        if _is_exception(graph, above):
            found = above
    return found


def _is_exception(graph: HeapGraph, object_id: int) -> bool:
    """Whether it is a traceback, or an exception that has one or was raised while another was."""
    if graph.type_name(object_id) == _TRACEBACK:
        return True
    edges = edges_of(graph, object_id, EdgeKind.FIELD)
    return any(label_text(graph, graph.reference(int(edge))) in _FIELDS for edge in edges)
