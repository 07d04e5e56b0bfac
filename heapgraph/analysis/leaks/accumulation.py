"""Where below a large object the bytes gather: the container that grows, and what is in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.expressions.carriers import LINK_TYPES, MIN_LINKS
from heapgraph.graph.csr import rows_of_many
from heapgraph.model import UNREACHABLE, VIRTUAL_ROOT, EdgeKind, ObjectFlags, RootKind
from heapgraph.native.scans import are_among, has_bits, rows_equal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

DROP_SHARE = 0.7
"""Below an object whose largest child retains less than this share of it, bytes part. Eclipse MAT,
FindLeaksQuery: `big_drop_ratio`."""

MAX_STEPS = 1000
"""How far to walk down; Eclipse MAT, FindLeaksQuery: `max_depth`. Linked lists are longer."""

MANY_CHILDREN = 20
"""So many children of one type are content that was added, not the parts of a structure."""

VERY_MANY = 1000
"""So many are content with half of that share, too: each brings a name, a key, a list."""

CONTENT_SHARE = 0.5
"""The children of one type are what an object is there for when they have this share of it."""

TELLING_SHARE = 0.1
"""A class is what a tuple is about when it has this share of the tuple's bytes: beside a response
there may be a larger plain buffer."""

_MAX_ABOVE = 200
"""Dominators above a suspect that are looked at."""

_MAX_WRAPPERS = 3
"""Objects of built-in types between a container and what its items are about: an item of a list may
be a tuple, a bound method, or a closure with its cell."""

_STRUCTURE_ROOTS = (RootKind.BUILTINS, RootKind.STATIC_TYPE, RootKind.INTERNED)
_STRUCTURE_FIELDS = frozenset({"modules", "modules_by_index", "sysdict", "builtins", "importlib"})
"""The interpreter's own tables: what is in them is looked at, they are not."""


@dataclass(frozen=True)
class Content:
    """The most weighty kind of thing that an object dominates.

    Attributes:
        type_name: qualified name of the type.
        members: uint32[k], the objects of this type that it immediately dominates, largest first.
        retained_size: bytes of all of them together.
    """

    type_name: str
    members: NDArray[np.uint32]
    retained_size: int


def structure_mask(graph: HeapGraph) -> NDArray[np.bool_]:
    """bool[n], true for modules, classes and the interpreter's tables, with their `__dict__`s."""
    is_structure = has_bits(graph.flags, ObjectFlags.IS_TYPE)
    is_structure[graph.objects_of_type("module")] = True
    roots = graph.roots
    for row in rows_equal(roots.kinds, RootKind.INTERPRETER).tolist():
        if roots.names[row].partition(" ")[0] in _STRUCTURE_FIELDS:
            is_structure[roots.targets[row]] = True
    of_kind = are_among(roots.kinds, (*_STRUCTURE_ROOTS, RootKind.MODULE))
    is_structure[roots.targets[of_kind]] = True
    _, edges = rows_of_many(graph.offsets, np.flatnonzero(is_structure))
    is_structure[graph.targets[edges[graph.edge_kinds[edges] == EdgeKind.DICT]]] = True
    return is_structure


def accumulation_point(graph: HeapGraph, object_id: int) -> int:
    """Walk down the largest dominated child until it drops sharply.

    Args:
        graph: the snapshot.
        object_id: where to begin.

    Returns:
        The last object before the drop; on a linked list its first object; an instance in place of
        its own `__dict__`.

    Cost: the children of the objects on the way.
    """
    chain = [object_id]
    while len(chain) <= MAX_STEPS:
        child = _largest_child(graph, chain[-1])
        if child is None or not passes_on(graph, chain[-1], child):
            break
        chain.append(child)
    # A link may have its `__dict__` between it and the next one: that is a part of it.
    chain = list(dict.fromkeys(graph.folded.owner_of(each) for each in chain))
    types = [int(graph.type_ids[link]) for link in chain]
    commonest, count = Counter(types).most_common(1)[0]
    is_list = count >= (2 if graph.type_names[commonest] in LINK_TYPES else MIN_LINKS)
    return chain[types.index(commonest)] if is_list else chain[-1]


def dominators_of(graph: HeapGraph, point: int, is_structure: NDArray[np.bool_]) -> Iterator[int]:
    """An object and what dominates it, the nearest first, up to the first module or class."""
    above = point
    for _ in range(_MAX_ABOVE):
        if above in (VIRTUAL_ROOT, UNREACHABLE) or is_structure[above]:
            return
        yield above
        above = graph.folded.immediate_dominator(above)


def passes_on(graph: HeapGraph, object_id: int, child: int) -> bool:
    """Whether a child has so much of what an object retains that the object is only on the way."""
    retained = graph.dominators.retained_sizes
    return int(retained[child]) >= DROP_SHARE * int(retained[object_id])


def linked_content(graph: HeapGraph, object_id: int) -> Content:
    """The objects of the same type inside an object that is the first of a linked list.

    Where each of them has several things that they were made for, these.
    """
    inside = graph.dominators.dominated(object_id)
    is_link = graph.type_ids[inside] == graph.type_ids[object_id]
    links = inside[is_link].astype(np.uint32)
    retained = int(graph.dominators.retained_sizes[object_id])
    below = graph.dominators.children_of_all(links)
    items = content_of(graph, below[graph.type_ids[below] != graph.type_ids[object_id]])
    is_about_items = items is not None and len(items.members) >= 2 * len(links)
    if items is not None and is_about_items and items.retained_size >= CONTENT_SHARE * retained:
        return items
    return Content(graph.type_name(object_id), links, retained)


def children_of(graph: HeapGraph, object_id: int) -> NDArray[np.uint32]:
    """What an object and its folded `__dict__` immediately dominate, the largest first."""
    parts = graph.folded.parts_of(object_id)
    below = np.concatenate([graph.dominators.unsorted_children(part) for part in parts])
    for part in parts[1:]:
        below = below[below != part]
    retained = graph.dominators.retained_sizes[below]
    return below[np.argsort(~retained, kind="stable")].astype(np.uint32)


def main_content(graph: HeapGraph, object_id: int) -> Content | None:
    """The type whose instances have most of what an object dominates; None for no children."""
    return content_of(graph, children_of(graph, object_id))


def content_of(graph: HeapGraph, members: NDArray[np.uint32]) -> Content | None:
    """The type that retains most among objects, none of which dominates another."""
    if not len(members):
        return None
    by_type = retained_by_type(graph, members)
    heaviest = int(by_type.argmax())
    of_type = members[graph.type_ids[members] == heaviest]
    return Content(graph.type_names[heaviest], of_type, int(by_type[heaviest]))


def content_of_type(graph: HeapGraph, type_name: str, members: NDArray[np.uint32]) -> Content:
    """Objects of one type as a content, which may hold one another: counted once.

    Cost: as of `Dominators.minimum_retained_size`.
    """
    retained = graph.dominators.retained_sizes[members]
    by_size = members[np.argsort(~retained, kind="stable")]
    return Content(type_name, by_size, graph.dominators.minimum_retained_size(by_size))


def is_gathering(graph: HeapGraph, object_id: int, content: Content | None) -> bool:
    """Whether an object is one that things were added to, many and alike."""
    if content is None or len(content.members) < MANY_CHILDREN:
        return False
    share = CONTENT_SHARE if len(content.members) < VERY_MANY else CONTENT_SHARE / 2
    return content.retained_size >= share * graph.folded.retained_size(object_id)


def inner_type(graph: HeapGraph, content: Content) -> str | None:
    """What the members of a content are there for, when they are tuples, methods, functions...

    Returns:
        The most weighty type with a module in its name that has a tenth of the bytes below the
        members, at most three objects deep; None when the members are such themselves.

    Cost: the children of the members, and theirs.
    """
    members, type_name = content.members, content.type_name
    for _ in range(_MAX_WRAPPERS):
        if "." in type_name or not len(members):
            return None
        below = graph.dominators.children_of_all(members)
        by_type = retained_by_type(graph, below)
        least = TELLING_SHARE * by_type.sum()
        for row in np.argsort(-by_type, kind="stable").tolist():
            if by_type[row] <= least:
                break
            name: str = graph.type_names[row]
            if "." in name:
                return name
        inner = content_of(graph, below)
        if inner is None:
            return None
        members, type_name = inner.members, inner.type_name
    return None


def retained_by_type(graph: HeapGraph, members: NDArray[np.uint32]) -> NDArray[np.float64]:
    """float64[types], bytes that objects retain, none of which dominates another."""
    retained = graph.dominators.retained_sizes[members].astype(np.float64)
    by_type: NDArray[np.float64] = np.bincount(
        graph.type_ids[members], retained, minlength=len(graph.type_names)
    ).astype(np.float64)
    return by_type


def _largest_child(graph: HeapGraph, object_id: int) -> int | None:
    children = graph.dominators.unsorted_children(object_id)
    if not len(children):
        return None
    return int(children[graph.dominators.retained_sizes[children].argmax()])
