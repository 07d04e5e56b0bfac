"""The heap as a graph: every question about a snapshot starts here."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.errors import ObjectNotFound
from heapgraph.graph.alternative_paths import all_paths
from heapgraph.graph.csr import rows_of
from heapgraph.graph.dominators import DominatorTree
from heapgraph.graph.folding import FoldedTree
from heapgraph.graph.kept_columns import KeptColumns
from heapgraph.graph.native.nearest import NativeOwned, nearest_owners
from heapgraph.graph.native.shares import NativeShares, native_shares
from heapgraph.graph.native.sizes import NativeGroups, native_groups
from heapgraph.graph.native.weighed import weighed
from heapgraph.graph.object_sets import sum_where
from heapgraph.graph.paths import NOTHING_EXCLUDED, PathExclusions, RootPaths, search_paths
from heapgraph.graph.references import Reference, ReverseReferences
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeFlags, EdgeKind
from heapgraph.native import graph_kernels
from heapgraph.native.scans import rows_equal, rows_where

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    import networkx as nx
    from numpy.typing import NDArray

    from heapgraph.graph.cache import ArrayCache
    from heapgraph.graph.networkx.graph import SnapshotDiGraph
    from heapgraph.graph.paths import RootPath
    from heapgraph.native.graph_kernels import U32, U64


_FEW_TYPES = 4
"""To compare with each takes less time than to look up the answer for the type of every object."""


class HeapGraph(KeptColumns):
    """Objects, references and roots of one snapshot, with what is derived from them.

    Everything is read or computed when first used and then kept; dominators, paths, reverse
    references and the columns of a large snapshot are also kept on disk (`graph/cache.py`). Weak
    references never retain and are on no path. Not safe to share between threads while something
    is computed for the first time.

    Args:
        source: an open snapshot, or tables made by hand.
        use_cache: False keeps nothing on disk.
    """

    @classmethod
    def open(cls, path: str | Path) -> HeapGraph:
        """Open a snapshot file.

        Raises:
            SnapshotFormatError: the file is not a whole snapshot.

        Cost: the manifest only; columns are read when they are used.
        """
        from heapgraph.snapshot.reader import open_snapshot  # noqa: PLC0415 - graphs of arrays need no file

        return cls(open_snapshot(path))

    def kept(
        self,
        shapes: Mapping[str, tuple[type[np.generic], int]],
        compute: Callable[[], Sequence[NDArray[Any]]],
    ) -> list[NDArray[Any]]:
        """Arrays that belong together, from the cache on disk, or computed and put there.

        Args:
            shapes: dtype and length by name.
            compute: called where one of them is not there; returns them in the order of `shapes`.
        """
        arrays = self._cache.load(shapes)
        if arrays is None:
            arrays = dict(zip(shapes, compute(), strict=True))
            self._cache.store(arrays)
        return list(arrays.values())

    @property
    def cache(self) -> ArrayCache:
        """What is kept of this snapshot between runs."""
        return self._cache

    @cached_property
    def reverse(self) -> ReverseReferences:
        """References grouped by referent. Cost: 0.4-0.7 s for 30 million, once."""
        count, references = self.object_count, self.reference_count
        shapes: dict[str, tuple[type[np.generic], int]] = {
            "reverse_offsets": (np.uint64, count + 1),
            "reverse_sources": (np.uint32, references),
            "reverse_edges": (np.uint64, references),
        }
        arrays = self.kept(
            shapes, lambda: graph_kernels.reverse_references(self.offsets, self.targets)
        )
        return ReverseReferences(*arrays)

    @cached_property
    def dominators(self) -> DominatorTree:
        """Immediate dominators and retained sizes. Cost: 2-4 s for 10 million objects, once."""
        shapes: dict[str, tuple[type[np.generic], int]] = {
            "idom": (np.uint32, self.object_count),
            "retained": (np.uint64, self.object_count),
        }
        arrays = self.kept(
            shapes,
            lambda: graph_kernels.dominator_tree(
                self.offsets,
                self.targets,
                self.roots.unique_targets,
                self.shallow_sizes,
                self.weak_references,
            ),
        )
        return DominatorTree(*arrays)

    @cached_property
    def native_groups(self) -> NativeGroups:
        """Blocks of C code by the objects that lead to them. Cost: the dominator tree, once."""
        return native_groups(self.exact)

    @cached_property
    def native_shares(self) -> NativeShares:
        """Bytes of C code that objects have and that go with them: estimates."""
        return native_shares(self.exact)

    @property
    def native_sizes(self) -> U64:
        """uint64[n], bytes of C code that each object has: an estimate, see `native.shares`.

        Zeros where the snapshot does not know.
        """
        return self.native_shares.of_each()

    @cached_property
    def native_owned(self) -> NativeOwned:
        """Blocks of C code, each for the nearest owner: estimates. Cost: the root paths, once."""
        return nearest_owners(self.exact)

    @cached_property
    def native_retained(self) -> U64:
        """uint64[n], bytes of C code that go with each object: an estimate, as `native_sizes` is.

        The sum of what the object dominates; not a part of `retained_sizes`, which are exact. Cost:
        the dominator tree in its order, and 0.1 us an object; ask `native_shares` for a few.
        """
        return self.native_shares.retained(np.arange(self.object_count, dtype=np.uint32))

    @cached_property
    def weighed(self) -> HeapGraph:
        """This heap with native memory in its sizes; see `native.weighed`. For ranking only."""
        return weighed(self)

    @property
    def exact(self) -> HeapGraph:
        """The heap with exact sizes: this one, but for one that `weighed` returned."""
        exact: HeapGraph = self.__dict__.get("exact_graph", self)
        return exact

    @cached_property
    def root_paths(self) -> RootPaths:
        """Shortest paths from the roots. Cost: under 1 s for 10 million objects, once."""
        shapes: dict[str, tuple[type[np.generic], int]] = {
            "path_parent": (np.uint32, self.object_count),
            "path_distance": (np.uint32, self.object_count),
        }
        if self._cache.is_off:
            return search_paths(self)
        reached = int(np.count_nonzero(self.dominators.idom != UNREACHABLE))
        arrays = self._cache.load({**shapes, "path_order": (np.uint32, reached)})
        if arrays is not None:
            parent, distance, order = arrays.values()
            return RootPaths(self, parent, distance, order)
        paths = search_paths(self)
        self._cache.store(
            {
                "path_parent": paths.parent,
                "path_distance": paths.distance,
                "path_order": paths.order,
            }
        )
        return paths

    def root_paths_without(self, exclusions: PathExclusions) -> RootPaths:
        """Paths that avoid kinds of roots or references. Cost: a new search every time."""
        return self.root_paths if exclusions == NOTHING_EXCLUDED else search_paths(self, exclusions)

    def all_paths(
        self, object_id: int, limit: int, exclusions: PathExclusions = NOTHING_EXCLUDED
    ) -> list[RootPath]:
        """Up to `limit` different paths to an object; see `alternative_paths.all_paths`."""
        return all_paths(self.root_paths_without(exclusions), self.reverse, object_id, limit)

    @cached_property
    def folded(self) -> FoldedTree:
        """The dominator tree with every `__dict__` shown as a part of its owner."""
        return FoldedTree(self)

    def type_name(self, object_id: int) -> str:
        """Qualified name of an object's type."""
        return self.type_names[int(self.type_ids[object_id])]

    def reference(self, edge_index: int) -> Reference:
        """One row of the references table as a record."""
        source = int(np.searchsorted(self.offsets, np.uint64(edge_index), side="right")) - 1
        return Reference(
            source,
            int(self.targets[edge_index]),
            EdgeKind(int(self.edge_kinds[edge_index])),
            int(self.labels[edge_index]),
            EdgeFlags(int(self.edge_flags[edge_index])),
            edge_index,
        )

    def references(self, edge_indexes: Sequence[int]) -> list[Reference]:
        """Many rows of the references table. Cost: 1 us each, a fifth of one by one."""
        rows = np.array(edge_indexes, np.int64)
        sources = np.searchsorted(self.offsets, rows.astype(np.uint64), side="right") - 1
        kinds, flags = self.edge_kinds[rows], self.edge_flags[rows]
        kind_of = {number: EdgeKind(number) for number in np.unique(kinds).tolist()}
        flags_of = {number: EdgeFlags(number) for number in np.unique(flags).tolist()}
        return list(
            map(
                Reference,
                sources.tolist(),
                self.targets[rows].tolist(),
                map(kind_of.__getitem__, kinds.tolist()),
                self.labels[rows].tolist(),
                map(flags_of.__getitem__, flags.tolist()),
                rows.tolist(),
            )
        )

    def referents(self, object_id: int) -> list[Reference]:
        """What an object refers to, weak references too, in the order of the table."""
        rows = rows_of(self.offsets, object_id)
        return [self.reference(edge) for edge in range(rows.start, rows.stop)]

    def referrers(self, object_id: int) -> list[Reference]:
        """What refers to an object, weak references too, by rising source."""
        return [self.reference(int(edge)) for edge in self.reverse.edges_to(object_id)]

    def find_address(self, address: int) -> int:
        """The object at an address.

        Raises:
            ObjectNotFound: no object begins there.
        """
        if 0 <= address < 2**64:
            row = int(np.searchsorted(self.addresses, np.uint64(address)))
            if row < self.object_count and int(self.addresses[row]) == address:
                return row
        raise ObjectNotFound(
            f"no object at address {_shown_address(address)}",
            "it was freed before the snapshot, or the address is not an object's first byte",
            "look for it by type: heapgraph histogram FILE",
        )

    def objects_of_type(self, pattern: str) -> U32:
        """Ids of all objects whose qualified type name fits, rising.

        Args:
            pattern: the exact name, `*` standing for any characters.
        """
        expression = re.compile(".*".join(map(re.escape, re.split(r"\*+", pattern))), re.DOTALL)
        fits = np.array([expression.fullmatch(name) is not None for name in self.type_names], bool)
        rows = np.flatnonzero(fits).tolist()
        if len(rows) == 1:
            return rows_equal(self.type_ids, rows[0]).astype(np.uint32)
        return rows_where(lambda types: fits[types], self.type_ids).astype(np.uint32)

    def is_of_types(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """bool[n], whether the type of each object is one of some.

        Args:
            mask: bool[types].

        Cost: a tenth for one type, or for a few: 10 ms for 10 million objects.
        """
        rows = np.flatnonzero(mask)
        if len(rows) > _FEW_TYPES:
            return mask[self.type_ids]
        result = np.zeros(self.object_count, np.bool_)
        for row in rows.tolist():
            result[rows_equal(self.type_ids, row)] = True
        return result

    def type_mask(self, names: Collection[str]) -> NDArray[np.bool_]:
        """bool[types], whether each has one of these exact qualified names."""
        return np.array([name in names for name in self.type_names], np.bool_)

    @cached_property
    def reachable_size(self) -> int:
        """Shallow size of everything the roots reach, bytes."""
        tree = self.dominators
        return int(tree.retained_sizes[tree.idom == VIRTUAL_ROOT].sum())

    @cached_property
    def unreachable_size(self) -> int:
        """Shallow size of everything no root reaches, bytes."""
        return int(self.shallow_sizes.sum()) - self.reachable_size

    @property
    def total_size(self) -> int:
        """Shallow size of all objects, dead or alive, bytes."""
        return self.reachable_size + self.unreachable_size

    def retained_by_type(self) -> U64:
        """uint64[types], bytes that go for certain with all objects of a type (the minimum)."""
        return self.dominators.minimum_retained_by_group(self.type_ids, len(self.type_names))

    def set_retained_size(self, object_ids: Sequence[int] | U32) -> int:
        """Exactly the bytes that become unreachable when all members of a set go together.

        Cost: one search, 0.5-1 s for 10 million objects; `dominators.minimum_retained_size` is
        free and less or equal.
        """
        removed = np.asarray(object_ids, np.uint32)
        mark = np.zeros(self.object_count, np.uint8)
        mark[removed] = 1  # as if they were seen already: no search goes on through them
        roots = self.roots.unique_targets
        left = graph_kernels.reachable(
            self.offsets, self.targets, roots, self.weak_references, mark
        )
        left[removed] = 0
        return self.reachable_size - sum_where(self.shallow_sizes, left.view(np.bool_))

    def as_networkx(self) -> SnapshotDiGraph:
        """The whole snapshot as a graph that networkx computes on without a conversion."""
        from heapgraph.graph.networkx.graph import SnapshotDiGraph  # noqa: PLC0415 - only here

        return SnapshotDiGraph(self)

    def to_networkx(self, object_ids: Sequence[int] | U32) -> nx.DiGraph[Any]:
        """A cut-out as an ordinary networkx graph; about 1 KiB of memory an object."""
        from heapgraph.graph.networkx.graph import cut_out  # noqa: PLC0415 - only here

        return cut_out(self, object_ids)


def _shown_address(address: int) -> str:
    """An address as it is typed; one that no 64-bit process has may be long, and is cut."""
    text = f"{address:#x}"
    return text if abs(address) < 2**64 else f"{text[:20]}... of more than 64 bits"
