"""Whether a container grows, turns over, or was loaded once: the evidence of one snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, finalize

import numpy as np

from heapgraph.analysis.ages.clock import AgeClock
from heapgraph.analysis.ages.kept import KeptVerdicts
from heapgraph.analysis.ages.members import members_of
from heapgraph.analysis.ages.past import past_of, past_of_shelves
from heapgraph.analysis.ages.rules import MIN_MEMBERS, Order, Trend, are_dated, judge, order_of
from heapgraph.analysis.ages.verdict import Growth
from heapgraph.graph.ages import PART_BITS, whole_codes
from heapgraph.model import ITEM_KINDS
from heapgraph.native.scans import are_among
from heapgraph.units import format_count

if TYPE_CHECKING:
    from heapgraph.analysis.ages.members import Members
    from heapgraph.graph.heap_graph import HeapGraph

_TENTH = 0.1

_WITHOUT_ORDER = frozenset({"set", "collections.OrderedDict"})
"""Sets have none, and an OrderedDict moves its members at will."""

_VERDICTS: WeakKeyDictionary[HeapGraph, KeptVerdicts] = WeakKeyDictionary()
_CLOCKS: WeakKeyDictionary[HeapGraph, AgeClock] = WeakKeyDictionary()


def growth_of(graph: HeapGraph, object_id: int) -> Growth:
    """Judge one container.

    Args:
        graph: the snapshot.
        object_id: a container, or an object that has one.

    Returns:
        The trend; `unknown` is no sign of health.

    Cost: once per snapshot a pass over the objects; then what the container dominates, once: of a
        large snapshot the verdicts are kept on disk.
    """
    verdicts = _verdicts(graph)
    known = verdicts.get(object_id)
    if known is not None:
        return known
    clock = _clock(graph)
    if not clock.is_known:
        return Growth(Trend.UNKNOWN.value, "this Python keeps no order of its objects")
    growth = _judged(graph, object_id, clock)
    verdicts.add(object_id, growth)
    return growth


def growth_of_container(graph: HeapGraph, object_id: int) -> Growth | None:
    """The same of what has enough items for a verdict; None for another object.

    Cost: of another object, its references.
    """
    return growth_of(graph, object_id) if has_enough_items(graph, object_id) else None


def has_enough_items(graph: HeapGraph, object_id: int) -> bool:
    """Whether an object is a container with enough items for a verdict. Cost: its references."""
    begin, end = int(graph.offsets[object_id]), int(graph.offsets[object_id + 1])
    if end - begin < MIN_MEMBERS:
        return False
    items = np.count_nonzero(are_among(graph.edge_kinds[begin:end], ITEM_KINDS))
    return bool(items >= MIN_MEMBERS)


def prepare_growth(graph: HeapGraph) -> None:
    """Compute what all verdicts share, so that each costs only what its container dominates."""
    _clock(graph)


def _judged(graph: HeapGraph, object_id: int, clock: AgeClock) -> Growth:
    members = members_of(graph, object_id)
    codes = members.codes
    born = _birth(members, clock)
    is_dated = are_dated(codes, members.count)
    ticks = clock.ticks_among(members.own) if is_dated else members.own[:0]
    life = clock.life(born, ticks, codes) if is_dated else None
    past = past_of(graph, object_id)
    if not members.is_in_order and len(members.items) and not past.counts_all:
        past = past_of_shelves(graph, members.items.tolist())
    trend, why = judge(
        codes,
        members.count,
        life,
        past,
        order=_order(graph, object_id, members),
        share=lambda: clock.share(born >> PART_BITS, ticks),
    )
    newest = int((clock.shares[whole_codes(codes)] < _TENTH).sum())
    return Growth(
        trend.value, _worded(trend, why, newest, len(codes)), members.count, len(codes), newest
    )


def _order(graph: HeapGraph, object_id: int, members: Members) -> Order | None:
    """How far the members stand in the order of their age; None where that says nothing."""
    has_order = members.is_in_order and graph.type_name(object_id) not in _WITHOUT_ORDER
    if not has_order or len(members.codes) < MIN_MEMBERS:
        return None
    order = order_of(whole_codes(members.codes))
    if members.came_from_elsewhere:
        # The values of a dict that was made after them were not put in one by one.
        return Order(order.whole, 1.0)
    return order


def _birth(members: Members, clock: AgeClock) -> int:
    """The container's own, or that of its oldest member.

    Where many members are older than the container, they came from elsewhere: then its life begins
    with the end of the imports at the earliest.
    """
    if members.came_from_elsewhere:
        return max(
            members.container_code, min(members.born, (clock.end_of_imports + 1 << PART_BITS) - 1)
        )
    return members.born


def _worded(trend: Trend, why: str, newest: int, dated: int) -> str:
    if trend is not Trend.GROWING or not dated:
        return why
    return (
        f"{format_count(newest)} of {format_count(dated)} members are among the newest tenth of "
        f"all objects, and {why}"
    )


def _verdicts(graph: HeapGraph) -> KeptVerdicts:
    if graph not in _VERDICTS:
        _VERDICTS[graph] = verdicts = KeptVerdicts(graph.cache, graph.object_count)
        finalize(graph, verdicts.write)
    return _VERDICTS[graph]


def _clock(graph: HeapGraph) -> AgeClock:
    if graph not in _CLOCKS:
        _CLOCKS[graph] = AgeClock(graph)
    return _CLOCKS[graph]
