"""Objects grouped by how they are reached, with keys and positions left out.

All objects that are reached from one group by the same attribute, or from the items of one
container, and have the same type, form one group: `app.CACHE[*].history`. Two snapshots of a
program have nearly the same groups, whatever the addresses.

Source: LeakCanary's heap growth detector, after BLeak (Vilk and Berger, PLDI 2018).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.facts import HeapFacts
from heapgraph.analysis.expressions.literals import literal, text_of
from heapgraph.analysis.expressions.openings import root_names
from heapgraph.analysis.expressions.segments import is_attribute_name
from heapgraph.graph.references import EDGE_PREFERENCE
from heapgraph.model import NO_LABEL, NO_ROW, UNREACHABLE, EdgeKind, RootKind
from heapgraph.native import graph_kernels
from heapgraph.snapshot.arrow_arrays import arrow_array, numpy_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

MAX_DISTANCE = 100
"""References from a root; what lies deeper, such as the rest of a linked list, belongs to the group
above it."""

SMALL_DICT = 16
"""Keys of a dict with more entries than these are data, not names."""

ANY_ITEM = "[*]"
ANY_KEY = "<key>"
UNNAMED = "<reference>"

_OFFSET = re.compile(r" \+0x[0-9a-f]+")
"""Where in a struct of the interpreter a root lies."""

_LABEL_BITS = 32
_ITEM_KINDS = (EdgeKind.INDEX, EdgeKind.MEMBER, EdgeKind.VALUE, EdgeKind.STACK)
_FIXED_TEXTS: dict[int, str] = {
    EdgeKind.DICT: "",
    EdgeKind.INDEX: ANY_ITEM,
    EdgeKind.KEY: ANY_KEY,
    EdgeKind.TYPE: "<type>",
}
_NAME = 100
"""Stands beside the edge kinds for an entry of a namespace."""
_SMALL_DICT_KEY = 101


@dataclass(frozen=True)
class PathGroups:
    """The groups of one snapshot; g groups, parents before their children.

    Attributes:
        parents: int64[g], -1 for those of roots.
        texts: what leads to each from its parent, or the name of its root.
        types: qualified type name of each.
        counts: int64[g], objects in each.
        items: int64[g], items of the containers in each; keys do not count.
        sizes: int64[g], their shallow sizes, with those of what lies deeper than `MAX_DISTANCE`.
        of_object: int32[n], the group of each object; -1 where no path leads or it lies too deep.
    """

    parents: NDArray[np.int64]
    texts: list[str]
    types: list[str]
    counts: NDArray[np.int64]
    items: NDArray[np.int64]
    sizes: NDArray[np.int64]
    of_object: NDArray[np.int32]


def group_by_path(graph: HeapGraph) -> PathGroups:
    """Group the objects of a snapshot by their paths.

    Cost: a few passes over the references and one sort of the objects.
    """
    return _Grouping(graph).run()


class _Grouping:
    """Goes through the search tree of paths, one distance from the roots after another."""

    def __init__(self, graph: HeapGraph) -> None:
        self._graph = graph
        self._paths = graph.root_paths
        self._root_texts: list[str] = []
        self._facts = HeapFacts(graph)
        self._codes, self._code_rows = self._edge_codes()
        self._of_object = np.full(graph.object_count, -1, np.int32)
        self._parents: list[NDArray[np.int64]] = []
        self._texts: list[str] = []
        self._types: list[str] = []
        self._code_texts: dict[int, str] = {}
        self._count = 0

    def run(self) -> PathGroups:
        distance = self._paths.distance
        by_distance = np.argsort(distance, kind="stable")
        ends = np.searchsorted(distance[by_distance], np.arange(MAX_DISTANCE + 1), side="right")
        begin = 0
        for end in ends.tolist():
            if end > begin:
                self._add_level(by_distance[begin:end], is_first=begin == 0)
            begin = end
        sizes = self._sizes_with_deeper()
        known = np.flatnonzero(self._of_object >= 0)
        groups = self._of_object[known]

        def summed(values: NDArray[np.generic]) -> NDArray[np.int64]:
            weights = values[known].astype(np.float64)
            return np.bincount(groups, weights, minlength=self._count).astype(np.int64)

        return PathGroups(
            np.concatenate(self._parents) if self._parents else np.empty(0, np.int64),
            self._texts,
            self._types,
            np.bincount(groups, minlength=self._count),
            summed(self._facts.item_counts),
            summed(sizes),
            self._of_object,
        )

    def _add_level(self, objects: NDArray[np.int64], *, is_first: bool) -> None:
        """Group the objects at one distance; their parents have groups already."""
        graph = self._graph
        types = graph.type_ids[objects].astype(np.int64)
        if is_first:
            parents = np.full(len(objects), -1, np.int64)
            rows = self._root_rows(objects)
        else:
            parents = self._of_object[self._paths.parent[objects]].astype(np.int64)
            rows = self._code_rows[objects]
        row_count = int(rows.max()) + 1
        type_count = len(graph.type_names)
        keys = ((parents + 1) * row_count + rows) * type_count + types
        _, groups = _numbered(keys)
        count = int(groups.max()) + 1
        first = np.empty(count, np.int64)
        first[groups[::-1]] = np.arange(len(groups))[::-1]  # the last that is written stays
        self._of_object[objects] = groups + self._count
        self._count += count
        self._parents.append(parents[first])
        self._types += [graph.type_names[row] for row in types[first].tolist()]
        texts = self._root_text if is_first else self._code_text
        self._texts += [texts(row) for row in rows[first].tolist()]

    def _root_rows(self, objects: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the text that names the root of each object."""
        known: dict[str, int] = {}
        rows = []
        for object_id in objects.tolist():
            text = self._describe_root(self._paths.root_rows(object_id)[0])
            rows.append(known.setdefault(text, len(known)))
        self._root_texts = list(known)
        return np.array(rows, np.int64)

    def _root_text(self, row: int) -> str:
        return self._root_texts[row]

    def _describe_root(self, row: int) -> str:
        """A root's name without what differs from run to run: thread, line, number."""
        root = self._graph.roots.row(row)
        if root.kind is RootKind.FRAME and root.frame != NO_ROW:
            frame = self._graph.frames[root.frame]
            file = frame.file.rpartition("/")[2]
            return f"<{frame.function}() at {file}> {root.name}"
        if root.kind is RootKind.MODULE:
            return root.name
        if root.kind is RootKind.C_HELD:
            return "<held by C code>"
        kind = root.kind.name.lower().replace("_", " ")
        name = _OFFSET.sub("", root.name)
        return f"<{kind} {name}>" if name else f"<{kind}>"

    def _edge_codes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The distinct ways in which objects are reached, and the row of its way per object."""
        graph, facts = self._graph, self._facts
        edges = self._tree_edges(facts)
        reached = np.flatnonzero(edges >= 0)
        kinds = graph.edge_kinds[edges[reached]].astype(np.int64)
        labels = graph.labels[edges[reached]].astype(np.int64)
        sources = facts.sources[edges[reached]]
        is_value = kinds == EdgeKind.VALUE
        namespaces = facts.is_owned_dict.copy()
        namespaces[list(root_names(graph).namespaces)] = True
        is_small = facts.item_counts[sources] <= SMALL_DICT
        kinds[is_value & is_small] = _SMALL_DICT_KEY
        kinds[is_value & namespaces[sources]] = _NAME
        kinds[kinds == EdgeKind.ATTRIBUTE] = _NAME
        anything = np.isin(kinds, _ITEM_KINDS)
        kinds[anything] = EdgeKind.INDEX
        labels[anything | (kinds == EdgeKind.KEY)] = 0
        codes, rows = _numbered((kinds << _LABEL_BITS) | labels)
        of_object = np.zeros(graph.object_count, np.int64)
        of_object[reached] = rows
        return codes, of_object

    def _tree_edges(self, facts: HeapFacts) -> NDArray[np.int64]:
        """int64[n], the best-named reference by which each object's path reaches it, or -1."""
        graph = self._graph
        rank = np.empty(len(EDGE_PREFERENCE), np.int64)
        rank[list(EDGE_PREFERENCE)] = np.arange(len(EDGE_PREFERENCE))
        in_tree = (self._paths.parent[graph.targets] == facts.sources) & (self._paths.skip == 0)
        edges = np.flatnonzero(in_tree)
        best = np.full(graph.object_count, np.iinfo(np.int64).max, np.int64)
        shift = 40  # more references than any snapshot has
        np.minimum.at(best, graph.targets[edges], (rank[graph.edge_kinds[edges]] << shift) | edges)
        found = best != np.iinfo(np.int64).max
        return np.where(found, best & ((1 << shift) - 1), -1)

    def _code_text(self, row: int) -> str:
        if row not in self._code_texts:
            code = int(self._codes[row])
            self._code_texts[row] = self._describe(code >> _LABEL_BITS, code & NO_LABEL)
        return self._code_texts[row]

    def _describe(self, kind: int, label: int) -> str:
        """One way of being reached as text; empty for a `__dict__`, which is not shown."""
        graph = self._graph
        if kind in _FIXED_TEXTS:
            return _FIXED_TEXTS[kind]
        if kind == _SMALL_DICT_KEY:
            key = None if label == NO_LABEL else literal(graph, label)
            return ANY_ITEM if key is None else f"[{key}]"
        if kind in (_NAME, EdgeKind.LOCAL):
            name = text_of(graph, label) if label != NO_LABEL else None
            return f".{name}" if is_attribute_name(name) else f"<{name or 'attribute'}>"
        if kind in (EdgeKind.SLOT, EdgeKind.FIELD):
            name = graph.name(label)
            return f".{name}" if label != NO_LABEL else f"<{name}>"
        return UNNAMED

    def _sizes_with_deeper(self) -> NDArray[np.uint64]:
        """uint64[n], shallow sizes; what lies deeper than the groups is added to what holds it."""
        sizes = self._graph.shallow_sizes.copy()
        distance = self._paths.distance
        deeper = (distance > MAX_DISTANCE) & (distance < UNREACHABLE)
        if deeper.any():
            below = np.where(deeper, sizes, np.uint64(0))
            graph_kernels.sum_to_parents(self._paths.order, self._paths.parent, below)
            edge = distance == MAX_DISTANCE
            sizes[edge] += below[edge]
        return sizes


def _numbered(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct keys in the order of their first appearance, and the number of each key.

    By hashing: sorting, as `np.unique` does, takes ten times as long for few distinct keys.
    """
    encoded = arrow_array(keys).dictionary_encode()
    return numpy_array(encoded.dictionary), numpy_array(encoded.indices).astype(np.int64)
