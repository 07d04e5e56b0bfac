"""The dominator tree: what each object retains, and what would go with it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.graph.csr import rows_of_many
from heapgraph.graph.object_sets import distinct_ids
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT
from heapgraph.native import graph_kernels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from heapgraph.native.graph_kernels import U32, U64, TreeOrder


_FEW_STEPS = 1000
"""Most objects have some ten dominators above them; the end of a linked list may have millions."""


class DominatorTree:
    """Immediate dominators and retained sizes of all objects; a virtual root tops the tree.

    Args:
        idom: uint32[n]: an object id, VIRTUAL_ROOT, or UNREACHABLE for what no root reaches.
        retained_sizes: uint64[n], bytes; 0 for what no root reaches.
    """

    def __init__(self, idom: U32, retained_sizes: U64) -> None:
        """Keep the arrays; the order from the top is computed when first asked for."""
        self.idom = idom
        self.retained_sizes = retained_sizes

    @cached_property
    def order(self) -> TreeOrder:
        """The tree top down. Cost: about 0.1 us and 20 bytes an object."""
        return graph_kernels.tree_order(self.idom, self._children)

    @cached_property
    def _children(self) -> tuple[U32, U32]:
        """Offsets and children of `order`, which are enough to walk down. Cost: a third of it."""
        return graph_kernels.tree_children(self.idom)

    def forget_order(self) -> None:
        """Give the orders up: 20 bytes an object. Who asks for one has it made again."""
        self.__dict__.pop("order", None)
        self.__dict__.pop("_children", None)

    def children(self, object_id: int) -> U32:
        """Objects whose immediate dominator this is, the largest retained size first, then by id.

        Args:
            object_id: an object id, or VIRTUAL_ROOT.
        """
        children = self.unsorted_children(object_id)
        # Stable over ids in rising order; ~x turns "largest first" into a rising order of uint64.
        return children[np.argsort(~self.retained_sizes[children], kind="stable")]

    def unsorted_children(self, object_id: int) -> U32:
        """`children` by rising id: free, where sorting millions of them is not."""
        row = len(self.idom) if object_id == VIRTUAL_ROOT else object_id
        offsets, children = self._children
        begin, end = offsets[row : row + 2]
        return children[begin:end]

    def children_of_all(self, object_ids: U32) -> U32:
        """Children of many objects, in no particular order. Cost: that of their number."""
        return self.children_by_parent(object_ids)[1]

    def children_by_parent(self, object_ids: U32) -> tuple[npt.NDArray[np.int64], U32]:
        """Children of many objects, and for each the place of its parent in `object_ids`."""
        offsets, children = self._children
        owners, places = rows_of_many(offsets, object_ids)
        return owners, children[places]

    def are_dominated(self, dominator: int, object_ids: U32) -> npt.NDArray[np.bool_]:
        """bool[k], `dominates` of many objects."""
        first, places = int(self.order.position[dominator]), self.order.position[object_ids]
        end = first + int(self.order.subtree_count[dominator])
        inside: npt.NDArray[np.bool_] = (places >= first) & (places < end) & (places != UNREACHABLE)
        return inside

    def dominated(self, object_id: int) -> U32:
        """The retained set: all objects that go when this one goes, itself first, in preorder."""
        begin = int(self.order.position[object_id])
        count = int(self.order.subtree_count[object_id])
        return self.order.preorder[begin : begin + count]

    def dominates(self, dominator: int, object_id: int) -> bool:
        """Whether every path from the roots to an object leads through `dominator` (or is it)."""
        above = int(object_id)
        for _ in range(_FEW_STEPS):
            step = int(self.idom[above])
            if above == dominator or step in (VIRTUAL_ROOT, UNREACHABLE):
                return above == dominator and step != UNREACHABLE
            above = step
        first, place = int(self.order.position[dominator]), int(self.order.position[above])
        return first <= place < first + int(self.order.subtree_count[dominator])

    def chain(self, object_id: int) -> list[int]:
        """The dominators of an object, the immediate one first; empty under the virtual root."""
        chain: list[int] = []
        above = int(self.idom[object_id])
        while above not in (VIRTUAL_ROOT, UNREACHABLE):
            chain.append(above)
            above = int(self.idom[above])
        return chain

    def topmost(self, object_ids: Sequence[int] | U32) -> U32:
        """Members of a set that no other member dominates, in preorder; unreachable ones left out.

        Cost: sorts the set; does not look at the rest of the heap.
        """
        members = distinct_ids(object_ids, len(self.idom))
        places = self.order.position[members]
        places = np.sort(places[places != UNREACHABLE])
        members = self.order.preorder[places]
        ends = places.astype(np.int64) + self.order.subtree_count[members]
        # Subtrees nest or are apart: a member is inside another one exactly when some subtree that
        # began before it has not ended yet.
        covered = np.maximum.accumulate(ends)
        inside = np.zeros(len(members), np.bool_)
        inside[1:] = places[1:] < covered[:-1]
        return members[~inside]

    def minimum_retained_size(self, object_ids: Sequence[int] | U32) -> int:
        """Bytes that go for certain when all members of a set go: the sum over its topmost members.

        Exact unless something is held by several members and by nothing else; then
        `HeapGraph.set_retained_size` knows more.
        """
        return int(self.retained_sizes[self.topmost(object_ids)].sum())

    def minimum_retained_by_group(self, groups: U32, group_count: int) -> U64:
        """`minimum_retained_size` of many disjoint sets at once, e.g. of every type.

        Args:
            groups: uint32[n], each object's group.
            group_count: how many groups.

        Returns:
            uint64[group_count], bytes.

        Cost: one pass over the heap for all groups.
        """
        return graph_kernels.sum_topmost(self.order, groups, group_count, self.retained_sizes)
