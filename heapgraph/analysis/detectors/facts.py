"""Arrays that several detectors need, computed once per heap."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from heapgraph.analysis.execution.suspended_code import name_rows
from heapgraph.graph.csr import rows_of, rows_of_many
from heapgraph.model import ITEM_KINDS, NO_LABEL, UNREACHABLE, EdgeKind, ObjectFlags
from heapgraph.native.reference_kernels import count_out_references, reference_sources
from heapgraph.snapshot.plain_tables import numpy_array

if TYPE_CHECKING:
    from collections.abc import Collection

    import pyarrow as pa
    from numpy.typing import NDArray

    from heapgraph.analysis.detectors.base import Evidence
    from heapgraph.graph.heap_graph import HeapGraph

CONTAINER_TYPES = (
    "dict",
    "list",
    "set",
    "collections.deque",
    "collections.OrderedDict",
    "collections.defaultdict",
)
_FEW = 20
"""References are looked up one by one while they are fewer than this part of all."""

GC_HEAD = 16
"""Bytes before every object that the collector tracks (Include/internal/pycore_gc.h)."""


_Many = TypeVar("_Many", "NDArray[Any]", "list[Evidence]")


class HeapFacts:
    """A graph with what detectors ask of all its objects at once; n objects, m references.

    Only reachable objects are handed out, unless something else is said.

    Attributes:
        least: bytes that a finding must waste to be reported; of the detector that runs.
        left_out: candidates large enough to be reported that detectors did not look at, each being
            smaller than others.

    Args:
        graph: the snapshot.
    """

    def __init__(self, graph: HeapGraph) -> None:
        """Compute nothing yet."""
        self.graph = graph
        self.least = 1
        self.left_out = 0

    def first(self, candidates: _Many, most: int, sizes: NDArray[Any]) -> _Many:
        """The first of what a detector could report.

        How many it never looks at is counted, as far as they might be reported.

        Args:
            candidates: in the order in which they are reported.
            most: how many are looked at.
            sizes: bytes that each may waste at most.
        """
        self.left_out += int(np.count_nonzero(sizes[most:] >= self.least))
        return candidates[:most]

    @cached_property
    def sources(self) -> NDArray[np.uint32]:
        """uint32[m], the referrer of each reference; `sources_of` where few are asked for."""
        return reference_sources(self.graph.offsets)

    @cached_property
    def is_reachable(self) -> NDArray[np.bool_]:
        """bool[n]."""
        return np.asarray(self.graph.dominators.idom != UNREACHABLE)

    @cached_property
    def is_permanent(self) -> NDArray[np.bool_]:
        """bool[n]: immortal objects and those in the program's own data."""
        return np.asarray((self.graph.flags & (ObjectFlags.IMMORTAL | ObjectFlags.STATIC)) != 0)

    @cached_property
    def is_item(self) -> NDArray[np.bool_]:
        """bool[m]: the reference leads from a container to something in it; keys do not count."""
        wanted = np.zeros(256, np.bool_)
        wanted[list(ITEM_KINDS)] = True
        return wanted[self.graph.edge_kinds]

    @cached_property
    def item_counts(self) -> NDArray[np.uint32]:
        """uint32[n], items of each container."""
        return self.count_references(self.is_item)

    @cached_property
    def dict_owner(self) -> NDArray[np.int64]:
        """int64[n]: the object whose `__dict__` this is, or -1."""
        owner = np.full(self.graph.object_count, -1, np.int64)
        edges = np.flatnonzero(self.graph.edge_kinds == EdgeKind.DICT)
        owner[self.graph.targets[edges]] = self.sources_of(edges)
        return owner

    @cached_property
    def is_owned_dict(self) -> NDArray[np.bool_]:
        """bool[n]: it is the `__dict__` of something."""
        owned = np.zeros(self.graph.object_count, np.bool_)
        owned[self.graph.targets[self.graph.edge_kinds == EdgeKind.DICT]] = True
        return owned

    def sources_of(self, edges: NDArray[np.integer]) -> NDArray[np.uint32]:
        """uint32[k], the referrers of some references."""
        graph = self.graph
        if "sources" in self.__dict__ or len(edges) > graph.reference_count // _FEW:
            sources: NDArray[np.uint32] = self.sources[edges]
            return sources
        rows = np.searchsorted(graph.offsets, edges.astype(np.uint64), side="right")
        return (rows - 1).astype(np.uint32)

    @cached_property
    def previews(self) -> pa.StringArray:
        """Of every object the text of its value, or null."""
        return self.graph.all_previews

    @cached_property
    def type_columns(self) -> dict[str, NDArray[np.int64]]:
        """`object`, `basicsize`, `flags` of the types table, by row of types."""
        table = self.graph.table("types")
        return {
            name: numpy_array(table.column(name)).astype(np.int64)
            for name in ("object", "basicsize", "flags")
        }

    def is_of_types(self, *names: str) -> NDArray[np.bool_]:
        """bool[n]: the object's type has one of these exact names, reachable or not."""
        return self.graph.is_of_types(self.graph.type_mask(names))

    def of_types(self, *names: str) -> NDArray[np.uint32]:
        """uint32[k], ids of the reachable objects of these types, rising."""
        return self.ids(self.is_of_types(*names) & self.is_reachable)

    def ids(self, mask: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """uint32[k], where a bool[n] is true."""
        return np.flatnonzero(mask).astype(np.uint32)

    def size(self, members: NDArray[np.uint32]) -> int:
        """Shallow size of some objects together."""
        return int(self.graph.shallow_sizes[members].sum())

    def retained(self, members: NDArray[np.uint32] | Collection[int]) -> int:
        """Bytes that go for certain with all of these objects; unreachable ones have none."""
        ids = np.asarray(members, np.uint32)
        return self.graph.dominators.minimum_retained_size(ids) if len(ids) else 0

    def references(
        self, members: NDArray[np.uint32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All references of some objects: position in `members` and row, per reference."""
        return rows_of_many(self.graph.offsets, members)

    def names(self, *names: str) -> list[int]:
        """Rows of the names table: labels of fields and slots so called."""
        return name_rows(self.graph, names)

    def string_ids(self, text: str) -> NDArray[np.uint32]:
        """uint32[k], ids of the str objects that are this text, as names in code are: interned."""
        return np.array(self._interned.get(text, ()), np.uint32)

    @cached_property
    def _interned(self) -> dict[str, list[int]]:
        """Interned strings by their texts; all strings of a heap in which none is marked."""
        graph = self.graph
        is_str = self.is_of_types("str")
        ids = self.ids(is_str & ((graph.flags & ObjectFlags.INTERNED) != 0))
        if not len(ids):
            ids = self.ids(is_str)
        found: dict[str, list[int]] = {}
        for object_id, text in zip(ids.tolist(), graph.previews(ids), strict=True):
            if text is not None:
                found.setdefault(text, []).append(object_id)
        return found

    def count_references(self, counted: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """uint32[n], how many of its references count for each object; counted is bool[m]."""
        return count_out_references(self.graph.offsets, counted.view(np.uint8))

    def attribute(self, members: NDArray[np.uint32], *names: str) -> NDArray[np.int64]:
        """int64[k]: what an attribute of each object is, wherever it is kept; -1 where missing.

        Args:
            members: uint32[k].
            names: of the attribute; of several, any.
        """
        graph = self.graph
        found = np.full(len(members), -1, np.int64)
        owner, edges = self.references(members)
        kinds, labels = graph.edge_kinds[edges], graph.labels[edges]
        texts = np.concatenate([self.string_ids(name) for name in names])
        is_dict = kinds == EdgeKind.DICT
        dict_owner, dict_edges = self.references(graph.targets[edges[is_dict]])
        in_dict = (graph.edge_kinds[dict_edges] == EdgeKind.VALUE) & np.isin(
            graph.labels[dict_edges], texts
        )
        found[owner[is_dict][dict_owner[in_dict]]] = graph.targets[dict_edges[in_dict]]
        direct = (kinds == EdgeKind.ATTRIBUTE) & np.isin(labels, texts)
        direct |= np.isin(kinds, [EdgeKind.SLOT, EdgeKind.FIELD]) & np.isin(
            labels, self.names(*names)
        )
        found[owner[direct]] = graph.targets[edges[direct]]
        return found

    def has_value(self, objects: NDArray[np.int64], text: str) -> NDArray[np.bool_]:
        """bool[k]: the object is there and its value is written like this (`None`, `False`)."""
        there = np.flatnonzero(objects >= 0)
        result = np.zeros(len(objects), np.bool_)
        ids = objects[there].astype(np.uint32)
        if text == "None":
            result[there] = self.is_of_types("NoneType")[ids]
        else:
            result[there] = [preview == text for preview in self.graph.previews(ids)]
        return result

    def dominated_by(self, holder: int, objects: NDArray[np.integer]) -> NDArray[np.bool_]:
        """bool[k]: each object goes with the holder."""
        order = self.graph.dominators.order
        first = int(order.position[holder])
        places = order.position[objects].astype(np.int64)
        if first == UNREACHABLE:
            return np.zeros(len(objects), np.bool_)
        inside: NDArray[np.bool_] = (places > first) & (
            places < first + int(order.subtree_count[holder])
        )
        return inside

    def entries(self, mapping: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Keys and values of a dict, as object ids; without those whose key was not found."""
        graph = self.graph
        rows = rows_of(graph.offsets, mapping)
        edges = np.flatnonzero(graph.edge_kinds[rows] == EdgeKind.VALUE) + rows.start
        edges = edges[graph.labels[edges] != NO_LABEL]
        return graph.labels[edges], graph.targets[edges]


def sums_by_group(
    groups: NDArray[np.integer], values: NDArray[np.uint64], count: int
) -> NDArray[np.int64]:
    """int64[count], sums of values by group number; exact up to 2**53 bytes a group."""
    return np.bincount(groups, weights=values.astype(np.float64), minlength=count).astype(np.int64)
