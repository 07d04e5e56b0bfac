"""The biggest objects, or what one object immediately dominates.

They stand in the order of what goes with them: objects, and native memory, which is an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from heapgraph.analysis.ages.verdict import NOT_JUDGED
from heapgraph.analysis.object_rows import ObjectRow, object_id_of, object_row
from heapgraph.analysis.results import TableResult, not_serialized
from heapgraph.model import ALL_ROOTS, UNREACHABLE, VIRTUAL_ROOT, RootKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.native.graph_kernels import U32

DEFAULT_LIMIT = 20

MAX_JUDGED = 200
"""Containers of a list whose growth is judged, the largest ones: each takes some milliseconds."""

_MORE = 8
"""So many times more objects are looked at when too many were links of chains."""


@dataclass(frozen=True)
class Dominators(TableResult):
    """Objects by what goes with them, largest first.

    Attributes:
        objects: the rows.
        left_out: how many more there are.
        not_judged: containers among the rows whose growth was not looked at.
    """

    rows_field: ClassVar[str] = "objects"

    objects: tuple[ObjectRow, ...]
    left_out: int = not_serialized()
    not_judged: int = not_serialized()


def largest_objects(
    graph: HeapGraph,
    *,
    progress: Progress | None = None,
    of: int | str | None = None,
    limit: int = DEFAULT_LIMIT,
    raw: bool = False,
) -> Dominators:
    """List objects by retained size.

    Args:
        graph: the snapshot.
        progress: told when the dominator tree is computed.
        of: an object (id or OBJECT text): list what it immediately dominates; `<roots>`: what only
            the roots together dominate; None: all objects, of a linked list the first node only.
        limit: how many rows.
        raw: show a `__dict__` apart from the instance or module it belongs to, and every node.

    Raises:
        ObjectNotFound: `of` names nothing, or more than one object.

    Cost: the dominator tree, once per snapshot; then one partial sort of all objects, and of each
        of the 200 largest containers among the rows what it dominates.
    """
    if progress is not None:
        progress("dominator tree", 0, 0)
    if of is not None:
        above = VIRTUAL_ROOT if of == ALL_ROOTS else object_id_of(graph, of)
        chosen, count = _children(graph.weighed, above, limit, raw=raw)
    else:
        heap = graph.weighed
        chosen = _largest(heap, limit).tolist() if raw else _largest_folded(heap, limit)
        count = graph.object_count - (0 if raw else graph.folded.folded_count)
    rows: list[ObjectRow] = []
    judged = 0
    for object_id in chosen[:limit]:
        rows.append(object_row(graph, object_id, raw=raw, is_judged=judged < MAX_JUDGED))
        judged += rows[-1].growth not in (None, NOT_JUDGED)
    rows.sort(key=lambda row: (-row.retained_size - row.native_size, row.id))
    not_judged = sum(row.growth is NOT_JUDGED for row in rows)
    return Dominators(tuple(rows), count - len(rows), not_judged)


def _children(graph: HeapGraph, object_id: int, limit: int, *, raw: bool) -> tuple[list[int], int]:
    """The largest children of an object in the dominator tree, and how many it has."""
    if raw:
        children = graph.dominators.children(object_id)
        return children[:limit].tolist(), len(children)
    owner = object_id if object_id == VIRTUAL_ROOT else graph.folded.owner_of(object_id)
    return graph.folded.children(owner, limit), len(graph.folded.unsorted_children(owner))


def _largest(graph: HeapGraph, limit: int) -> U32:
    """uint32[limit], the objects that retain most, largest first, then by id."""
    retained = graph.dominators.retained_sizes
    if limit < len(retained):
        least = np.partition(retained, len(retained) - limit)[len(retained) - limit]
        candidates = np.flatnonzero(retained >= least)
    else:
        candidates = np.arange(len(retained))
    order = np.argsort(~retained[candidates], kind="stable")
    return candidates[order[:limit]].astype(np.uint32)


def _largest_folded(graph: HeapGraph, limit: int) -> list[int]:
    """The same with every `__dict__` as a part of its owner, and without further links of chains.

    An instance retains its dict, so twice as many raw objects contain the largest folded ones. A
    module and its dict are held apart from one another: only together they may be large.
    """
    folded = graph.folded
    modules = graph.roots.targets[graph.roots.kinds == RootKind.MODULE]
    wanted = 2 * limit
    while True:
        owners = folded.owners_of(np.concatenate([_largest(graph, wanted), modules]))
        candidates = np.unique(owners)
        candidates = candidates[~_are_links(graph, candidates)]
        if len(candidates) >= limit + len(modules) or wanted >= graph.object_count:
            break
        wanted *= _MORE
    sizes = folded.retained_sizes(candidates)
    order = np.lexsort((candidates, ~sizes))[:limit]
    return [int(object_id) for object_id in candidates[order]]


def _are_links(graph: HeapGraph, object_ids: U32) -> NDArray[np.bool_]:
    """Whether an object hangs below one of its type and keeps most of what that one keeps.

    So does every node of a linked list but the first, and every traceback but the last.
    """
    tree, types = graph.dominators, graph.type_ids
    above = tree.idom[object_ids]
    are_links: NDArray[np.bool_] = (above != VIRTUAL_ROOT) & (above != UNREACHABLE)
    below, above = object_ids[are_links], graph.folded.owners_of(above[are_links])
    same = types[below] == types[above]
    are_links[are_links] = same & (2 * tree.retained_sizes[below] >= tree.retained_sizes[above])
    return are_links
