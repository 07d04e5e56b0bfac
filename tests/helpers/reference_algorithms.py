"""Plain-Python oracles of the graph kernels: by the definition, as slow as that is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray


@dataclass(frozen=True)
class RawGraph:
    """A graph as the kernels take it."""

    offsets: NDArray[np.uint64]
    targets: NDArray[np.uint32]
    roots: NDArray[np.uint32]
    sizes: NDArray[np.uint64]
    skip: NDArray[np.uint8] | None = None

    @property
    def count(self) -> int:
        return len(self.sizes)

    def referents(self, source: int) -> list[int]:
        """Targets of references that are not skipped, parallel ones repeated."""
        edges = range(int(self.offsets[source]), int(self.offsets[source + 1]))
        return [int(self.targets[e]) for e in edges if self.skip is None or not self.skip[e]]


def graph_of(
    references: list[list[int]],
    roots: list[int],
    sizes: list[int] | None = None,
    skip: list[int] | None = None,
) -> RawGraph:
    """A graph from adjacency lists."""
    degrees = [len(targets) for targets in references]
    flat = [target for targets in references for target in targets]
    return RawGraph(
        np.concatenate([[0], np.cumsum(degrees)]).astype(np.uint64),
        np.array(flat, np.uint32),
        np.array(roots, np.uint32),
        np.array([1] * len(references) if sizes is None else sizes, np.uint64),
        None if skip is None else np.array(skip, np.uint8),
    )


def random_graph(random: Random, most_objects: int = 14) -> RawGraph:
    """A small multigraph: self loops, parallel and skipped references, several roots, garbage."""
    count = random.randint(1, most_objects)
    density = random.choice((0.7, 1.2, 2.0, 3.5))
    references: list[list[int]] = [[] for _ in range(count)]
    for _ in range(int(count * density)):
        references[random.randrange(count)].append(random.randrange(count))
    roots = [random.randrange(count) for _ in range(random.choice((0, 1, 1, 2, 4)))]
    total = sum(map(len, references))
    skip = [int(random.random() < 0.2) for _ in range(total)] if random.random() < 0.5 else None
    return graph_of(references, roots, [random.randrange(1000) for _ in range(count)], skip)


def reached(graph: RawGraph, removed: frozenset[int] = frozenset()) -> set[int]:
    """What the roots reach when some objects are not there."""
    seen = {int(root) for root in graph.roots} - removed
    queue = deque(seen)
    while queue:
        for target in graph.referents(queue.popleft()):
            if target not in seen and target not in removed:
                seen.add(target)
                queue.append(target)
    return seen


def dominated_sets(graph: RawGraph) -> dict[int, set[int]]:
    """For each reachable object what becomes unreachable without it, itself included."""
    alive = reached(graph)
    return {object_id: alive - reached(graph, frozenset({object_id})) for object_id in alive}


def dominators_by_removal(graph: RawGraph) -> tuple[list[int], list[int]]:
    """Immediate dominators and retained sizes by the definition."""
    dominated = dominated_sets(graph)
    idom = [UNREACHABLE] * graph.count
    retained = [0] * graph.count
    for object_id, lost in dominated.items():
        retained[object_id] = sum(int(graph.sizes[other]) for other in lost)
        above = [d for d, lost in dominated.items() if object_id in lost and d != object_id]
        # The nearest dominator is the one that dominates the least.
        idom[object_id] = min(above, key=lambda d: len(dominated[d]), default=VIRTUAL_ROOT)
    return idom, retained


def dominators_by_networkx(graph: RawGraph) -> list[int]:
    """Immediate dominators as networkx computes them on its own graph."""
    digraph = nx.DiGraph()
    digraph.add_nodes_from([-1, *range(graph.count)])
    digraph.add_edges_from((-1, int(root)) for root in graph.roots)
    for source in range(graph.count):
        digraph.add_edges_from((source, target) for target in graph.referents(source))
    found = nx.immediate_dominators(digraph, -1)
    idom = [UNREACHABLE] * graph.count
    for object_id, above in found.items():
        if object_id >= 0:
            idom[object_id] = VIRTUAL_ROOT if above == -1 else above
    return idom


def search_by_groups(
    graph: RawGraph, groups: list[list[int]]
) -> tuple[list[int], list[int], list[int]]:
    """Parents, distances and order of a breadth-first search group by group."""
    parent = [UNREACHABLE] * graph.count
    distance = [UNREACHABLE] * graph.count
    order: list[int] = []
    for group in groups:
        queue: deque[int] = deque()
        for root in group:
            if parent[root] == UNREACHABLE:
                parent[root], distance[root] = VIRTUAL_ROOT, 0
                queue.append(root)
        while queue:
            source = queue.popleft()
            order.append(source)
            for target in graph.referents(source):
                if parent[target] == UNREACHABLE:
                    parent[target], distance[target] = source, distance[source] + 1
                    queue.append(target)
    return parent, distance, order
