"""Memory of C code by type and holder of the objects that lead to it, alone or several together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heapgraph.analysis.expressions import expression
from heapgraph.analysis.resident.holding import holders_of
from heapgraph.graph.native.holders import is_program_object, nearest_holder
from heapgraph.model import NATIVE_KIND_NAMES, VIRTUAL_ROOT, NativeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

OBJECT, SHARED = NATIVE_KIND_NAMES[NativeKind.OBJECT], NATIVE_KIND_NAMES[NativeKind.SHARED]

_Types = tuple[int, ...]
"""Rows of the table of types, rising: nothing says which of several the blocks are of."""


class _Sum:
    """Bytes, and the objects that own them: the same may share several groups of blocks."""

    def __init__(self) -> None:
        self.size = 0
        self._owners: list[NDArray[Any]] = []

    @property
    def owners(self) -> NDArray[Any]:
        return np.unique(np.concatenate(self._owners))

    def add(self, size: int, *owners: NDArray[Any]) -> None:
        self.size += size
        self._owners.extend(owners)

    def add_all(self, other: _Sum) -> None:
        self.add(other.size, *other._owners)


class OwnersByHolder:
    """Adds up who owns memory of C code.

    Args:
        graph: the snapshot.
    """

    def __init__(self, graph: HeapGraph) -> None:
        """Begin with nothing."""
        self._graph = graph
        self._shared: dict[tuple[str, _Types, int], _Sum] = {}  # by kind, types and holder
        self._alone: dict[tuple[str, _Types, str], _Sum] = {}

    def add_alone(self, owners: NDArray[Any], sizes: NDArray[np.uint64]) -> None:
        """Count what objects of one type own, each alone, for what holds them.

        Args:
            owners: their ids, at least one.
            sizes: bytes of each object of the heap.
        """
        types = _types_of(self._graph, owners[:1])
        for mine, holder in holders_of(self._graph, owners):
            found = self._alone.setdefault((OBJECT, types, holder), _Sum())
            found.add(int(sizes[mine].sum()), mine)

    def add_shared(self, owners: NDArray[np.uint32], dominator: int, size: int) -> None:
        """Count a group of blocks for what dominates its owners, or else holds most of them.

        A variable that has one of the items of a container as well makes a module, or the roots,
        the only ones that have them all: then the container says where to look.

        Args:
            owners: ids, at least one.
            dominator: of all of them, VIRTUAL_ROOT for none.
            size: bytes.
        """
        kind = OBJECT
        if is_program_object(self._graph, dominator):
            kind = SHARED
            most = nearest_holder(self._graph, owners)
            dominator = dominator if most is None else most
        key = (kind, _types_of(self._graph, owners), dominator)
        self._shared.setdefault(key, _Sum()).add(size, owners)

    def rows(self) -> Iterator[tuple[str, str, int, NDArray[Any]]]:
        """Kind, how to reach the holder ("" for none), bytes, and ids of the owners.

        What items of one container have, each for itself, is the container's: a session has a
        connection and its cursor, and a dict has the sessions.
        """
        sums: dict[tuple[str, _Types, str], _Sum] = {}
        for (kind, types, holder), part in self._outermost().items():
            text = "" if holder == VIRTUAL_ROOT else expression(self._graph, holder)
            sums.setdefault((kind, types, text), _Sum()).add_all(part)
        for key, part in self._alone.items():
            sums.setdefault(key, _Sum()).add_all(part)
        for (kind, _, text), part in sums.items():
            yield kind, text, part.size, part.owners

    def _outermost(self) -> dict[tuple[str, _Types, int], _Sum]:
        """What is shared, by the container that has most of the holders of a kind and types."""
        found: dict[tuple[str, _Types, int], _Sum] = {}
        tree = self._graph.dominators
        by_kind: dict[tuple[str, _Types], list[int]] = {}
        for kind, types, holder in self._shared:
            by_kind.setdefault((kind, types), []).append(holder)
        for (kind, types), holders in by_kind.items():
            inner = np.array([one for one in holders if one != VIRTUAL_ROOT], np.uint32)
            most = nearest_holder(self._graph, inner) if len(inner) > 1 else None
            inside: set[int] = set()
            if most is not None and not is_program_object(self._graph, most):
                inside = {one for one in inner.tolist() if tree.dominates(most, one)}
            for holder in holders:
                above = most if most is not None and holder in inside else holder
                part = self._shared[kind, types, holder]
                found.setdefault((kind, types, above), _Sum()).add_all(part)
        return found


def _types_of(graph: HeapGraph, objects: NDArray[Any]) -> _Types:
    return tuple(np.unique(graph.type_ids[objects]).tolist())
