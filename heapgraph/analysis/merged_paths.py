"""Thousands of paths as a few: the holders at which the paths to a set of objects fan out."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.registry import no_progress
from heapgraph.graph.path_sums import reached_members, sum_on_paths
from heapgraph.model import VIRTUAL_ROOT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.path_sums import MergedPaths, PathSums
    from heapgraph.graph.paths import RootPath, RootPaths

FAN_OUT_SHARE = 0.1
"""Where no next object leads to this share of the members any more, the paths are shown as one:
the object is the container that holds them."""

_PASSES = 3


@dataclass(frozen=True)
class MergedPath:
    """Members of a set that are held through one object.

    Attributes:
        path: from a root to the object at which the paths to the members part.
        count: members behind it.
        shallow_size: bytes of these members.
        retained_size: bytes that go with them: the sum over topmost members, a minimum.
        native_size: bytes of C code that go with them, summed up the same way: an estimate.
    """

    path: RootPath
    count: int
    shallow_size: int
    retained_size: int
    native_size: int = 0


def merged_paths(
    graph: HeapGraph,
    paths: RootPaths,
    members: NDArray[np.uint32],
    limit: int,
    progress: Progress | None = None,
) -> tuple[list[MergedPath], int]:
    """Group the shortest paths to many objects.

    Args:
        graph: the snapshot.
        paths: the search to follow.
        members: uint32[k], distinct object ids.
        limit: how many groups; together they have most of the members.
        progress: called for each pass over the paths.

    Returns:
        Groups, the one with most members first, and how many members no path reaches.

    Cost: the paths of the members; the groups need the objects near the roots only.
    """
    report = progress or no_progress
    report("merging paths", 0, _PASSES)
    tree = paths.merge(members)
    report("retained sizes", 1, _PASSES)
    freed = _freed_behind(graph, paths, members)
    report("holders", 2, _PASSES)
    groups = []
    for end, shown_apart in _ends_of_groups(tree, limit).items():
        passed_on = np.array(shown_apart, np.uint32)
        numbers = (
            int(behind.at([end])[0] - behind.at(passed_on).sum())
            for behind in (tree.counts, tree.sizes, *freed)
        )
        groups.append(MergedPath(paths.path_along(paths.chain(end)), *numbers))
    groups.sort(key=lambda group: -group.count)
    return groups, len(members) - tree.member_count


def _freed_behind(
    graph: HeapGraph, paths: RootPaths, members: NDArray[np.uint32]
) -> list[PathSums]:
    """Retained size of the topmost members that are reached through each object, and native size.

    The second is not there where C code has nothing.
    """
    topmost = np.sort(graph.dominators.topmost(reached_members(paths, members)))
    native = graph.native_shares.retained(topmost)
    columns = [graph.dominators.retained_sizes[topmost], *([native] if native.any() else [])]
    return sum_on_paths(paths, topmost, *columns)


def _ends_of_groups(tree: MergedPaths, limit: int) -> dict[int, list[int]]:
    """Objects at which the paths fan out, each with the ones behind it that are shown apart.

    What the limit leaves no room for stays with the nearest object before it that is shown.
    """
    ends: dict[int, list[int]] = {}
    queue: list[tuple[int, int, int]] = []  # members, negative; object; end before it

    def push(object_ids: NDArray[np.uint32], before: int) -> None:
        for count, object_id in zip(
            tree.counts.at(object_ids).tolist(), object_ids.tolist(), strict=True
        ):
            heapq.heappush(queue, (-count, object_id, before))

    push(tree.unsorted_children(VIRTUAL_ROOT), VIRTUAL_ROOT)
    while queue and len(ends) < limit:
        negative, object_id, before = heapq.heappop(queue)
        children = tree.unsorted_children(object_id)
        counts = tree.counts.at(children)
        large = children[counts >= FAN_OUT_SHARE * -negative]
        is_member = -negative > int(counts.sum())
        if not is_member and len(large) and len(children) <= limit:
            push(children, before)
            continue
        ends[object_id] = []
        if before != VIRTUAL_ROOT:
            ends[before].append(object_id)
        if not is_member:
            push(large, object_id)
    return ends
