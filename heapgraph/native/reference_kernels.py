"""Typed functions over the kernels that pass over all references once.

As in `graph_kernels`, arrays are checked before the native code sees them, and results are new.
"""

from __future__ import annotations

import numpy as np

from heapgraph.native.graph_library import U8, U32, U64, checked, run

__all__ = ["count_out_references", "reference_sources"]


def count_out_references(offsets: U64, counted: U8) -> U32:
    """How many of its references count, for each object.

    Args:
        offsets: uint64[n+1], first reference of each object.
        counted: uint8[m], 0 = leave the reference out.

    Returns:
        uint32[n].

    Raises:
        ValueError: an array of a wrong type or length, offsets that do not rise to m.

    Cost: 0.02 s for 30 million references.
    """
    start = _checked_offsets(offsets)
    counts = np.empty(len(offsets) - 1, np.uint32)
    flags = checked("counted", counted, np.uint8)
    run("hg_count_out_references", len(counts), len(counted), start, flags, counts.ctypes.data)
    return counts


def reference_sources(offsets: U64) -> U32:
    """The object to which each reference belongs.

    Args:
        offsets: uint64[n+1], first reference of each object.

    Returns:
        uint32[m].

    Raises:
        ValueError: an array of a wrong type, offsets that do not rise from 0.

    Cost: 0.05 s and 4 bytes a reference for 30 million references.
    """
    start = _checked_offsets(offsets)
    sources = np.empty(int(offsets[-1]), np.uint32)
    run("hg_reference_sources", len(offsets) - 1, len(sources), start, sources.ctypes.data)
    return sources


def _checked_offsets(offsets: U64) -> int:
    start = checked("offsets", offsets, np.uint64)
    if not len(offsets):
        raise ValueError("offsets must have one entry more than there are objects")
    return start
