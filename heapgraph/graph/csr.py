"""Rows grouped by a key (compressed sparse rows): those of one key, and of many together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rows_of(offsets: NDArray[np.integer[Any]], key: int) -> slice:
    """The rows of one key, e.g. the references of an object.

    Args:
        offsets: integer[n+1], where the rows of each key begin.
        key: 0 to n-1.
    """
    return slice(int(offsets[key]), int(offsets[key + 1]))


def rows_of_many(
    offsets: NDArray[np.integer[Any]], keys: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of many keys, one key after the other.

    Args:
        offsets: integer[n+1], where the rows of each key begin.
        keys: integer[k], in any order.

    Returns:
        int64[r], for each row the place of its key in `keys`; and int64[r], the rows.

    Cost: time and memory of the rows that are found.
    """
    rows = keys.astype(np.intp)
    begins = offsets[rows].astype(np.int64, copy=False)
    rows += 1
    return runs(begins, offsets[rows].astype(np.int64, copy=False) - begins)


def runs(
    begins: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers in runs, one after the other.

    Args:
        begins: int64[k], the first number of each run.
        lengths: int64[k], how many it has.

    Returns:
        int64[r], for each number the place of its run; and int64[r], the numbers.
    """
    run = np.repeat(np.arange(len(begins)), lengths)
    before = np.cumsum(lengths) - lengths
    numbers = np.repeat(begins - before, lengths)
    numbers += np.arange(len(numbers))
    return run, numbers
