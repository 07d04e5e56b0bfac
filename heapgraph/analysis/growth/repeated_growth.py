"""Holders that grow in every one of several snapshots, and what each is to blame for.

Source: LeakCanary's heap growth detector, and LeakShare of BLeak (Vilk and Berger, PLDI 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.growth.aligned_groups import TOP
from heapgraph.native import graph_kernels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heapgraph.analysis.growth.holder_tree import HolderTree
    from heapgraph.graph.heap_graph import HeapGraph

MAX_HOLDERS = 64
"""Holders whose shares are computed, each by a search of what it reaches."""

_LEAST_NATIVE_STEP = 4096
"""Bytes of C code, an estimate: one pointer that is left over makes less of a difference."""


@dataclass(frozen=True)
class LeakShare:
    """What a growing holder is to blame for.

    Attributes:
        size: bytes that it reaches, and that nothing reaches but growing holders; what several of
            them reach is shared evenly.
        exclusive_size: the part that no other one reaches.
    """

    size: int
    exclusive_size: int


def grows(values: Sequence[int]) -> bool:
    """Whether every number is larger than the one before."""
    return all(before < after for before, after in pairwise(values))


def grows_native(sizes: Sequence[int | None]) -> bool:
    """Whether every estimate is known, and well above the one before."""
    known = [size for size in sizes if size is not None]
    steps = (after - before for before, after in pairwise(known))
    return len(known) == len(sizes) and all(step >= _LEAST_NATIVE_STEP for step in steps)


def repeated_growth(tree: HolderTree) -> list[int]:
    """Rows of the topmost groups that grow from each snapshot to the next.

    A group grows when its containers have more items, or its objects more bytes of their own: a
    buffer has no items. Of what roots hold, more objects are growth. Modules are passed over, and
    frames: each reaches its callers, and all that these have in their variables. What grows by
    memory of C code alone is an estimate, and stands in the way of nothing below it.
    """
    is_held_by_roots = tree.parents == TOP
    is_growing = _grow(tree.items) | _grow(tree.own_sizes) | (is_held_by_roots & _grow(tree.counts))
    is_growing &= ~(tree.is_module | tree.is_frame)
    is_growing[TOP] = False
    found = _topmost(tree, np.flatnonzero(is_growing), is_growing)
    if all(tree.knows_native):
        is_native = _grow(tree.own_native_sizes, _LEAST_NATIVE_STEP)
        is_native &= ~(tree.is_module | tree.is_frame)
        found += _topmost(tree, np.flatnonzero(is_native), is_native | is_growing)
    # What the newest snapshots have brought comes first where several grew alike.
    found.sort(key=lambda row: [-link for link in tree.chain(row)])
    return list(dict.fromkeys(map(tree.first_link, found)))


def _topmost(tree: HolderTree, rows: NDArray[np.int64], is_above: NDArray[np.bool_]) -> list[int]:
    """Those rows that have none of `is_above` (bool[r]) above them."""
    above = tree.parents[rows]
    while above.any():  # TOP is 0
        is_topmost = ~is_above[above]
        rows, above = rows[is_topmost], tree.parents[above[is_topmost]]
    found: list[int] = rows.tolist()
    return found


def _grow(values: NDArray[np.int64], least: int = 1) -> NDArray[np.bool_]:
    """bool[r], of int64[w, r]: whether every number of a column is more than the one before.

    Args:
        values: the numbers.
        least: by how much more.
    """
    return np.asarray((values[1:] - values[:-1] >= least).all(axis=0))


def leak_shares(graph: HeapGraph, nodes: NDArray[np.int32], rows: Sequence[int]) -> list[LeakShare]:
    """What each of some groups is to blame for in one snapshot.

    Args:
        graph: the snapshot.
        nodes: int32[n], row of the holder tree of each object; -1 for none.
        rows: the groups.

    Cost: two searches of the heap and one of what each group reaches; n/8 bytes for each group.
    """
    members = [np.flatnonzero(nodes == row).astype(np.uint32) for row in rows]
    mark = np.zeros(graph.object_count, np.uint8)
    for objects in members:
        mark[objects] = 1  # as if they were seen already: the search does not go on through them
    skip = graph.weak_references
    graph_kernels.reachable(graph.offsets, graph.targets, graph.roots.unique_targets, skip, mark)
    for objects in members:
        mark[objects] = 0
    sharers = np.zeros(graph.object_count, np.uint8)
    reached = []
    for objects in members:
        seen = graph_kernels.reachable(graph.offsets, graph.targets, objects, skip, mark.copy())
        seen -= mark
        sharers += seen
        reached.append(np.packbits(seen))
    part = graph.shallow_sizes / np.maximum(sharers, 1)
    alone = sharers == 1
    shares = []
    for packed in reached:
        seen = np.unpackbits(packed, count=graph.object_count).view(np.bool_)
        exclusive = int(graph.shallow_sizes[seen & alone].sum())
        shares.append(LeakShare(round(float(part[seen].sum())), exclusive))
    return shares
