"""What gathers in tables of the interpreter: modules under new names, interned strings.

The tables themselves are structure, and no suspects; what a program puts into them without end is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.leaks.accumulation import content_of_type
from heapgraph.analysis.leaks.candidates import ITEMS_SHARE, MANY_ITEMS, MIN_SIZE, Candidate
from heapgraph.analysis.leaks.groups import GroupHolder
from heapgraph.model import VIRTUAL_ROOT, RootKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heapgraph.graph.heap_graph import HeapGraph

INTERNED = "interned"
"""Kind of a suspect: strings that nothing but the interpreter's table of them holds."""

_NEVER_MANY = frozenset({"module", "logging.Logger", "logging.PlaceHolder"})
"""Types of which no program is meant to have thousands under names that are made."""


def find_registered(graph: HeapGraph) -> Iterator[Candidate]:
    """Modules and strings that the program makes names for.

    Args:
        graph: the snapshot.

    Cost: one pass over the modules and over the roots.
    """
    least = max(MIN_SIZE, int(ITEMS_SHARE * graph.reachable_size))
    yield from _modules(graph, least)
    yield from _interned(graph, least)


def is_certain(candidate: Candidate) -> bool:
    """Whether it is a mistake however large other things are, which may be data.

    Args:
        candidate: one of `find_candidates` or `find_registered`.
    """
    content = candidate.content
    is_never_many = content is not None and content.type_name in _NEVER_MANY
    return candidate.kind == INTERNED or (is_never_many and candidate.kind == "container")


def without_inside(
    graph: HeapGraph, candidates: Sequence[Candidate], registered: Sequence[Candidate]
) -> list[Candidate]:
    """Those of some candidates that are not the objects of modules which are suspects themselves.

    Args:
        graph: the snapshot.
        candidates: the others; of these, alike objects that nothing holds together may go.
        registered: what `find_registered` found.

    Cost: the dominators of one object for each candidate.
    """
    modules = {
        one
        for each in registered
        if each.content is not None and each.content.type_name == "module"
        for one in each.content.members.tolist()
    }
    return [
        each
        for each in candidates
        if each.kind != "group" or not _is_below(graph, each.point, modules)
    ]


def _is_below(graph: HeapGraph, object_id: int, modules: set[int]) -> bool:
    """Whether one of some objects dominates an object, or is it."""
    if not modules:
        return False
    return not modules.isdisjoint((object_id, *graph.dominators.chain(object_id)))


def _modules(graph: HeapGraph, least: int) -> Iterator[Candidate]:
    """Entries of sys.modules whose names differ in a number or an identifier only."""
    tables = [
        row
        for row in np.flatnonzero(graph.roots.kinds == RootKind.INTERPRETER).tolist()
        if graph.roots.names[row].partition(" ")[0] == "modules"
    ]
    for group in graph.modules.made if tables else ():
        found = sorted(set(group.values()))
        content = content_of_type(graph, "module", np.array(found, np.uint32))
        if content.retained_size >= least:
            table = int(graph.roots.targets[tables[0]])
            yield Candidate("container", content.retained_size, table, content)


def _interned(graph: HeapGraph, least: int) -> Iterator[Candidate]:
    """Strings of a Python that never frees an interned one, which nothing else holds."""
    roots, paths = graph.roots, graph.root_paths
    immortal = np.unique(roots.targets[roots.kinds == RootKind.IMMORTAL])
    only = immortal[paths.parent[immortal] == VIRTUAL_ROOT]
    only = only[graph.type_mask({"str"})[graph.type_ids[only]]]
    if len(only) < MANY_ITEMS:
        return
    content = content_of_type(graph, "str", only)
    if content.retained_size >= least:
        group = GroupHolder(INTERNED, None, "<interned strings>", only)
        point = int(content.members[0])
        yield Candidate(INTERNED, content.retained_size, point, content, group)
