"""The networkx backend: networkx functions on a whole snapshot at the speed of the kernels.

    graph = HeapGraph.open("app.heapgraph").as_networkx()
    nx.immediate_dominators(graph, ROOT)      # ROOT (-1) stands over all roots
    nx.shortest_path(graph, ROOT, 4711)

networkx finds `backend` through the entry point group `networkx.backends` and calls the method of
the same name as its own function. Results over all objects are lazy mappings and sets on arrays,
which read like the dicts and sets networkx would have made. Weak references are not edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

import networkx as nx
import numpy as np

from heapgraph.graph.networkx.graph import ROOT, SnapshotDiGraph
from heapgraph.graph.networkx.searches import Search, search_backward, search_forward
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT
from heapgraph.native import graph_kernels

Value = TypeVar("Value")


class NodeMapping(Mapping[int, Value]):
    """A mapping over many nodes whose values are made when they are looked at.

    Args:
        nodes: the keys, in order.
        contains: whether a node is a key.
        value: the value of a key.
    """

    def __init__(
        self,
        nodes: Iterable[int],
        count: int,
        contains: Callable[[int], bool],
        value: Callable[[int], Value],
    ) -> None:
        """Keep the parts."""
        self._nodes = nodes
        self._count = count
        self._contains = contains
        self._value = value

    def __getitem__(self, node: int) -> Value:
        """The value of a node."""
        if node not in self:
            raise KeyError(node)
        return self._value(int(node))

    def __contains__(self, node: object) -> bool:
        """Whether a node has a value."""
        return isinstance(node, int | np.integer) and self._contains(int(node))

    def __iter__(self) -> Iterator[int]:
        """The nodes that have a value."""
        return map(int, self._nodes)

    def __len__(self) -> int:
        """How many nodes have a value."""
        return self._count


class NodeSet(AbstractSet[int]):
    """The nodes a search reached, without the one it started from."""

    def __init__(self, search: Search) -> None:
        """Keep the search."""
        self._search = search

    def __contains__(self, node: object) -> bool:
        """Whether the search reached a node."""
        search = self._search
        return isinstance(node, int | np.integer) and node != search.start and int(node) in search

    def __iter__(self) -> Iterator[int]:
        """The nodes, the nearest first."""
        return (node for node in self._search if node != self._search.start)

    def __len__(self) -> int:
        """How many nodes."""
        return len(self._search) - 1

    @classmethod
    def _from_iterable(cls, nodes: Iterable[int]) -> set[int]:  # type: ignore[override]
        return set(nodes)


class SnapshotBackend:
    """The functions of networkx that run on a snapshot; the arguments are networkx's."""

    @staticmethod
    def convert_from_nx(graph: object, **_options: object) -> SnapshotDiGraph:
        """Refuse: the backend computes on snapshots.

        Raises:
            TypeError: always, for anything but a snapshot's own graph.
        """
        if isinstance(graph, SnapshotDiGraph):
            return graph
        raise TypeError(
            "the heapgraph backend computes on snapshots only: "
            "make a graph with HeapGraph.open(FILE).as_networkx()"
        )

    @staticmethod
    def convert_to_nx(result: object, **_options: object) -> object:
        """A snapshot as a MultiDiGraph, for users who switched the fallback to networkx on.

        Cost: about 1 KiB of memory an object. Other results are returned as they are.
        """
        if not isinstance(result, SnapshotDiGraph):
            return result
        converted = nx.MultiDiGraph()
        converted.add_nodes_from(result.nodes)
        converted.add_edges_from(result.edges)
        return converted

    @staticmethod
    def can_run(_name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> bool | str:
        """Leave networkx's own graphs to networkx, also where the backend is preferred."""
        graph = arguments[0] if arguments else options.get("G")
        return isinstance(graph, SnapshotDiGraph) or "the graph is not a snapshot"

    @staticmethod
    def immediate_dominators(graph: SnapshotDiGraph, start: int) -> Mapping[int, int]:
        """Immediate dominators; the start node is not a key, as in networkx since 3.6."""
        _require(graph, start)
        heap = graph.heap
        if start == ROOT:
            idom = heap.dominators.idom
        else:
            idom, _ = graph_kernels.dominator_tree(
                heap.offsets,
                heap.targets,
                np.array([start], np.uint32),
                heap.shallow_sizes,
                graph.skip,
            )
        reached = np.flatnonzero(idom != UNREACHABLE)
        reached = reached[reached != start]

        def dominator(node: int) -> int:
            above = int(idom[node])
            return ROOT if above == VIRTUAL_ROOT else above

        def is_reached(node: int) -> bool:
            return 0 <= node < len(idom) and node != start and int(idom[node]) != UNREACHABLE

        return NodeMapping(reached, len(reached), is_reached, dominator)

    @staticmethod
    def shortest_path(
        graph: SnapshotDiGraph,
        source: int | None = None,
        target: int | None = None,
        weight: None = None,
        method: str = "dijkstra",
    ) -> list[int] | Mapping[int, list[int]]:
        """The shortest path between two nodes, or of all nodes from one or to one."""
        del method  # no reference has a weight, so every method is the same search
        _refuse(weight=weight)
        search, forward = _search_from_either(graph, source, target)

        def path(node: int) -> list[int]:
            found = search.path_to(node)
            return found if forward else found[::-1]

        if source is None or target is None:
            return NodeMapping(search, len(search), search.__contains__, path)
        _require_path(search, source, target)
        return path(target)

    @staticmethod
    def shortest_path_length(
        graph: SnapshotDiGraph,
        source: int | None = None,
        target: int | None = None,
        weight: None = None,
        method: str = "dijkstra",
    ) -> int | Mapping[int, int]:
        """How many references the shortest path has."""
        del method  # no reference has a weight, so every method is the same search
        _refuse(weight=weight)
        search, _ = _search_from_either(graph, source, target)
        if source is None or target is None:
            return NodeMapping(search, len(search), search.__contains__, search.distance_to)
        _require_path(search, source, target)
        return search.distance_to(target)

    @staticmethod
    def has_path(graph: SnapshotDiGraph, source: int, target: int) -> bool:
        """Whether references lead from one node to another."""
        _require(graph, source, target)
        return target in search_forward(graph, source)

    @staticmethod
    def descendants(graph: SnapshotDiGraph, source: int) -> AbstractSet[int]:
        """All nodes that references lead to."""
        _require(graph, source)
        return NodeSet(search_forward(graph, source))

    @staticmethod
    def ancestors(graph: SnapshotDiGraph, source: int) -> AbstractSet[int]:
        """All nodes from which references lead here; ROOT is one of them unless it is garbage."""
        _require(graph, source)
        return NodeSet(search_backward(graph, source))

    @staticmethod
    def bfs_edges(
        graph: SnapshotDiGraph,
        source: int,
        reverse: bool = False,
        depth_limit: int | None = None,
        sort_neighbors: None = None,
    ) -> Iterator[tuple[int, int]]:
        """The edges of a breadth-first search, in its order."""
        _refuse(sort_neighbors=sort_neighbors)
        _require(graph, source)
        search = (search_backward if reverse else search_forward)(graph, source)
        for node in search:
            if depth_limit is not None and search.distance_to(node) > depth_limit:
                return
            if node != source:
                yield search.parent_of(node), node


def _require(graph: SnapshotDiGraph, *nodes: int) -> None:
    for node in nodes:
        if node not in graph:
            raise nx.NodeNotFound(f"node {node} is not an object id of the snapshot, nor ROOT (-1)")


def _refuse(**options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise nx.NetworkXNotImplemented(f"{name}: references of a snapshot have none")


def _require_path(search: Search, source: int, target: int) -> None:
    if target not in search:
        raise nx.NetworkXNoPath(f"no path of references from {source} to {target}")


def _search_from_either(
    graph: SnapshotDiGraph, source: int | None, target: int | None
) -> tuple[Search, bool]:
    """A search from the source if there is one, else backward from the target."""
    _require(graph, *(node for node in (source, target) if node is not None))
    if source is not None:
        return search_forward(graph, source), True
    if target is not None:
        return search_backward(graph, target), False
    raise nx.NetworkXError("give a source or a target: all pairs of a heap are too many")


backend = SnapshotBackend()
"""What the entry point `heapgraph` of the group `networkx.backends` names."""
