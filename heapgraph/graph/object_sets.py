"""Sets of objects as sorted arrays of ids, and sums over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heapgraph.native.graph_kernels import U32, U64

_STEP = 1 << 16
"""Values at a time: what is made of them stays in the cache of the processor, and is short enough
for malloc to use the same memory again, where long arrays come from the system page by page."""

_EXACT = 2**53
"""Whole numbers below this are exact as floats."""


_FEW = 1000
"""Objects for each id from which on a mark for each object costs more than sorting."""


def distinct_ids(object_ids: Sequence[int] | U32, object_count: int) -> U32:
    """The ids, each once, rising.

    `numpy.unique` hashes: for the millions of ids of a type it is a hundred times slower than
    marking them.

    Args:
        object_ids: ids in any order, repeated or not.
        object_count: n, more than any id.

    Returns:
        uint32[k].

    Cost: n bytes for a moment, or of few ids the sorting of these.
    """
    if len(object_ids) < object_count // _FEW:
        return np.unique(np.asarray(object_ids, np.uint32))
    is_member = np.zeros(object_count, np.bool_)
    is_member[np.asarray(object_ids, np.uint32)] = True
    return np.flatnonzero(is_member).astype(np.uint32)


def sum_where(values: U64, wanted: NDArray[np.bool_]) -> int:
    """Sum of the wanted values, without a copy of them; wanted is bool[n]."""
    return int(np.add.reduce(values, where=wanted))


def count_by_group(groups: U32, group_count: int) -> NDArray[np.int64]:
    """int64[group_count]: how many values each group has.

    Args:
        groups: uint32[k], numbers below group_count.
        group_count: how many groups.

    Cost: half a MB for a moment, where `numpy.bincount` copies all of them at twice their width.
    """
    counts = np.zeros(group_count, np.int64)
    step = max(_STEP, group_count)
    for start in range(0, len(groups), step):
        counts += np.bincount(groups[start : start + step], minlength=group_count)
    return counts


def sum_by_group(
    groups: NDArray[np.integer[Any]], values: NDArray[np.unsignedinteger[Any]], group_count: int
) -> U64:
    """Exact sums of values by group.

    The floats of `numpy.bincount` are exact below 2**53; beyond, the halves of a value are summed
    apart.

    Args:
        groups: integer[k], numbers below group_count.
        values: unsigned[k].
        group_count: how many groups.

    Returns:
        uint64[group_count].

    Cost: 1 MB for a moment, or 16 bytes a value where these are huge, or the groups many.
    """
    if not len(values) or int(values.max()) < _EXACT // len(values):
        step = max(_STEP, group_count)
        total = np.zeros(group_count)
        for start in range(0, len(values), step):
            here = slice(start, start + step)
            total += np.bincount(groups[here], values[here], minlength=group_count)
        return total.astype(np.uint64)
    sums = np.zeros(group_count, np.uint64)
    for shift in (0, 32):
        part = (values >> np.uint64(shift)) & np.uint64(0xFFFFFFFF)
        counted = np.bincount(groups, part, minlength=group_count)
        sums += counted.astype(np.uint64) << np.uint64(shift)
    return sums
