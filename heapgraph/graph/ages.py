"""The age of objects: how many of those that the collector tracks were made after them.

The collector's lists keep objects in the order of their creation; the walk keeps the logarithm of
each object's distance from the end (native/walker/walk/ages.cpp).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from heapgraph.graph.heap_graph import HeapGraph

UNKNOWN = 0
"""The code of an object whose age nobody knows."""

AGE_STEPS = 9
"""Codes to each doubling of an age."""

CODES = 256

PART_BITS = 8
"""Of a fine age, below the code: in which of 256 equal parts of it an object is."""


def whole_codes(fine: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """uint8[k], the codes of fine ages (`HeapGraph.fine_ages`)."""
    return (fine >> PART_BITS).astype(np.uint8)


@cache
def younger() -> npt.NDArray[np.float64]:
    """float64[256], by code: how many tracked objects are younger; the middle of what it covers."""
    codes = np.arange(CODES)
    least = np.ceil(np.exp2((codes - 1) / AGE_STEPS) - 1)
    most = np.maximum(np.ceil(np.exp2(codes / AGE_STEPS) - 1) - 1, least)
    middle: npt.NDArray[np.float64] = (least + most) / 2
    middle[UNKNOWN] = -1
    return middle


def shares(oldest: int) -> npt.NDArray[np.float32]:
    """float32[256], by code: the part of all objects with an age that is younger; -1 for unknown.

    Args:
        oldest: the code that is 1; the newest is 0.
    """
    parts = younger() / max(float(younger()[oldest]), 1.0)
    share: npt.NDArray[np.float32] = parts.astype(np.float32)
    share[UNKNOWN] = -1
    return share


def object_ages(graph: HeapGraph) -> npt.NDArray[np.float32]:
    """float32[n], the same for all objects of a snapshot, by the oldest of them."""
    codes = graph.age_codes
    return shares(int(codes.max(initial=UNKNOWN)))[codes]
