"""Which object memory of C code goes with: every number is an estimate."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.native.holders import is_program, is_program_object, nearest_holder
from heapgraph.graph.native.sizes import owners_by_group
from heapgraph.graph.object_sets import sum_by_group
from heapgraph.model import NO_ROW, UNREACHABLE, VIRTUAL_ROOT, NativeGrade

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.native.graph_kernels import U32, U64

_MOST_STEPS_UP = 20
"""Dominators of an owner that are looked at: what an object is a part of is near to it."""

_MOST_OTHERS, _MOST_REFERRERS = 20, 20
"""Items of a container that something else has as well, and referrers of each that are asked."""


class NativeShares:
    """Bytes of C code of the few objects that have some.

    Args:
        objects: uint32[k], ids, each as often as it has a share.
        sizes: uint64[k], bytes.
        groups: int64[k], of which group of blocks each is.
        graph: of the objects; its dominator tree is computed when it is needed.
    """

    def __init__(
        self, objects: U32, sizes: U64, groups: npt.NDArray[np.int64], graph: HeapGraph
    ) -> None:
        """Keep the shares; their places in the tree are looked up when they are first needed."""
        self.objects, self.sizes, self.groups, self._graph = objects, sizes, groups, graph

    def __len__(self) -> int:
        """How many shares there are."""
        return len(self.objects)

    def of_groups(self, is_chosen: npt.NDArray[np.bool_]) -> NativeShares:
        """Those of some of the groups of blocks: bool[groups]."""
        mine = is_chosen[self.groups]
        return NativeShares(self.objects[mine], self.sizes[mine], self.groups[mine], self._graph)

    def of_each(self) -> U64:
        """Bytes that each object has: uint64[n]."""
        return sum_by_group(self.objects, self.sizes, self._graph.object_count)

    def retained(self, ids: U32) -> U64:
        """Bytes that go with some objects: as long as `ids`, 0 for what no root reaches.

        Cost: two look-ups for each; the dominator tree in its order, once, where anybody has some.
        """
        result = np.zeros(len(ids), np.uint64)
        if not len(self.objects):
            return result
        order = self._graph.dominators.order
        begins = order.position[ids].astype(np.int64)
        reached = np.flatnonzero(begins != UNREACHABLE)
        begins = begins[reached]
        places, sums = self._in_order
        first = np.searchsorted(places, begins)
        behind = np.searchsorted(places, begins + order.subtree_count[ids[reached]])
        result[reached] = sums[behind] - sums[first]
        return result

    def retained_by(self, *ids: int) -> int:
        """Bytes that go with objects, none of which dominates another."""
        return int(self.retained(np.array(ids, np.uint32)).sum())

    @cached_property
    def _in_order(self) -> tuple[npt.NDArray[np.int64], U64]:
        """Where who has some stands in preorder, rising, and the bytes in front of each.

        A subtree is one run: in it lies what is in front of its end and not of its beginning.
        """
        places = self._graph.dominators.order.position[self.objects].astype(np.int64)
        is_reached = places != UNREACHABLE
        rows = np.argsort(places[is_reached], kind="stable")
        sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(self.sizes[is_reached][rows])))
        return places[is_reached][rows], sums


def native_shares(graph: HeapGraph) -> NativeShares:
    """What each object has of the groups of blocks: the one answer that all lists show.

    A block goes with the nearest common dominator of those that lead to it. Where that is a module
    or nothing, but all are of one type and in one container, each has an equal part: a variable
    that has one connection of a pool as well would else take from the pool what all connections
    share. What others share is the module's, or nobody's: which of them has it is not known.

    Args:
        graph: of the objects.

    Cost: the groups of blocks, once; a look at the owners of each that several objects share, and
        where variables have some of these as well, the reverse references, once.
    """
    groups = graph.native_groups
    if not len(groups.sizes):
        nothing = np.empty(0, np.int64)
        return NativeShares(groups.objects, groups.sizes, nothing, graph)
    is_apart = (np.diff(groups.starts) > 1) & is_program(graph, groups.dominators)
    objects, sizes, numbers = [], [], []
    for group in np.flatnonzero(is_apart).tolist():
        owners = joint_owners(graph, group)
        if not _are_in_one_container(graph, owners):
            is_apart[group] = False
            continue
        # Bytes that no equal part has are the first one's: the parts add up to the whole.
        part, rest = divmod(int(groups.sizes[group]), len(owners))
        objects.append(owners)
        sizes.append(np.full(len(owners), part, np.uint64))
        sizes[-1][0] += np.uint64(rest)
        numbers.append(np.full(len(owners), group, np.int64))
    whole = np.flatnonzero(~is_apart & (groups.dominators < UNREACHABLE))
    return NativeShares(
        np.concatenate((groups.dominators[whole], *objects)),
        np.concatenate((groups.sizes[whole], *sizes)),
        np.concatenate((whole, *numbers)),
        graph,
    )


def _are_in_one_container(graph: HeapGraph, owners: U32) -> bool:
    """Whether objects are of one type, and what most of them go with has the others as well."""
    if len(np.unique(graph.type_ids[owners])) != 1:
        return False
    tree = graph.dominators
    held = owners[~is_program(graph, tree.idom[owners])]
    container = nearest_holder(graph, held) if len(held) else None
    if container is None or is_program_object(graph, container):
        return False
    others = [one for one in owners.tolist() if not tree.dominates(container, one)]
    return len(others) <= _MOST_OTHERS and all(
        any(
            tree.dominates(container, referrer)
            for referrer in graph.folded.referrers_of(other, _MOST_REFERRERS)
        )
        for other in others
    )


def joint_owners(graph: HeapGraph, group: int) -> U32:
    """Objects that lead to a group of blocks together, none of them a part of another.

    An object of one type that is inside one of another owner's type stands for that: a stale word
    in a statement of one connection is no other kind of owner of what another connection has.

    Args:
        graph: of the objects.
        group: which one.

    Returns:
        Ids in preorder; none where no root reaches an owner.

    Cost: the owners, and where their types differ some steps up the dominator tree.
    """
    tree, groups = graph.dominators, graph.native_groups
    owners = tree.topmost(groups.owners(group))
    types = np.unique(graph.type_ids[owners])
    if len(types) < 2:  # noqa: PLR2004 - one type has nothing to be told apart
        return owners
    common, above, lifted = int(groups.dominators[group]), owners.copy(), owners.copy()
    for _ in range(_MOST_STEPS_UP):
        is_below = above < UNREACHABLE
        above[is_below] = tree.idom[above[is_below]]
        above[above == common] = VIRTUAL_ROOT
        is_below = above < UNREACHABLE
        if not is_below.any():
            break
        rows = np.flatnonzero(is_below)
        rows = rows[np.isin(graph.type_ids[above[rows]], types)]
        rows = rows[~is_program(graph, above[rows])]
        lifted[rows] = above[rows]
    return tree.topmost(lifted)


def native_by_grade(graph: HeapGraph, object_id: int) -> dict[NativeGrade, int]:
    """How sure it is of the bytes of C code that go with an object: those of each grade.

    Where several owners lead to a block, the least sure of them counts.

    Args:
        graph: of the objects.
        object_id: the object; its folded `__dict__` is a part of it.

    Returns:
        Bytes by grade, which add up to `folded.native_size`; no grade without any.

    Cost: a look-up for each group of blocks; the dominator tree, once.
    """
    owners = owners_by_group(graph.native)
    if owners is None:
        return {}
    rows = np.flatnonzero(graph.native.objects != NO_ROW)
    worst = np.maximum.reduceat(graph.native.grades[rows], owners.starts[:-1])
    found = dict[NativeGrade, int]()
    for grade in NativeGrade:
        shares = graph.native_shares.of_groups(worst == grade)
        if size := graph.folded.native_size(object_id, shares):
            found[grade] = size
    return found
