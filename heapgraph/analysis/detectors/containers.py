"""Containers that hold little for what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heapgraph.analysis.detectors.base import Detector, Evidence
from heapgraph.analysis.detectors.facts import GC_HEAD, HeapFacts
from heapgraph.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_EMPTY = 100
MIN_TINY = 1000
TINY_ITEMS = 4
"""JOverflow's bound for small collections."""

DEQUE_BLOCK_ITEMS = 8
_TUPLE_HEADER = 40  # sys.getsizeof(()), with its GC head
_LIST_HEADER = 56
_LIST_SLACK = 8
"""list_resize (Objects/listobject.c) allocates an eighth and 6 more, rounded to 4."""

_KEYS_HEADER = 32
_BYTES_PER_SLOT = 11.0
"""A dict table has 11.6 to 24 bytes a slot (Objects/dictobject.c): with 11 the power of two below
the quotient is the number of slots, in every version."""
_DICT_SPARE = 8
"""dict_resize leaves room for three times what is used, so tables up to four times the least are
ordinary; eight times means that entries were deleted."""
_SET_SPARE = 32
"""set_add_entry grows to four times what is used, and rounds up to a power of two."""
_SET_ENTRY = 16


def _own(facts: HeapFacts, *types: str) -> NDArray[np.uint32]:
    """Containers of these types that are nobody's `__dict__`, and no constants."""
    mask = facts.is_of_types(*types) & facts.is_reachable & ~facts.is_permanent
    mask &= ~facts.is_owned_dict
    mask[facts.graph.roots.unique_targets] = False
    return facts.ids(mask)


def _tables(facts: HeapFacts, members: NDArray[np.uint32]) -> NDArray[np.int64]:
    """int64[k], bytes behind the fixed part of each container."""
    basic = facts.type_columns["basicsize"][facts.graph.type_ids[members]]
    return facts.graph.getsizeof[members].astype(np.int64) - basic - GC_HEAD


def empty_containers(facts: HeapFacts) -> Iterator[Evidence]:
    """Dicts, lists and sets without items."""
    degrees = np.diff(facts.graph.offsets.astype(np.int64))
    for name in ("dict", "list", "set"):
        members = _own(facts, name)
        # The reference to its type is the only one of an empty container.
        members = members[(facts.item_counts[members] == 0) & (degrees[members] <= 1)]
        if len(members) >= MIN_EMPTY:
            note = f"{format_count(len(members))} empty {name}s"
            yield Evidence(facts.size(members), len(members), note, members)


def underfilled_lists(facts: HeapFacts) -> Iterator[Evidence]:
    """Lists with room for much more than they hold."""
    members = _own(facts, "list")
    count = facts.item_counts[members].astype(np.int64)
    spare = _tables(facts, members) // 8 - count
    yield from _underfilled(members, spare > count // 8 + _LIST_SLACK, spare * 8, "lists")


def underfilled_dicts(facts: HeapFacts) -> Iterator[Evidence]:
    """Dicts whose table stayed large when entries were deleted."""
    members = _own(facts, "dict")
    table = _tables(facts, members)
    members, table = members[table > _KEYS_HEADER], table[table > _KEYS_HEADER]
    slots = 2 ** np.floor(np.log2(np.maximum((table - _KEYS_HEADER) / _BYTES_PER_SLOT, 1)))
    needed = _power_of_two(facts.item_counts[members] * 3 / 2)
    unused = (table * (1 - np.minimum(needed / slots, 1))).astype(np.int64)
    yield from _underfilled(members, slots >= _DICT_SPARE * needed, unused, "dicts")


def underfilled_sets(facts: HeapFacts) -> Iterator[Evidence]:
    """Sets whose table stayed large when members were discarded."""
    members = _own(facts, "set")
    slots = _tables(facts, members) / _SET_ENTRY
    count = facts.item_counts[members].astype(np.int64)
    needed = _power_of_two(count * 5 / 3)
    unused = (np.maximum(slots - needed, 0) * _SET_ENTRY).astype(np.int64)
    yield from _underfilled(members, slots >= _SET_SPARE * np.maximum(count, 1), unused, "sets")


def _power_of_two(slots: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least table size, a power of two of 8 or more, that has this many slots."""
    result: NDArray[np.float64] = 2 ** np.ceil(np.log2(np.maximum(slots, 8)))
    return result


def _underfilled(
    members: NDArray[np.uint32], found: NDArray[np.bool_], unused: NDArray[np.int64], what: str
) -> Iterator[Evidence]:
    if found.any():
        largest_first = members[found][np.argsort(-unused[found], kind="stable")]
        count = len(largest_first)
        note = f"{format_count(count)} {what} with mostly unused memory"
        yield Evidence(int(unused[found].sum()), count, note, largest_first)


def tiny_containers(facts: HeapFacts) -> Iterator[Evidence]:
    """Many containers of a few items each, for what tuples would save."""
    for name in ("dict", "list", "set"):
        members = _own(facts, name)
        count = facts.item_counts[members].astype(np.int64)
        few = (count >= 1) & (count <= TINY_ITEMS)
        members, count = members[few], count[few]
        saved = facts.graph.shallow_sizes[members].astype(np.int64) - _TUPLE_HEADER - 8 * count
        if len(members) >= MIN_TINY and saved.sum() > 0:
            note = f"{format_count(len(members))} {name}s of 1 to {TINY_ITEMS} items"
            yield Evidence(int(np.maximum(saved, 0).sum()), len(members), note, members)


def tiny_deques(facts: HeapFacts) -> Iterator[Evidence]:
    """Deques of a few items: each has at least one block of 64."""
    members = _own(facts, "collections.deque")
    count = facts.item_counts[members].astype(np.int64)
    members, count = members[count <= DEQUE_BLOCK_ITEMS], count[count <= DEQUE_BLOCK_ITEMS]
    saved = facts.graph.shallow_sizes[members].astype(np.int64) - _LIST_HEADER - 8 * count
    if len(members) >= MIN_EMPTY:
        note = f"{format_count(len(members))} deques of up to {DEQUE_BLOCK_ITEMS} items"
        yield Evidence(int(np.maximum(saved, 0).sum()), len(members), note, members)


DETECTORS = (
    Detector(
        "empty-containers",
        f"{MIN_EMPTY} or more empty dicts, lists or sets",
        "create them when the first item comes; until then None or a shared empty tuple",
        empty_containers,
    ),
    Detector(
        "underfilled-lists",
        "lists with more spare room than growing leaves",
        "rebuild them when they are complete: list(items), or tuple(items)",
        underfilled_lists,
    ),
    Detector(
        "underfilled-dicts",
        "dicts whose table is eight or more times as large as their entries need",
        "rebuild with dict(mapping) after many deletions: a table never shrinks by itself",
        underfilled_dicts,
    ),
    Detector(
        "underfilled-sets",
        "sets whose table has 32 or more slots for each member",
        "rebuild with set(members) after many removals",
        underfilled_sets,
    ),
    Detector(
        "tiny-containers",
        f"{MIN_TINY} or more dicts, lists or sets of 1 to {TINY_ITEMS} items",
        "use tuples, slotted classes, or one flat dict with compound keys",
        tiny_containers,
    ),
    Detector(
        "tiny-deques",
        f"{MIN_EMPTY} or more deques of up to {DEQUE_BLOCK_ITEMS} items",
        "use a list for short queues: a deque takes a block of 64 places at once",
        tiny_deques,
    ),
)
