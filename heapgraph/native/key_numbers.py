"""Numbers in place of keys: the kernel that groups rows by what they have in common."""

from __future__ import annotations

import ctypes

import numpy as np

from heapgraph.native.graph_library import I64, checked, run


def number_keys(keys: I64) -> tuple[I64, I64]:
    """The distinct keys in the order of their first appearance, and the number of each key.

    Args:
        keys: int64[k].

    Returns:
        int64[distinct] and int64[k].

    Raises:
        ValueError: an array of a wrong type.
        MemoryError: there is no room for the table of distinct keys.

    Cost: by hashing, 10 ns a key; sorting, as `np.unique` does, takes ten times as long for few
    distinct keys.
    """
    numbers, distinct = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    count = ctypes.c_uint64()
    run(
        "hg_number_keys",
        len(keys),
        checked("keys", keys, np.int64),
        numbers.ctypes.data,
        distinct.ctypes.data,
        ctypes.byref(count),
    )
    return distinct[: count.value].copy(), numbers
