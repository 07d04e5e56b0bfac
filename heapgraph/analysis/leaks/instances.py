"""Many instances of a class that should be few: small in bytes, each an open file or a thread."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.leaks.accumulation import content_of_type
from heapgraph.analysis.leaks.application_code import is_application_root
from heapgraph.analysis.leaks.candidates import Candidate
from heapgraph.analysis.leaks.groups import holder_of_group
from heapgraph.model import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

MANY_INSTANCES = 100
"""So many open resources of one type in one container are suspect, whatever their size: a tenth of
the usual limit of 1024 open files."""

_RESOURCES = re.compile(
    r"(.+\.)?(socket|SSLSocket|FileIO|HTTPResponse|HTTPConnection|HTTPSConnection|Popen|Thread|Timer"
    r"|Connection|ClientResponse|ClientSession|Session|TemporaryDirectory|mmap|SSLObject|Selector)"
)
"""Types, by the end of their names, that stand for something of the operating system or of another
machine, and that somebody must close or end."""


def find_many_instances(
    graph: HeapGraph, found: Sequence[Candidate], is_structure: NDArray[np.bool_]
) -> Iterator[Candidate]:
    """Containers of the application that hold very many open resources.

    Args:
        graph: the snapshot.
        found: what is suspect already; its holders are not named again.
        is_structure: bool[n], what is no holder: modules, classes.

    Cost: one count per type; the merged paths of the few types that fit.
    """
    points = {candidate.point for candidate in found}
    for name, members in _resources_held(graph):
        group = holder_of_group(graph, graph.dominators.topmost(members))
        if group is None or group.holder is None or is_structure[group.holder]:
            continue
        if not _is_new(graph, group.holder, points):
            continue
        points.add(group.holder)
        content = content_of_type(graph, name, members)
        size = content.retained_size
        # A server that is busy has as many: see `Candidate`.
        yield Candidate("instances", size, group.holder, content, group, only_if_growing=True)


def resources_among(
    graph: HeapGraph, objects: NDArray[np.uint32]
) -> Iterator[tuple[str, NDArray[np.uint32]]]:
    """Types of open resources of which there are very many, and their objects.

    Args:
        graph: the snapshot.
        objects: uint32[k], where to look.
    """
    types = graph.type_ids[objects]
    counts = np.bincount(types, minlength=len(graph.type_names))
    for row in np.flatnonzero(counts >= MANY_INSTANCES).tolist():
        if _RESOURCES.fullmatch(graph.type_names[row]) is not None:
            yield graph.type_names[row], objects[types == row]


def _resources_held(graph: HeapGraph) -> Iterator[tuple[str, NDArray[np.uint32]]]:
    """The same among all objects that the roots reach; most heaps have none, and cost nothing."""
    is_resource = [_RESOURCES.fullmatch(name) is not None for name in graph.type_names]
    objects = np.flatnonzero(graph.is_of_types(np.array(is_resource, np.bool_)))
    is_held = graph.dominators.idom[objects] != UNREACHABLE
    return resources_among(graph, objects[is_held].astype(np.uint32))


def _is_new(graph: HeapGraph, holder: int, points: set[int]) -> bool:
    """Whether the application holds it, and no suspect is, holds or is inside this holder."""
    chain = graph.root_paths.chain(holder)
    if not chain or int(graph.dominators.idom[holder]) == UNREACHABLE:
        return False
    tree = graph.dominators
    if any(tree.dominates(point, holder) or tree.dominates(holder, point) for point in points):
        return False
    return is_application_root(graph, graph.root_paths.root_rows(chain[0])[0])
