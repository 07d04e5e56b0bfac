"""Sets of pages: the answers of set arithmetic on page numbers, for random ranges."""

from __future__ import annotations

import random

import numpy as np
import pytest

from heapgraph.capture.process.page_ranges import (
    as_ranges,
    common,
    missing,
    total_bytes,
    united,
    within_gap,
)

PAGES = 60


def pages_of(ranges) -> set[int]:
    return {page for start, end in ranges.tolist() for page in range(start, end)}


def is_set_of_ranges(ranges) -> bool:
    flat = ranges.ravel()
    return ranges.dtype == np.int64 and bool((flat[1:] >= flat[:-1]).all())


@pytest.mark.parametrize("seed", range(40))
def test_the_answers_are_those_of_sets(seed):
    chooser = random.Random(seed)

    def some():
        rows = [sorted(chooser.sample(range(PAGES), 2)) for _ in range(chooser.randrange(9))]
        return as_ranges(map(tuple, rows)), {page for a, b in rows for page in range(a, b)}

    (first, first_pages), (second, second_pages) = some(), some()
    assert pages_of(first) == first_pages
    for result, expected in (
        (united(first, second), first_pages | second_pages),
        (common(first, second), first_pages & second_pages),
        (missing(first, second), first_pages - second_pages),
    ):
        assert is_set_of_ranges(result)
        assert pages_of(result) == expected
        assert total_bytes(result) == len(expected)


def test_ranges_that_touch_or_lie_within_others_become_one():
    assert as_ranges([(5, 9), (0, 5), (6, 7), (9, 9), (20, 21)]).tolist() == [[0, 9], [20, 21]]


def test_small_gaps_are_filled_and_large_ones_stay():
    ranges = as_ranges([(0, 1), (3, 4), (10, 11)])
    assert within_gap(ranges, 2).tolist() == [[0, 4], [10, 11]]
    assert within_gap(ranges, 0).tolist() == ranges.tolist()


def test_what_is_common_is_cut_at_the_edges_of_both():
    touching = np.array([[0, 5], [5, 10]], np.int64)
    assert common(np.array([[2, 8]], np.int64), touching).tolist() == [[2, 5], [5, 8]]


def test_ranges_that_touch_are_one():
    """Given ranges in order, then neighbours are joined, and one within another is no more."""
    ranges = np.array([(0, 10), (10, 30), (12, 20), (40, 50)], np.int64)
    assert within_gap(ranges, 0).tolist() == [[0, 30], [40, 50]]
    assert within_gap(ranges[:0], 0).shape == (0, 2)
