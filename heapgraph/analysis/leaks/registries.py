"""What gathers in tables of the interpreter: modules under new names, interned strings.

The tables themselves are structure, and no suspects; what a program puts into them without end is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.leaks.accumulation import content_of_type
from heapgraph.analysis.leaks.candidates import ITEMS_SHARE, MANY_ITEMS, MIN_SIZE, Candidate
from heapgraph.analysis.leaks.groups import GroupHolder
from heapgraph.model import VIRTUAL_ROOT, RootKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.graph.heap_graph import HeapGraph

INTERNED = "interned"
"""Kind of a suspect: strings that nothing but the interpreter's table of them holds."""

MIN_MODULES = 100
"""Modules of one pattern of names that are no package: no library has so many of a number each."""

_CHANGING = re.compile(r"[0-9a-f]{6,}|\d+")
"""What changes in names that are made: numbers, identifiers, checksums."""


def find_registered(graph: HeapGraph) -> Iterator[Candidate]:
    """Modules and strings that the program makes names for.

    Args:
        graph: the snapshot.

    Cost: one pass over the modules and over the roots.
    """
    least = max(MIN_SIZE, int(ITEMS_SHARE * graph.reachable_size))
    yield from _modules(graph, least)
    yield from _interned(graph, least)


def _modules(graph: HeapGraph, least: int) -> Iterator[Candidate]:
    """Entries of sys.modules whose names differ in a number or an identifier only."""
    alike: dict[str, set[int]] = defaultdict(set)
    for module in graph.modules.rows:
        alike[_CHANGING.sub("#", module.name)].add(module.object)
    tables = [
        row
        for row in np.flatnonzero(graph.roots.kinds == RootKind.INTERPRETER).tolist()
        if graph.roots.names[row].partition(" ")[0] == "modules"
    ]
    for name, found in alike.items():
        if "#" not in name or len(found) < MIN_MODULES or not tables:
            continue
        content = content_of_type(graph, "module", np.array(sorted(found), np.uint32))
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
