"""Objects grouped by how they are reached, with keys and positions left out.

All objects that are reached from one group by the same attribute, or from the items of one
container, and have the same type, form one group: `app.CACHE[*].history`. Two snapshots of a
program have nearly the same groups, whatever the addresses.

Source: LeakCanary's heap growth detector, after BLeak (Vilk and Berger, PLDI 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from heapgraph.analysis.detectors.facts import HeapFacts
from heapgraph.analysis.growth.numbering import number_texts
from heapgraph.analysis.growth.path_texts import path_texts
from heapgraph.graph.native.nearest import knows_native
from heapgraph.graph.object_sets import sum_by_group
from heapgraph.model import UNREACHABLE
from heapgraph.native import graph_kernels
from heapgraph.native.key_numbers import number_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

MAX_DISTANCE = 100
"""References from a root; what lies deeper, such as the rest of a linked list, belongs to the group
above it."""


_KNOWN: WeakKeyDictionary[HeapGraph, PathGroups] = WeakKeyDictionary()
"""What was asked of a graph before, as long as the graph is there."""


@dataclass(frozen=True)
class PathGroups:
    """The groups of one snapshot; g groups, one distance from the roots after another.

    Attributes:
        level_ends: int64[levels], where the groups of each distance end.
        parents: int32[g], -1 for those of roots.
        text_rows: int32[g], row in `texts` of each.
        type_rows: int32[g], row in `types` of each.
        counts: int64[g], objects in each.
        items: int64[g], items of the containers in each; keys do not count.
        sizes: int64[g], their shallow sizes, with those of what lies deeper than `MAX_DISTANCE`.
        first_objects: int64[g], the object of each with the lowest id.
        native_sizes: int64[g], bytes of blocks of C code whose nearest owner is in each,
            an estimate; None where the snapshot does not know.
        of_object: int32[n], the group of each object; -1 where no path leads or it lies too deep.
        texts: what leads to groups from their parents, and names of roots; all different.
        types: qualified type names; all different.
    """

    level_ends: NDArray[np.int64]
    parents: NDArray[np.int32]
    text_rows: NDArray[np.int32]
    type_rows: NDArray[np.int32]
    counts: NDArray[np.int64]
    items: NDArray[np.int64]
    sizes: NDArray[np.int64]
    first_objects: NDArray[np.int64]
    native_sizes: NDArray[np.int64] | None
    of_object: NDArray[np.int32]
    texts: list[str]
    types: list[str]


@dataclass(frozen=True)
class _Level:
    """The groups at one distance: parents, rows of their steps, the first object of each."""

    parents: NDArray[np.int64]
    steps: NDArray[np.int64]
    first_objects: NDArray[np.int64]


def group_by_path(graph: HeapGraph) -> PathGroups:
    """The objects of a snapshot grouped by their paths.

    Cost: a few passes over the references, one sort of the objects, and a description of each
        distinct text; nothing for each group but its numbers. Once: the same snapshot is compared
        with one after the other.
    """
    known = _KNOWN.get(graph)
    if known is None:
        known = _KNOWN[graph] = _group(graph)
    return known


def _group(graph: HeapGraph) -> PathGroups:
    facts = HeapFacts(graph)
    text_rows, texts = path_texts(facts, MAX_DISTANCE)
    types: dict[str, int] = {}
    type_rows = number_texts(graph.type_names, types)[graph.type_ids]
    # A step is a text with a type: pairs of parent and step fit into a number, triples might not.
    steps, step_rows = number_keys(text_rows * len(types) + type_rows)
    levels, of_object = _levels(graph, step_rows, len(steps))
    step_of_group = steps[_joined([level.steps for level in levels])]
    known = np.flatnonzero(of_object >= 0)
    groups = of_object[known]
    ends = np.cumsum([len(level.parents) for level in levels], dtype=np.int64)
    count = int(ends[-1]) if levels else 0

    def summed(values: NDArray[np.generic]) -> NDArray[np.int64]:
        weights = values[known].astype(np.float64)
        return np.bincount(groups, weights, minlength=count).astype(np.int64)

    return PathGroups(
        level_ends=ends,
        parents=_joined([level.parents for level in levels]).astype(np.int32),
        text_rows=(step_of_group // max(len(types), 1)).astype(np.int32),
        type_rows=(step_of_group % max(len(types), 1)).astype(np.int32),
        counts=np.bincount(groups, minlength=count),
        items=summed(facts.item_counts),
        sizes=summed(_sizes_with_deeper(graph)),
        first_objects=_joined([level.first_objects for level in levels]),
        native_sizes=_native_sizes(graph, of_object, count) if knows_native(graph) else None,
        of_object=of_object,
        texts=texts,
        types=list(types),
    )


def groups_with_deeper(graph: HeapGraph, of_object: NDArray[np.int32]) -> NDArray[np.int32]:
    """int32[n], the group of each object; of one that lies too deep, that of what leads to it.

    Args:
        graph: the snapshot.
        of_object: int32[n], `PathGroups.of_object`.

    Cost: a pass over the objects that lie too deep for each doubling of their distance.
    """
    paths = graph.root_paths
    deep = np.flatnonzero((paths.distance > MAX_DISTANCE) & (paths.distance < UNREACHABLE))
    above = np.arange(graph.object_count, dtype=np.int64)
    above[deep] = paths.parent[deep]
    while len(deep):
        higher = above[above[deep]]
        is_moving = higher != above[deep]
        above[deep] = higher
        deep = deep[is_moving]
    found: NDArray[np.int32] = of_object[above]
    return found


def _levels(
    graph: HeapGraph, step_rows: NDArray[np.int64], step_count: int
) -> tuple[list[_Level], NDArray[np.int32]]:
    """The groups of each distance from the roots, and the group of each object or -1."""
    paths = graph.root_paths
    of_object = np.full(graph.object_count, -1, np.int32)
    by_distance = np.argsort(paths.distance, kind="stable")
    distances = np.arange(MAX_DISTANCE + 1)
    ends = np.searchsorted(paths.distance[by_distance], distances, side="right")
    levels: list[_Level] = []
    begin, count = 0, 0
    for end in ends.tolist():
        if end == begin:
            break
        objects = by_distance[begin:end]
        parents = of_object[paths.parent[objects]] if begin else np.full(end, -1, np.int32)
        distinct, rows = number_keys(
            (parents.astype(np.int64) + 1) * step_count + step_rows[objects]
        )
        first = np.empty(len(distinct), np.int64)
        first[rows[::-1]] = objects[::-1]  # the last that is written stays
        of_object[objects] = rows + count
        levels.append(_Level(distinct // step_count - 1, distinct % step_count, first))
        begin, count = end, count + len(distinct)
    return levels, of_object


def _joined(arrays: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)


def _native_sizes(graph: HeapGraph, of_object: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """int64[groups], bytes of C code; those of an owner that lies too deep go to what holds it."""
    owned = graph.native_owned
    groups = of_object[owned.objects]
    if (groups < 0).any():
        groups = groups_with_deeper(graph, of_object)[owned.objects]
    rows = np.flatnonzero(groups >= 0)
    sums = sum_by_group(groups[rows].astype(np.uint32), owned.sizes[rows], count)
    return sums.astype(np.int64)


def _sizes_with_deeper(graph: HeapGraph) -> NDArray[np.uint64]:
    """uint64[n], shallow sizes; what lies deeper than the groups is added to what holds it."""
    paths = graph.root_paths
    sizes = graph.shallow_sizes.copy()
    deeper = (paths.distance > MAX_DISTANCE) & (paths.distance < UNREACHABLE)
    if deeper.any():
        below = np.where(deeper, sizes, np.uint64(0))
        graph_kernels.sum_to_parents(paths.order, paths.parent, below)
        edge = paths.distance == MAX_DISTANCE
        sizes[edge] += below[edge]
    return sizes
