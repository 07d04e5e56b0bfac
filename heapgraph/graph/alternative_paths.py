"""Several different paths to one object: who else holds it."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapgraph.graph.paths import RootPath, RootPaths
    from heapgraph.graph.references import ReverseReferences

MAX_EXPANSIONS = 5_000
"""Partial paths looked at before giving up: a bound on time where everything holds everything."""

MAX_REFERRERS = 1_000
"""Nearest referrers looked at per object: hubs have a million."""


def all_paths(
    paths: RootPaths, reverse: ReverseReferences, object_id: int, limit: int
) -> list[RootPath]:
    """Up to `limit` different paths from the roots to an object.

    The shortest path comes first. Then come paths that enter the object from referrers not seen
    yet, since those name the other holders, and after them the shortest of the remaining ones. No
    path contains an object twice.

    Args:
        paths: the search whose exclusions hold here too.
        reverse: references grouped by referent.
        object_id: where the paths end.
        limit: how many at most.

    Returns:
        Paths that all differ in their objects; empty when no root reaches the object.

    Cost: bounded by MAX_EXPANSIONS referrer lists of the objects in between.
    """
    if not paths.is_reached(object_id) or limit < 1:
        return []
    search = _BackwardSearch(paths, reverse, object_id)
    chains: dict[tuple[int, ...], None] = {tuple(paths.chain(object_id)): None}
    for chain in search.by_last_referrer():
        if len(chains) >= limit:
            break
        chains.setdefault(chain)
    if len(chains) < limit:
        for chain in search.by_length():
            chains.setdefault(chain)
            if len(chains) >= limit:
                break
    return [paths.path_along(chain) for chain in islice(chains, limit)]


class _BackwardSearch:
    """Best-first search from an object towards the roots.

    A partial path is a chain from some object down to the goal; what it still lacks is known
    exactly from the forward search, so that whole paths come out by length (A*).
    """

    def __init__(self, paths: RootPaths, reverse: ReverseReferences, goal: int) -> None:
        self._paths = paths
        self._reverse = reverse
        self._goal = goal

    def by_last_referrer(self) -> Iterator[tuple[int, ...]]:
        """One path through every direct referrer that does not need the goal itself."""
        if self._is_root(self._goal):
            yield (self._goal,)
        for referrer in self._referrers(self._goal):
            chain = self._paths.chain(referrer)
            if self._goal not in chain:
                yield (*chain, self._goal)

    def by_length(self) -> Iterator[tuple[int, ...]]:
        """Paths without a repeated object, the shortest first, until the bound is met."""
        queue: list[tuple[int, tuple[int, ...]]] = [(0, (self._goal,))]
        for _ in range(MAX_EXPANSIONS):
            if not queue:
                return
            _, partial = heapq.heappop(queue)
            if partial[0] == VIRTUAL_ROOT:
                yield partial[1:]
                continue
            if self._is_root(partial[0]):
                heapq.heappush(queue, (len(partial), (VIRTUAL_ROOT, *partial)))
            for referrer in self._referrers(partial[0]):
                if referrer not in partial:
                    estimate = len(partial) + 1 + int(self._paths.distance[referrer])
                    heapq.heappush(queue, (estimate, (referrer, *partial)))

    def _is_root(self, object_id: int) -> bool:
        return bool(self._paths.root_rows(object_id))

    def _referrers(self, object_id: int) -> list[int]:
        """Referrers that a path may use, each once, the nearest to a root first."""
        edges = self._reverse.edges_to(object_id)
        sources = self._reverse.sources_of(object_id)[self._paths.skip[edges] == 0]
        is_new = np.ones(len(sources), np.bool_)  # they rise: no set is needed to see each once
        np.not_equal(sources[1:], sources[:-1], out=is_new[1:])
        sources = sources[is_new]
        sources = sources[self._paths.parent[sources] != UNREACHABLE]
        nearest = np.argsort(self._paths.distance[sources], kind="stable")[:MAX_REFERRERS]
        return [int(source) for source in sources[nearest]]
