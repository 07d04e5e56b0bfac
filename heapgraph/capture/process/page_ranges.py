"""Sets of pages as ranges of addresses: int64[n, 2], rising and apart from one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

Array: TypeAlias = npt.NDArray[Any]

_END = np.iinfo(np.int64).max


def as_ranges(rows: Iterable[tuple[int, int]]) -> Array:
    """The addresses of rows in any order, which may overlap: those that touch become one."""
    return united(np.array(list(rows), np.int64).reshape(-1, 2))


def united(*sets: Array) -> Array:
    """What is in any of the sets, which may be in any order and overlap."""
    rows = np.concatenate([np.empty((0, 2), np.int64), *sets])
    rows = rows[rows[:, 0] < rows[:, 1]]
    return within_gap(rows[np.argsort(rows[:, 0], kind="stable")], 0)


def within_gap(ranges: Array, gap: int) -> Array:
    """The ranges with those in one that are at most `gap` bytes apart; starts must rise."""
    if len(ranges) < 2:  # noqa: PLR2004 - nothing to join
        return ranges
    ends = np.maximum.accumulate(ranges[:, 1])
    begins = np.concatenate(([True], ranges[1:, 0] - ends[:-1] > gap))
    return np.column_stack((ranges[begins, 0], ends[np.concatenate((begins[1:], [True]))]))


def common(first: Array, second: Array) -> Array:
    """What is in both; cut where either of them has an edge."""
    low = np.searchsorted(second[:, 1], first[:, 0], side="right")
    high = np.searchsorted(second[:, 0], first[:, 1], side="left")
    counts = np.maximum(high - low, 0)
    row = np.repeat(np.arange(len(first)), counts)
    behind = np.cumsum(counts)
    other = np.arange(int(behind[-1]) if len(behind) else 0) - np.repeat(
        behind - counts - low, counts
    )
    return np.column_stack(
        (
            np.maximum(first[row, 0], second[other, 0]),
            np.minimum(first[row, 1], second[other, 1]),
        )
    )


def missing(first: Array, second: Array) -> Array:
    """What is in the first and not in the second."""
    edges = np.concatenate(([0], second.ravel(), [_END])).reshape(-1, 2)
    return common(first, edges[edges[:, 0] < edges[:, 1]])


def total_bytes(ranges: Array) -> int:
    """How many bytes there are in all."""
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def without(start: int, end: int, taken: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of a range that none of `taken` (sorted, disjoint) covers."""
    left = []
    for first, last in taken:
        if last <= start:
            continue
        if first >= end:
            break
        if first > start:
            left.append((start, first))
        start = last
    if start < end:
        left.append((start, end))
    return left
