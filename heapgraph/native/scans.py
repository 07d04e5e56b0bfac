"""Passes over whole columns, some rows at a time.

What numpy makes on the way is as long as what it is made of: of a column with a row for each
reference, arrays of megabytes, which the system hands out page by page and takes back at once. A
few rows at a time need one short array, again and again, which stays in the processor's cache.

A member of an enumeration is a number of 64 bits to numpy, and what is made with one has eight
bytes a row: here it becomes a number of the column's own width.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    Array = NDArray[Any]

STEP = 1 << 16
"""Rows at a time."""


def steps(rows: int) -> Iterator[slice]:
    """Slices of so many rows, one after another."""
    for start in range(0, rows, STEP):
        yield slice(start, min(start + STEP, rows))


def rows_where(test: Callable[..., NDArray[np.bool_]], *columns: Array) -> NDArray[np.int64]:
    """int64, rising: the rows for which a test is true.

    Args:
        test: is given some rows of each column at a time.
        columns: equally long.

    Cost: one pass, without memory but for the result.
    """
    found = [np.empty(0, np.int64)]
    for here in steps(len(columns[0])):
        rows = np.flatnonzero(test(*(column[here] for column in columns)))
        if len(rows):
            found.append(rows + here.start)
    return np.concatenate(found)


def rows_equal(column: Array, value: int) -> NDArray[np.int64]:
    """int64, rising: the rows of a column in which a value is. Cost: as of `rows_where`."""
    wanted = column.dtype.type(value)
    return rows_where(lambda part: part == wanted, column)


def has_bits(column: Array, bits: int) -> NDArray[np.bool_]:
    """bool[n]: whether each number of a column has all of these bits. Cost: one pass."""
    wanted = column.dtype.type(bits)
    result = np.empty(len(column), np.bool_)
    for here in steps(len(column)):
        np.equal(column[here] & wanted, wanted, out=result[here])
    return result


def are_among(kinds: Array, wanted: Iterable[int]) -> NDArray[np.bool_]:
    """bool[k]: whether each of some numbers of one byte is among a few.

    Args:
        kinds: uint8[k], e.g. kinds of references.
        wanted: numbers below 256.

    Cost: a look-up for each, where `numpy.isin` makes a table first, which of few takes longer.
    """
    return _marked(tuple(wanted))[kinds]


@cache
def _marked(wanted: tuple[int, ...]) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(wanted)] = True
    return table


def chosen(ids: Array, test: Callable[[Array], NDArray[np.bool_]]) -> Array:
    """Those of some ids for which a test is true, in their order.

    Args:
        ids: in any order.
        test: is given some of the ids at a time.

    Cost: one pass, without memory but for the result.
    """
    parts = (ids[here] for here in steps(len(ids)))
    return np.concatenate([ids[:0], *(part[test(part)] for part in parts)])
