"""Shortest paths from the roots to an object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from heapgraph.graph.object_sets import distinct_ids
from heapgraph.graph.path_sums import MergedPaths, reached_members, sum_on_paths
from heapgraph.graph.references import best_edges
from heapgraph.graph.roots import ROOT_PREFERENCE
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeKind, RootKind
from heapgraph.native import graph_kernels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.graph.columns import SnapshotColumns
    from heapgraph.native.graph_kernels import U8, U32


class PathStep(NamedTuple):
    """One object of a path and the reference that leads to it.

    Attributes:
        object_id: the object.
        edge_index: row of the references table; None for the first, which a root holds.
    """

    object_id: int
    edge_index: int | None


@dataclass(frozen=True, slots=True)
class RootPath:
    """A chain of references from a root to an object.

    Attributes:
        root: row of roots that holds the first object.
        steps: root first.
    """

    root: int
    steps: tuple[PathStep, ...]


@dataclass(frozen=True)
class PathExclusions:
    """What paths must not use; weak references are never used.

    Attributes:
        root_kinds: roots that do not count as such.
        edge_kinds: references to ignore.
    """

    root_kinds: frozenset[RootKind] = frozenset()
    edge_kinds: frozenset[EdgeKind] = frozenset()

    def skip_mask(self, graph: SnapshotColumns) -> U8:
        """uint8[m], 1 = ignore the reference."""
        if not self.edge_kinds:
            return graph.weak_references
        kinds = [*self.edge_kinds, EdgeKind.WEAK]
        return np.isin(graph.edge_kinds, kinds).view(np.uint8)


NOTHING_EXCLUDED = PathExclusions()


class RootPaths:
    """One shortest path from the roots to every object.

    Roots are searched by kind, modules first: an object that a module reaches is explained by
    that module, even where a local variable is nearer.

    Args:
        graph: the columns of the snapshot.
        parent: uint32[n]: the object before this one on its path, VIRTUAL_ROOT for a root's
            target, UNREACHABLE when no path leads here.
        distance: uint32[n], references on the path; UNREACHABLE.
        order: uint32[reached], objects in the order of discovery, parents first.
        exclusions: what the paths do not use.
    """

    def __init__(
        self,
        graph: SnapshotColumns,
        parent: U32,
        distance: U32,
        order: U32,
        exclusions: PathExclusions = NOTHING_EXCLUDED,
    ) -> None:
        """Keep the result of a search; see `search_paths`."""
        # Not as maps of a file, of which one number takes five times as long.
        self.parent = np.asarray(parent)
        self.distance = np.asarray(distance)
        self.order = order
        self.exclusions = exclusions
        self._graph = graph

    @cached_property
    def skip(self) -> U8:
        """uint8[m], 1 where a reference is on no path."""
        return self.exclusions.skip_mask(self._graph)

    def is_reached(self, object_id: int) -> bool:
        """Whether a path leads to the object."""
        return int(self.parent[object_id]) != UNREACHABLE

    def chain(self, object_id: int) -> list[int]:
        """Object ids from the root to the object; empty when no path leads to it."""
        if not self.is_reached(object_id):
            return []
        chain = [object_id]
        before = int(self.parent[object_id])
        while before != VIRTUAL_ROOT:
            chain.append(before)
            before = int(self.parent[before])
        return chain[::-1]

    def path_to(self, object_id: int) -> RootPath | None:
        """The shortest path from the best root to an object, or None when there is none.

        Of parallel references the best-named one is taken (`EDGE_PREFERENCE`).

        Cost: proportional to the path and the references of the objects on it.
        """
        chain = self.chain(object_id)
        return self.path_along(chain) if chain else None

    def sizes_by_root_kind(self) -> dict[RootKind, int]:
        """Bytes that the roots of each kind reach and no kind before it does.

        Every reached object counts once, for the kind of root that its path begins with.

        Returns:
            Sizes by kind, the kind that explains best first; only kinds that have roots.

        Cost: one pass over the reached objects.
        """
        roots, kinds = self._graph.roots, self._graph.roots.kinds
        order = [k for k in ROOT_PREFERENCE if k not in self.exclusions.root_kinds]
        rank = np.full(len(self.parent), len(order), np.uint8)
        for place in reversed(range(len(order))):
            rank[roots.targets[kinds == order[place]]] = place
        # Kinds are searched one after the other: what one discovers begins at its first root.
        begins = np.flatnonzero(self.parent[self.order] == VIRTUAL_ROOT)
        first = np.searchsorted(rank[self.order[begins]], np.arange(len(order) + 1))
        bounds = np.append(begins, len(self.order))[first]
        sizes = self._graph.shallow_sizes[self.order]
        return {
            kind: int(sizes[begin:end].sum())
            for kind, begin, end in zip(order, bounds[:-1], bounds[1:], strict=True)
            if np.any(kinds == kind)
        }

    def root_rows(self, object_id: int) -> list[int]:
        """Rows of the roots that hold an object and count here, the best explanation first."""
        return self._graph.roots.rows_of(object_id, self.exclusions.root_kinds)

    def path_along(self, chain: Sequence[int]) -> RootPath:
        """The path through given objects, each of which refers to the next.

        Args:
            chain: object ids, a root's target first.
        """
        objects = np.asarray(chain, np.uint32)
        edges = best_edges(self._graph, objects[:-1], objects[1:], self.skip)
        steps = map(PathStep, chain, [None, *edges])
        return RootPath(self.root_rows(chain[0])[0], tuple(steps))

    def merge(self, object_ids: Sequence[int] | U32) -> MergedPaths:
        """The paths to many objects laid over one another.

        Args:
            object_ids: members of the set; those no path reaches are left out.

        Cost: see `path_sums.sum_on_paths`.
        """
        members = reached_members(self, distinct_ids(object_ids, len(self.parent)))
        counts, sizes = sum_on_paths(
            self, members, np.ones(len(members), np.uint64), self._graph.shallow_sizes[members]
        )
        return MergedPaths(self.parent, counts, sizes)


def search_paths(
    graph: SnapshotColumns, exclusions: PathExclusions = NOTHING_EXCLUDED
) -> RootPaths:
    """Search the shortest paths to all objects.

    Args:
        graph: the columns of the snapshot.
        exclusions: kinds of roots and references not to use.

    Cost: 0.4-0.9 s for 10 million objects and 30 million references.
    """
    parent, distance, order = graph_kernels.breadth_first(
        graph.offsets,
        graph.targets,
        graph.roots.groups(exclusions.root_kinds),
        exclusions.skip_mask(graph),
    )
    return RootPaths(graph, parent, distance, order, exclusions)
