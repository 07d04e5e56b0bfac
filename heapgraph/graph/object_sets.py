"""Sets of objects as sorted arrays of ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heapgraph.native.graph_kernels import U32


def distinct_ids(object_ids: Sequence[int] | U32, object_count: int) -> U32:
    """The ids, each once, rising.

    `numpy.unique` hashes: for the millions of ids of a type it is a hundred times slower than
    marking them.

    Args:
        object_ids: ids in any order, repeated or not.
        object_count: n, more than any id.

    Returns:
        uint32[k].

    Cost: n bytes for a moment.
    """
    is_member = np.zeros(object_count, np.bool_)
    is_member[np.asarray(object_ids, np.uint32)] = True
    return np.flatnonzero(is_member).astype(np.uint32)
