"""Slabs of several allocators, as one."""

from __future__ import annotations

import numpy as np

from heapgraph.capture.slabs.slabs import Slabs, joined


def slabs(name: str, *found: tuple[int, int, int, list[int]], end: int) -> Slabs:
    """Slabs of (start, size of a block, blocks, words), in one range from the first one on."""
    starts, sizes, counts, words = zip(*found, strict=True)
    return Slabs(
        np.array(starts, np.uint64),
        np.array(sizes, np.uint64),
        np.array(counts, np.uint32),
        np.zeros(len(found), np.uint32),
        np.array([word for each in words for word in each], np.uint64),
        np.array([[starts[0], end]], np.int64),
        (name,),
    )


def test_slabs_are_sorted_with_their_words() -> None:
    """Given two allocators whose slabs lie among each other, then each has its own bits."""
    one = slabs("one.so", (1000, 8, 100, [1, 2]), (9000, 16, 2, [3]), end=1800)
    other = slabs("other.so", (5000, 32, 65, [4, 1]), end=8000)
    both = joined([one, other])
    assert both.starts.tolist() == [1000, 5000, 9000]
    assert both.words.tolist() == [1, 2, 4, 1, 3]
    assert both.sources.tolist() == [0, 1, 0]
    assert both.names == ("one.so", "other.so")
    assert both.used.tolist() == [2, 2, 2]
    assert both.first_words.tolist() == [0, 2, 4]


def test_what_overlaps_is_left_out_whole() -> None:
    """Given two that say they have the same memory, then the first one has it."""
    one = slabs("one.so", (1000, 8, 4, [1]), end=2000)
    other = slabs("other.so", (1500, 8, 4, [1]), end=3000)
    assert joined([one, other]).names == ("one.so",)
    assert joined([]).names == ()
    assert len(joined([]).words) == 0
