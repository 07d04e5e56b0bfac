"""What is in a container, and when it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.ages.rules import MIN_MEMBERS
from heapgraph.graph.ages import UNKNOWN
from heapgraph.graph.csr import rows_of_many
from heapgraph.graph.object_sets import count_by_group, distinct_ids
from heapgraph.model import ITEM_KINDS, EdgeKind
from heapgraph.native.scans import are_among, chosen

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.heap_graph import HeapGraph

    Codes = npt.NDArray[np.uint16]
    Ids = npt.NDArray[np.uint32]

_MUCH_BELOW = 12
"""Dated objects below a container for each of its items, from which on the items are shelves, and
what stands on them is looked at: a dict of users with a list each."""

_ELSEWHERE_SHARE = 0.1
"""Of members that are older than their container: these were not made for it."""

_MAX_SHARED_LINKS = 10
_LINK_SHARE = 0.9

_MEMBERS_A_STEP = 1 << 12
"""What some tens of objects below each of them need stays in the cache of the processor."""

_LEVELS = 2
"""How far below a member to look for a part that is older: the collector may have moved the member
itself behind its parts."""


@dataclass(frozen=True)
class Members:
    """What a container holds.

    Attributes:
        count: items, or objects on the shelves.
        codes: uint8[k], ages of those that have one; in the order of a list or dict, unless they
            are objects on shelves.
        own: uint32, objects that are the container's alone, itself included.
        born: code of the container's birth: its own or that of its oldest member.
        container_code: code of the container itself, or UNKNOWN.
        is_in_order: the members are its items.
        items: uint32, its items, in order.
        is_chain: the object is a link of a chain, and its members are the others.
    """

    count: int
    codes: Codes
    own: Ids
    born: int
    container_code: int
    is_in_order: bool
    items: Ids
    is_chain: bool = False

    @property
    def came_from_elsewhere(self) -> bool:
        """Whether many members are older than the container, whose own age is known."""
        own = self.container_code
        if own == UNKNOWN or not len(self.codes) or self.is_chain:
            return False
        return float((self.codes > own).mean()) > _ELSEWHERE_SHARE


def members_of(graph: HeapGraph, object_id: int) -> Members:
    """Find the members of a container.

    Args:
        graph: the snapshot.
        object_id: a list, dict, set, deque, or an object that holds such.

    Cost: what it dominates.
    """
    tree = graph.dominators
    parts = np.array(graph.folded.parts_of(object_id), np.uint32)
    items = _items(graph, parts)
    is_inside = np.zeros(len(items), np.bool_)
    tops = tree.topmost(parts).tolist()
    for top in tops:
        is_inside |= tree.are_dominated(top, items)
    below = [tree.dominated(top) for top in tops]
    if not is_inside.all():
        below.append(_dominated_by(graph, items[~is_inside]))
    own = below[0] if len(below) == 1 else np.concatenate([items[:0], *below])
    dated = chosen(own, lambda ids: graph.age_codes[ids] != UNKNOWN)
    in_order = len(items) >= MIN_MEMBERS and len(dated) <= _MUCH_BELOW * len(items)
    members = items if in_order else _commonest(graph, dated)
    if not in_order and len(links := _next_links(graph, own)):
        own = np.concatenate([own, _dominated_by(graph, links)])
    codes = _oldest_codes(graph, members)
    known = codes[codes != UNKNOWN]
    container = int(graph.fine_ages[parts].max(initial=0))
    return Members(
        len(members),
        known,
        own,
        max(container, int(known.max(initial=0))),
        container,
        in_order,
        items,
        not in_order and _is_link(graph, object_id, dated, len(members)),
    )


def _is_link(graph: HeapGraph, object_id: int, below: Ids, members: int) -> bool:
    """Whether the members are links of its own type, or what these hold."""
    alike = np.count_nonzero(graph.type_ids[below] == graph.type_ids[object_id])
    return bool(members and alike >= _LINK_SHARE * members)


def _items(graph: HeapGraph, parts: Ids) -> Ids:
    _, edges = rows_of_many(graph.offsets, parts)
    is_item = are_among(graph.edge_kinds[edges], ITEM_KINDS)
    items = graph.targets[edges[is_item]]
    if len(distinct_ids(items, graph.object_count)) == len(items):  # as nearly always: no sorting
        return items
    _, first = np.unique(items, return_index=True)
    in_order: Ids = items[np.sort(first)]
    return in_order


def _dominated_by(graph: HeapGraph, items: Ids) -> Ids:
    """What belongs to items that somebody else holds as well."""
    tree = graph.dominators
    below = items
    found = [items]
    while len(below):
        below = tree.children_of_all(below)
        found.append(below)
    return np.concatenate(found)


def _next_links(graph: HeapGraph, own: Ids) -> Ids:
    """Links that follow those of a chain and are somebody else's as well.

    The last block of an itertools.tee is shared by its iterators: what was added last is in it, and
    would look like what came after.
    """
    owners, edges = rows_of_many(graph.offsets, own)
    targets = graph.targets[edges]
    is_alike = graph.type_ids[targets] == graph.type_ids[own[owners]]
    is_link = is_alike & (graph.edge_kinds[edges] == EdgeKind.FIELD)
    found: Ids = np.setdiff1d(targets[is_link], own)
    return found if len(found) <= _MAX_SHARED_LINKS else found[:0]


def _commonest(graph: HeapGraph, objects: Ids) -> Ids:
    """Those of the type that most of them have."""
    if not len(objects):
        return objects
    types = graph.type_ids[objects]
    counts = count_by_group(types, len(graph.type_names))
    result: Ids = objects[types == counts.argmax()]
    return result


def _oldest_codes(graph: HeapGraph, members: Ids) -> Codes:
    """uint16[k]: the oldest of a member and what is its own, not far below."""
    parts = [
        members[here : here + _MEMBERS_A_STEP] for here in range(0, len(members), _MEMBERS_A_STEP)
    ]
    return np.concatenate([graph.fine_ages[:0], *(_oldest_of(graph, part) for part in parts)])


def _oldest_of(graph: HeapGraph, members: Ids) -> Codes:
    """The same of some of them."""
    tree, ages = graph.dominators, graph.fine_ages
    oldest = ages[members]
    owners = np.arange(len(members))
    level = members
    for _ in range(_LEVELS):
        places, below = tree.children_by_parent(level)
        if not len(below):
            break
        owners = owners[places]
        np.maximum.at(oldest, owners, ages[below])
        level = below
    return oldest
