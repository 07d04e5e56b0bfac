"""What no root reaches: how much it is, which classes its cycles go through, what frees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from heapgraph.analysis.garbage.collection import Collection, collection_of
from heapgraph.analysis.garbage.cycles import DeadGraph, cycle_text
from heapgraph.graph.ages import UNKNOWN, younger
from heapgraph.graph.object_sets import sum_by_group
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeKind, ObjectFlags
from heapgraph.native.graph_kernels import dominator_tree, reachable
from heapgraph.units import Bytes, Count, TypeName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_TELLING_SHARE = 0.1
"""A class of the program speaks for the garbage when it has this share of its bytes."""

_TRIED = 10
"""Objects of a class from which a way back to themselves is looked for."""

_KNOWN: WeakKeyDictionary[HeapGraph, Garbage] = WeakKeyDictionary()

MIN_UNCOLLECTED = 1000
"""Dead objects from which on a small share of the heap is worth telling, where they stay."""


@dataclass(frozen=True)
class GarbageClass:
    """The dead objects of one type that are on cycles, or between them.

    Attributes:
        type: qualified name.
        count: objects.
        size: bytes that they have with what hangs on them only.
    """

    type: TypeName
    count: Count
    size: Bytes


@dataclass(frozen=True)
class Garbage:
    """All garbage of a heap.

    Attributes:
        members: uint32[k], ids, rising.
        size: bytes of them.
        classes: those that its cycles go through, the one that speaks for it first, then by size.
        example: a large object of the first class; None where there is no garbage.
        cycle: a shortest way from an object of it back to itself; "" where none was found.
        never_freed: bytes that no collection frees.
        blind_types: types that take no part in collection and are why.
        collection: what the collector does about it.
    """

    members: NDArray[np.uint32]
    size: int
    classes: tuple[GarbageClass, ...]
    example: int | None
    cycle: str
    never_freed: int
    blind_types: tuple[str, ...]
    collection: Collection

    @property
    def lasting_size(self) -> int:
        """Bytes that stay while the program goes on as it does."""
        return self.never_freed if self.collection.is_due else self.size


def garbage_of(graph: HeapGraph) -> Garbage:
    """Look at the garbage of a snapshot.

    Args:
        graph: the snapshot.

    Cost: that of the number of dead objects and of their references; once per graph.
    """
    if graph not in _KNOWN:
        _KNOWN[graph] = _look_at(graph)
    return _KNOWN[graph]


def _look_at(graph: HeapGraph) -> Garbage:
    members = np.flatnonzero(graph.dominators.idom == UNREACHABLE).astype(np.uint32)
    said = graph.manifest["interpreter"]
    collection = collection_of(said, _frozen_share(graph, members, said["gc_frozen"]))
    if not len(members):
        return Garbage(members, 0, (), None, "", 0, (), collection)
    dead = DeadGraph(graph, members)
    core = dead.without_ends()
    blind = _blind_on_cycles(graph, dead, core)
    lost = reachable(dead.offsets, dead.targets, blind).view(np.bool_)
    kinds = graph.type_ids[members[blind]]
    names = dict.fromkeys(graph.type_names[row] for row in kinds.tolist())
    # What can never be freed is what must be told, whatever else waits.
    heads = _heads(graph, dead, core & lost if lost.any() else core)
    classes, of_first = _classes(graph, dead, heads)
    cycle = next(filter(None, (cycle_text(graph, dead, head) for head in of_first[:_TRIED])), "")
    return Garbage(
        members,
        int(dead.sizes.sum()),
        classes,
        int(members[of_first[0]]),
        cycle,
        int(dead.sizes[lost].sum()),
        tuple(names),
        collection,
    )


def _frozen_share(graph: HeapGraph, members: NDArray[np.uint32], frozen: int) -> float:
    """How many of the tracked ones gc.freeze has put aside: those with most objects behind them."""
    if not frozen:
        return 0.0
    is_tracked = (graph.flags & ObjectFlags.GC_TRACKED) != 0
    codes = graph.age_codes[members[is_tracked[members]]]
    if not len(codes):
        return 0.0
    others = int(np.count_nonzero(is_tracked)) - frozen
    return float(np.mean((codes != UNKNOWN) & (younger()[codes] >= others)))


def _blind_on_cycles(
    graph: HeapGraph, dead: DeadGraph, core: NDArray[np.bool_]
) -> NDArray[np.uint32]:
    """uint32[k], places of objects the collector does not know, each behind another such.

    It takes what they refer to for alive. One that is on no cycle goes with what refers to it.
    """
    is_known = (graph.flags[dead.members] & ObjectFlags.IS_GC) != 0
    blind = np.flatnonzero(core & ~is_known).astype(np.uint32)
    while len(blind):
        behind = reachable(dead.offsets, dead.targets, dead.targets_of(blind)).view(np.bool_)
        left = blind[behind[blind]]
        if len(left) == len(blind):
            break
        blind = left
    return blind


def _heads(graph: HeapGraph, dead: DeadGraph, core: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """uint32[k], places of the objects that stand for the rest; a `__dict__` is its owner's."""
    chosen = core.copy() if core.any() else np.ones(len(dead.members), np.bool_)
    owned = (graph.edge_kinds[dead.edges] == EdgeKind.DICT) & chosen[dead.sources]
    chosen[dead.targets[owned]] = False
    return np.flatnonzero(chosen).astype(np.uint32)


def _classes(
    graph: HeapGraph, dead: DeadGraph, heads: NDArray[np.uint32]
) -> tuple[tuple[GarbageClass, ...], list[int]]:
    """The classes of some objects, and places of objects of the first one, the largest first."""
    idom, retained = dominator_tree(dead.offsets, dead.targets, heads, dead.sizes)
    heads = heads[idom[heads] == VIRTUAL_ROOT]
    types = graph.type_ids[dead.members[heads]]
    count = len(graph.type_names)
    sizes = sum_by_group(types, retained[heads], count).tolist()
    counts = np.bincount(types, minlength=count).tolist()
    rows = sorted((row for row in range(count) if counts[row]), key=lambda row: -sizes[row])
    least = _TELLING_SHARE * sum(sizes)
    own = (row for row in rows if "." in graph.type_names[row] and sizes[row] >= least)
    first = next(own, rows[0])
    rows.sort(key=lambda row: row != first)
    of_first = heads[types == first]
    of_first = of_first[np.argsort(~retained[of_first], kind="stable")]
    found = tuple(GarbageClass(graph.type_names[row], counts[row], sizes[row]) for row in rows)
    return found, of_first.tolist()
