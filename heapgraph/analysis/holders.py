"""The few objects to look at first: where the bytes are gathered, none of them inside another."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from heapgraph.analysis.object_rows import ObjectRow, object_row
from heapgraph.analysis.results import TableResult
from heapgraph.model import VIRTUAL_ROOT, RootKind

if TYPE_CHECKING:
    from heapgraph.analysis.registry import Progress
    from heapgraph.graph.heap_graph import HeapGraph

DEFAULT_LIMIT = 5

PASS_ON_SHARE = 0.7
"""An object that passes this share of what it retains to one child is only on the way: the child
is looked at instead. Eclipse MAT's accumulation point uses the same limit."""

OWN_TABLE_SHARE = 0.1
"""The interpreter's own tables are holders from this share of the heap on: below it, they are what
every program has, and nobody can do anything about them."""

BESIDE_SHARE = 0.01
"""What hangs beside the way to a holder is looked at from this share of the heap on: the rest is
small change, keys and names mostly."""

_OWN_ROOTS = (RootKind.INTERPRETER, RootKind.INTERNED, RootKind.BUILTINS, RootKind.STATIC_TYPE)
_OWN_MODULES = frozenset(
    {"sys", "builtins", "_imp", "_frozen_importlib", "_frozen_importlib_external", "zipimport"}
    | {"importlib._bootstrap", "importlib._bootstrap_external"}
)

_MORE_CHILDREN = 10
"""Children taken besides those that can become a row: some may be the interpreter's tables."""

_MAX_STEPS_DOWN = 40
"""A linked list passes everything on, item after item: after so many steps its first item is the
holder."""


@dataclass(frozen=True)
class Holders(TableResult):
    """Objects where bytes gather, largest first; none dominates another."""

    rows_field: ClassVar[str] = "objects"

    objects: tuple[ObjectRow, ...]


def find_holders(
    graph: HeapGraph, *, progress: Progress | None = None, limit: int = DEFAULT_LIMIT
) -> Holders:
    """The holders with what is said of each; see `holder_ids`. Native memory counts as well.

    Args:
        graph: the snapshot.
        progress: told when the dominator tree is computed.
        limit: how many rows.

    Cost: the dominator tree, then the children of the few largest objects, and their growth.
    """
    if progress is not None:
        progress("dominator tree", 0, 0)
    ids = holder_ids(graph.weighed, limit)
    return Holders(tuple(object_row(graph, object_id) for object_id in ids))


def holder_ids(graph: HeapGraph, limit: int = DEFAULT_LIMIT) -> list[int]:
    """Walk the folded dominator tree from the top and stop where the bytes are gathered.

    A module is never a holder, its globals are: everybody knows that the program is in its
    modules. Nor is an object that passes most of its size on to one child; what else it holds is
    looked at apart. The interpreter's own tables are left out below a tenth of the heap.

    Args:
        graph: the snapshot.
        limit: how many.

    Returns:
        Object ids, the largest first.

    Cost: the dominator tree, then the children of the few largest objects.
    """
    found: list[int] = []
    queue = _Queue(graph, limit)
    queue.add_children(VIRTUAL_ROOT)
    while queue and len(found) < limit:
        object_id, is_gathering_point = queue.pop()
        if is_gathering_point:
            if not _is_small_table(graph, object_id):
                found.append(object_id)
        elif graph.type_name(object_id) == "module" and graph.folded.children(object_id, 1):
            queue.add_children(object_id)
        else:
            point, passed = _gathering_point(graph, object_id, limit)
            queue.add(point, is_gathering_point=True)
            for other in passed:
                if graph.folded.retained_size(other) >= BESIDE_SHARE * graph.reachable_size:
                    queue.add(other, is_gathering_point=False)
    return found


def is_own_table(graph: HeapGraph, object_id: int) -> bool:
    """Whether it is the interpreter, and not the program, that holds an object.

    Args:
        graph: the snapshot.
        object_id: the object.
    """
    path = graph.root_paths.path_to(object_id)
    if path is None:
        return False
    root = graph.roots.row(path.root)
    return root.kind in _OWN_ROOTS or (root.kind is RootKind.MODULE and root.name in _OWN_MODULES)


def _is_small_table(graph: HeapGraph, object_id: int) -> bool:
    retained = graph.folded.retained_size(object_id)
    return retained < OWN_TABLE_SHARE * graph.reachable_size and is_own_table(graph, object_id)


def _gathering_point(graph: HeapGraph, object_id: int, limit: int) -> tuple[int, list[int]]:
    """The object below this one at which the bytes part, or begin to be its own.

    Returns:
        The object, and what hangs beside the way to it.
    """
    point, passed = object_id, list[int]()
    for _ in range(_MAX_STEPS_DOWN):
        children = graph.folded.children(point, limit)
        retained = graph.folded.retained_size(point)
        if not children or graph.folded.retained_size(children[0]) < PASS_ON_SHARE * retained:
            return point, passed
        point = children[0]
        passed += children[1:]
    return object_id, []


class _Queue:
    """Objects of the tree still to look at, the largest first; those to be shown are marked."""

    def __init__(self, graph: HeapGraph, limit: int) -> None:
        self._graph = graph
        self._limit = limit
        self._heap: list[tuple[int, int, bool]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add_children(self, object_id: int) -> None:
        """Add the largest children; nearly every entry ends as a row, so few more are needed."""
        for child in self._graph.folded.children(object_id, self._limit + _MORE_CHILDREN):
            self.add(child, is_gathering_point=False)

    def add(self, object_id: int, *, is_gathering_point: bool) -> None:
        retained = self._graph.folded.retained_size(object_id)
        heapq.heappush(self._heap, (-retained, object_id, is_gathering_point))

    def pop(self) -> tuple[int, bool]:
        _, object_id, is_gathering_point = heapq.heappop(self._heap)
        return object_id, is_gathering_point
