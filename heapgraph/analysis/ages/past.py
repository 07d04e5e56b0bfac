"""What a container's own structure says of its past: limits, places that were used, table sizes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from heapgraph.analysis.ages.rules import Past
from heapgraph.analysis.expressions.attributes import attribute
from heapgraph.model import ITEM_KINDS, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.graph.heap_graph import HeapGraph

_TABLES_OF_DICTS = frozenset(
    {"dict", "defaultdict", "collections.defaultdict", "collections.Counter"}
    | {"collections.OrderedDict"}
)
_CACHE = "functools._lru_cache_wrapper"
_COUNTING = frozenset({"collections.deque", _CACHE})
"""Count what was taken out from the first day on; others since their table was made."""

_NAMESPACES = frozenset({"module", "type", "dict", "list", "tuple", "cell", "frame"})
_WORD = 8
_MIN_FIXED = 100
"""Items from which on an append leaves a dozen spare places."""
_LIST_HEAD_LIMIT = 64
"""Bytes; a list's own struct, with the collector's head in front, is smaller in each version."""

_IS_COUNT = re.compile(r"[1-9][0-9]{0,11}")
_BOUND_NAMES = frozenset(
    {"maxsize", "capacity", "maxlen", "max_size", "max_length", "limit", "size_limit"}
)
_DICT_START, _SET_START, _SET_SMALL = 8, 8, 50_000


def past_of(graph: HeapGraph, object_id: int) -> Past:
    """What the container, its parts and its owner tell.

    Args:
        graph: the snapshot.
        object_id: a container, or an object that has one.
    """
    containers = graph.containers
    size = int(graph.offsets[object_id + 1] - graph.offsets[object_id])
    row = containers.row_of(object_id)
    if row is None:
        is_fixed = graph.type_name(object_id) == "list" and _is_without_spare(graph, object_id)
        return Past(size, _owner_limit(graph, object_id), is_fixed=is_fixed)
    slots, removed = int(containers.slots[row]), int(containers.removed[row])
    limit = int(containers.limits[row])
    items = _item_count(graph, object_id)
    name = graph.type_name(object_id)
    if name in _COUNTING:
        # An lru_cache has its entries in a dict of its own; one that has evicted any is full.
        is_full_cache = name == _CACHE and limit > 0 and removed > 0
        return Past(
            limit if is_full_cache else items,
            limit if limit > 0 else None,
            removed,
            counts_all=True,
            never_removed=removed == 0,
        )
    expected = _expected_slots(name, items)
    grew_only = expected is not None and slots <= expected and removed == 0
    return Past(
        items,
        limit if limit > 0 else _owner_limit(graph, object_id),
        removed,
        had_more=expected is not None and slots > expected,
        never_removed=grew_only and items > 5 * _DICT_START,
    )


def has_lost(graph: HeapGraph, object_id: int) -> bool:
    """Whether something was taken out of a container for certain: `past_of` without its owner."""
    row = graph.containers.row_of(object_id)
    if row is None:
        return False
    expected = _expected_slots(graph.type_name(object_id), _item_count(graph, object_id))
    had_more = expected is not None and int(graph.containers.slots[row]) > expected
    return had_more or int(graph.containers.removed[row]) > 0


def past_of_shelves(graph: HeapGraph, shelves: Sequence[int]) -> Past:
    """What the containers in a container tell together, as far as each of them tells something."""
    pasts = [
        past_of(graph, shelf) for shelf in shelves if graph.containers.row_of(shelf) is not None
    ]
    size = sum(past.size for past in pasts)
    limits = [past.limit for past in pasts if past.limit is not None]
    return Past(
        size,
        sum(limits) if limits and len(limits) == len(pasts) else None,
        sum(past.removed for past in pasts),
        had_more=any(past.had_more for past in pasts),
        never_removed=len(pasts) == len(shelves) > 0 and all(p.never_removed for p in pasts),
        counts_all=bool(pasts) and all(past.counts_all for past in pasts),
    )


def _item_count(graph: HeapGraph, object_id: int) -> int:
    """Values, members or items; a key is no item of its own."""
    begin, end = int(graph.offsets[object_id]), int(graph.offsets[object_id + 1])
    kinds = graph.edge_kinds[begin:end]
    return max(int((kinds == kind).sum()) for kind in ITEM_KINDS)


def _is_without_spare(graph: HeapGraph, object_id: int) -> bool:
    """Whether a list has no place for another item: append leaves an eighth, `[None] * n` none."""
    items = _item_count(graph, object_id)
    spare = int(graph.shallow_sizes[object_id]) - items * _WORD
    return items >= _MIN_FIXED and spare < _LIST_HEAD_LIMIT


def _expected_slots(type_name: str, items: int) -> int | None:
    """Places of a hash table into which so many items came one by one; None for another type.

    CPython makes the table of a dict anew when two thirds are used, for three times the items in
    it; that of a set when three fifths are, for four times (above 50,000: twice).
    """
    if type_name == "set":
        slots = _SET_START
        while items * 5 >= (slots - 1) * 3:
            used = -(-(slots - 1) * 3 // 5)
            slots = _power_above(used * (2 if used > _SET_SMALL else 4) + 1)
        return slots
    if type_name not in _TABLES_OF_DICTS:
        return None
    slots = _DICT_START
    while items > slots * 2 // 3:
        slots = _power_above(slots * 2 // 3 * 3)
    return slots


def _power_above(least: int) -> int:
    return 1 << max(least - 1, 1).bit_length()


def _owner_limit(graph: HeapGraph, object_id: int) -> int | None:
    """A number called maxsize or the like beside the container, in the instance that has it."""
    parent = int(graph.root_paths.parent[object_id])
    if parent >= UNREACHABLE:
        return None
    owner = graph.folded.owner_of(parent)
    if graph.type_name(owner) in _NAMESPACES:
        return None
    limit = attribute(graph, owner, *_BOUND_NAMES)
    text = graph.preview(limit) if limit is not None and graph.type_name(limit) == "int" else None
    return int(text) if text is not None and _IS_COUNT.fullmatch(text) else None
