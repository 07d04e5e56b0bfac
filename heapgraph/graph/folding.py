"""Showing an instance or a module together with its `__dict__` as one object."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeKind, RootKind
from heapgraph.native import graph_kernels
from heapgraph.native.scans import rows_equal

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.heap_graph import HeapGraph
    from heapgraph.graph.native.shares import NativeShares
    from heapgraph.native.graph_kernels import U32, U64


class FoldedTree:
    """The dominator tree in which a `__dict__` is a part of the object it belongs to.

    An instance's dict is folded when nothing but the instance refers to it (weak references
    aside) and it is no root itself. The dict of a module in sys.modules is folded always: the
    module's functions refer to it too, and it is the module's all the same. That of any other
    module is folded while the module dominates it. Raw numbers stay in `HeapGraph.dominators`.

    Args:
        graph: the graph to look at.

    Cost: one pass over the references.
    """

    def __init__(self, graph: HeapGraph) -> None:
        """Find the dicts to fold."""
        self._graph = graph
        self._dicts, self._owners = _folded_dicts(graph)

    @property
    def dicts(self) -> U32:
        """uint32[k], ids of the dicts that are shown as a part of their owner, rising."""
        return self._dicts

    @property
    def folded_count(self) -> int:
        """How many dicts are shown as a part of their owner."""
        return len(self._dicts)

    def owner_of(self, object_id: int) -> int:
        """The object that is shown in an object's place: its owner, or itself."""
        row = int(np.searchsorted(self._dicts, object_id))
        is_folded = row < len(self._dicts) and int(self._dicts[row]) == object_id
        return int(self._owners[row]) if is_folded else object_id

    def owners_of(self, object_ids: U32) -> U32:
        """uint32[k], `owner_of` many objects."""
        rows = np.searchsorted(self._dicts, object_ids)
        is_folded = rows < len(self._dicts)
        is_folded[is_folded] = self._dicts[rows[is_folded]] == object_ids[is_folded]
        owners = object_ids.copy()
        owners[is_folded] = self._owners[rows[is_folded]]
        return owners

    def owners(self) -> U32:
        """uint32[n], `owner_of` every object. Cost: 4 bytes an object, every time."""
        owners = np.arange(self._graph.object_count, dtype=np.uint32)
        owners[self._dicts] = self._owners
        return owners

    def referrers_of(self, object_id: int, limit: int) -> set[int]:
        """What refers to an object, not weakly: an instance in place of its `__dict__`.

        Of the references to it the first `limit` are looked at.
        """
        graph = self._graph
        is_strong = graph.weak_references[graph.reverse.edges_to(object_id)] == 0
        sources = graph.reverse.sources_of(object_id)[is_strong][:limit]
        return set(self.owners_of(sources).tolist())

    def with_dicts(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """bool[n]: of a folded dict what is said of its owner, of all others the same."""
        result = mask.copy()
        result[self._dicts] = mask[self._owners]
        return result

    def parts_of(self, object_id: int) -> list[int]:
        """The object itself and the dicts shown as a part of it."""
        begin, end = np.searchsorted(self._sorted_owners, [object_id, object_id + 1])
        return [object_id, *self._dicts[self._by_owner[begin:end]].tolist()]

    def shallow_size(self, object_id: int) -> int:
        """Bytes of the object and its folded dicts."""
        return int(self._graph.shallow_sizes[self.parts_of(object_id)].sum())

    def retained_size(self, object_id: int) -> int:
        """Bytes that go with the object and its folded dicts: the minimum, as for any set."""
        retained = self._graph.dominators.retained_sizes
        beside = self._beside.get(object_id, ())
        return int(retained[object_id]) + sum(int(retained[one]) for one in beside)

    def native_size(self, object_id: int, shares: NativeShares | None = None) -> int:
        """Bytes of C code that go with them, an estimate; where `shares` are given, of these."""
        beside = self._beside.get(object_id, ())
        counted = self._graph.native_shares if shares is None else shares
        return counted.retained_by(object_id, *beside)

    def native_sizes(self, object_ids: U32) -> U64:
        """uint64[k], `native_size` of many objects; of one that is folded away its own."""
        shares = self._graph.native_shares
        sizes = shares.retained(object_ids)
        if len(shares):
            for row in np.flatnonzero(np.isin(object_ids, list(self._beside))).tolist():
                sizes[row] = self.native_size(int(object_ids[row]))
        return sizes

    def shown_retained_size(self, object_id: int) -> int:
        """`retained_size` of what is shown in an object's place: of a folded dict, its owner's."""
        return self.retained_size(self.owner_of(object_id))

    def retained_sizes(self, object_ids: U32) -> U64:
        """uint64[k], `retained_size` of many objects that are not folded away."""
        sizes = self._graph.dominators.retained_sizes[object_ids]
        for row in np.flatnonzero(self._has_beside[object_ids]).tolist():
            sizes[row] = self.retained_size(int(object_ids[row]))
        return sizes

    def children(self, object_id: int, limit: int | None = None) -> list[int]:
        """What the object and its folded dicts immediately dominate, largest first, then by id.

        Args:
            object_id: an object that is not folded away, or VIRTUAL_ROOT.
            limit: how many of the largest; None for all.

        Cost: vectorised; about 0.1 us a child with a limit.
        """
        shown = self.unsorted_children(object_id)
        sizes = self.retained_sizes(shown)
        if limit is not None and limit < len(shown):
            least = np.partition(sizes, len(sizes) - limit)[len(sizes) - limit]
            shown, sizes = shown[sizes >= least], sizes[sizes >= least]
        children: list[int] = shown[np.lexsort((shown, ~sizes))][:limit].tolist()
        return children

    def unsorted_children(self, object_id: int) -> U32:
        """`children` in no particular order, without the cost of sorting them."""
        parts = [VIRTUAL_ROOT] if object_id == VIRTUAL_ROOT else self.parts_of(object_id)
        tree = self._graph.dominators
        below = np.concatenate([tree.unsorted_children(part) for part in parts])
        is_shown = ~self._is_dict[below]
        if len(parts) > 1:
            is_shown &= below != object_id
        shown: U32 = below[is_shown]
        return shown

    def immediate_dominator(self, object_id: int) -> int:
        """The shown object above this one in the folded tree; may be VIRTUAL_ROOT, UNREACHABLE."""
        above = int(self._graph.dominators.idom[object_id])
        return above if above in (VIRTUAL_ROOT, UNREACHABLE) else self.owner_of(above)

    def chain(self, object_id: int) -> list[int]:
        """The shown objects above this one, the nearest first; empty under the virtual root.

        Cost: a look-up for each; above the end of a linked list there may be millions.
        """
        tree = self._graph.dominators
        above: list[U32] = []
        seen: set[int] = set()
        while object_id not in seen:
            seen.add(object_id)
            raw = np.array(tree.chain(object_id), np.uint32)
            owners = self.owners_of(raw)
            # What is above the dict of a module is not above the module: go on from there.
            apart = np.flatnonzero((owners != raw) & (tree.idom[raw] != owners))[:1].tolist()
            above.append(owners[: apart[0] + 1] if apart else owners)
            if apart:
                object_id = int(owners[apart[0]])
        found = np.concatenate(above)
        is_next = np.ones(len(found), np.bool_)
        is_next[1:] = found[1:] != found[:-1]  # a dict and the instance that it is a part of
        chain: list[int] = found[is_next].tolist()
        return chain

    @cached_property
    def _beside(self) -> dict[int, list[int]]:
        """The dicts of each owner that does not dominate them.

        These are modules: both hang from the roots, and their subtrees are apart.
        """
        apart = self._graph.dominators.idom[self._dicts] != self._owners
        beside: dict[int, list[int]] = defaultdict(list)
        for owner, one in zip(
            self._owners[apart].tolist(), self._dicts[apart].tolist(), strict=True
        ):
            beside[owner].append(one)
        return dict(beside)

    @cached_property
    def _is_dict(self) -> npt.NDArray[np.bool_]:
        """bool[n]: it is folded."""
        return self._marked(self._dicts)

    @cached_property
    def _has_beside(self) -> npt.NDArray[np.bool_]:
        """bool[n]: it is an owner in `_beside`."""
        return self._marked(np.array([*self._beside], np.uint32))

    def _marked(self, object_ids: U32) -> npt.NDArray[np.bool_]:
        marks = np.zeros(self._graph.object_count, np.bool_)
        marks[object_ids] = True
        return marks

    @cached_property
    def _by_owner(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.argsort(self._owners, kind="stable")

    @cached_property
    def _sorted_owners(self) -> U32:
        return self._owners[self._by_owner]


def _folded_dicts(graph: HeapGraph) -> tuple[U32, U32]:
    """Dicts to fold, rising, and the owner of each."""
    edges = rows_equal(graph.edge_kinds, EdgeKind.DICT)
    dicts = graph.targets[edges]
    places = np.searchsorted(graph.offsets, edges.astype(np.uint64), side="right")
    owners = (places - 1).astype(np.uint32)

    is_strong = graph.weak_references ^ np.uint8(1)
    held = graph_kernels.count_in_references(graph.object_count, graph.targets, is_strong)
    only_owned = (held[dicts] == 1) & ~np.isin(dicts, graph.roots.unique_targets)
    modules = graph.roots.targets[graph.roots.kinds == RootKind.MODULE]
    # A folded dict that lies above or beside its owner would pull the owner out of the tree,
    # unless the owner is at the top of it.
    of_module = np.isin(owners, modules) | (
        np.isin(owners, graph.objects_of_type("module")) & (graph.dominators.idom[dicts] == owners)
    )
    fold = (only_owned | of_module) & (owners != dicts)
    dicts, first = np.unique(dicts[fold], return_index=True)
    owners = owners[fold][first]
    shown = ~np.isin(owners, dicts)  # an owner that is itself folded away could not be shown
    return dicts[shown].astype(np.uint32), owners[shown]
