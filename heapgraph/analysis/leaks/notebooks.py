"""What a notebook keeps of earlier cells: each result in `Out`, and by a name of its own (`_7`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.attributes import module_entries
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.segments import edges_of
from heapgraph.analysis.leaks.accumulation import content_of, content_of_type, dominators_of
from heapgraph.analysis.leaks.candidates import Candidate
from heapgraph.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_TABLES = frozenset({"In", "Out", "_oh"})
_OWN_NAME = r"(In|Out|_[iod]h|_{1,3}|_i{1,3}|_i?\d+)"
"""Names that IPython itself binds in `__main__`; what has another one is the user's."""

_OWN_NAMES = re.compile(_OWN_NAME)
_OWN_EXPRESSION = re.compile(rf"__main__\.{_OWN_NAME}\b")


@dataclass(frozen=True)
class _Notebook:
    """A session of IPython.

    Attributes:
        table: the dict `Out`.
        results: what it has and no variable of the user does.
    """

    table: int
    results: NDArray[np.uint32]


def joined_results(
    graph: HeapGraph, candidates: Iterable[Candidate], is_structure: NDArray[np.bool_]
) -> list[Candidate]:
    """The same candidates; one of `Out` in place of those that are results of cells.

    Args:
        graph: the snapshot.
        candidates: in their order.
        is_structure: bool[n], see `candidates.structure_mask`.

    Cost: the variables of `__main__`, and what dominates each candidate.
    """
    notebooks = list(_notebooks(graph))
    found: list[Candidate] = []
    joined: set[int] = set()
    for candidate in candidates:
        above = set[int]()
        if candidate.has_holder:
            above = set(dominators_of(graph, candidate.point, is_structure))
        notebook = next((n for n in notebooks if not above.isdisjoint(n.results.tolist())), None)
        if notebook is None:
            found.append(candidate)
        elif notebook.table not in joined:
            joined.add(notebook.table)
            found.append(_candidate(graph, notebook))
    return found


def users_name(graph: HeapGraph, text: str) -> str:
    """An expression by the user's name for what IPython has one of its own for: `orders`, not `_3`.

    Args:
        graph: the snapshot.
        text: an expression.

    Cost: nothing outside of a notebook; there the variables of `__main__`.
    """
    match = _OWN_EXPRESSION.match(text)
    if match is None:
        return text
    for module in root_names(graph).modules.get("__main__", ()):
        entries = module_entries(graph, module)
        if entries.keys() >= _TABLES and match[1] in entries:
            same = (name for name, each in entries.items() if each == entries[match[1]])
            users = next((name for name in same if not _OWN_NAMES.fullmatch(name)), match[1])
            return f"__main__.{users}{text[match.end() :]}"
    return text


def _candidate(graph: HeapGraph, notebook: _Notebook) -> Candidate:
    size = graph.dominators.minimum_retained_size(notebook.results)
    heaviest = content_of(graph, notebook.results)
    content = None
    if heaviest is not None:
        content = content_of_type(graph, heaviest.type_name, heaviest.members)
    return Candidate("container", size, notebook.table, content)


def _notebooks(graph: HeapGraph) -> Iterator[_Notebook]:
    for module in root_names(graph).modules.get("__main__", ()):
        entries = module_entries(graph, module)
        if not entries.keys() >= _TABLES:
            continue
        table = entries["Out"]
        named = {target for name, target in entries.items() if not _OWN_NAMES.fullmatch(name)}
        values = graph.targets[edges_of(graph, table, EdgeKind.VALUE)]
        results = values[~np.isin(values, sorted(named))]
        if len(results):
            yield _Notebook(table, np.unique(results).astype(np.uint32))
