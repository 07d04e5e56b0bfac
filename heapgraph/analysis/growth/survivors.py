"""Which objects of one snapshot are still there in the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heapgraph.snapshot.arrow_arrays import arrow_array, numpy_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heapgraph.graph.heap_graph import HeapGraph

_GROWING_HANDLERS = frozenset(
    {"list", "dict", "ordered_dict", "set", "deque", "bytearray", "array", "buffered", "type"}
)
"""Types whose instances change their size while they live."""


@dataclass(frozen=True)
class Followed:
    """Objects that are in several of three snapshots, by their ids.

    Attributes:
        survivors: int64[k], ids in the third of what is new in the second and still there.
        older: three times int64[j], ids in each snapshot of what is in all of them.
    """

    survivors: NDArray[np.int64]
    older: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

    def added(self, sizes: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
        """uint64[n], bytes of the third snapshot that came before the second and stayed.

        All of a survivor; of an older object those by which it grew, as a list of references does.

        Args:
            sizes: of each snapshot uint64[n], what each object of it has.
        """
        old, new, newer = sizes
        before, between, after = self.older
        added = np.zeros(len(newer), np.uint64)
        added[self.survivors] = newer[self.survivors]
        least = np.minimum(new[between], newer[after])
        added[after] = np.where(least > old[before], least - old[before], 0)
        return added


def follow(graphs: Sequence[HeapGraph]) -> Followed:
    """Follow the objects through three snapshots of one process. Cost: twice `same_object`."""
    old, new, newer = graphs
    middle, last = same_object(old, new), same_object(new, newer)
    is_new = np.ones(new.object_count, np.bool_)
    is_new[middle[middle >= 0]] = False
    before = np.flatnonzero(middle >= 0)
    before = before[last[middle[before]] >= 0]
    between = middle[before]
    return Followed(last[is_new & (last >= 0)], (before, between, last[between]))


def same_object(before: HeapGraph, after: HeapGraph) -> NDArray[np.int64]:
    """Which object of a later snapshot each object of an earlier one is.

    An address is used again and again, so it proves nothing alone: the type must be the same, of
    a type of fixed size the size, and of a value that was kept the value.

    Returns:
        int64[n of before], ids in `after`; -1 for what is gone.

    Cost: one search in the sorted addresses, and the values of objects that match otherwise.
    """
    if not after.object_count:
        return np.full(before.object_count, -1, np.int64)
    places = np.searchsorted(after.addresses, before.addresses).astype(np.int64)
    places = np.minimum(places, after.object_count - 1)
    same = after.addresses[places] == before.addresses
    numbers = {name: row for row, name in enumerate(after.type_names)}
    renamed = np.array([numbers.get(name, -1) for name in before.type_names], np.int64)
    # Rows of one name are one type here: a class that was made again is another object anyway.
    canonical = np.array([numbers[name] for name in after.type_names], np.int64)
    same &= renamed[before.type_ids] == canonical[after.type_ids[places]]
    handlers = before.source.strings("types", "handler").to_pylist()
    may_grow = np.array([handler in _GROWING_HANDLERS for handler in handlers], np.bool_)
    sizes_equal = before.shallow_sizes == after.shallow_sizes[places]
    same &= sizes_equal | may_grow[before.type_ids]
    rows = np.flatnonzero(same)
    same[rows] = _equal_values(before, after, rows, places[rows])
    return np.where(same, places, -1)


def _equal_values(
    before: HeapGraph, after: HeapGraph, rows: NDArray[np.int64], places: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether the kept values are the same; true where none was kept."""
    import pyarrow.compute as pc  # noqa: PLC0415 - slow to import, and only a comparison needs it

    old = before.source.strings("objects", "preview").take(arrow_array(rows))
    new = after.source.strings("objects", "preview").take(arrow_array(places))
    both_missing = pc.and_(pc.is_null(old), pc.is_null(new))
    # Unknown and false is false. `fill_null` would look for pandas, which takes a second to import.
    equal = pc.equal(old, new)
    equal = pc.and_kleene(equal, pc.is_valid(equal))
    return numpy_array(pc.or_(equal, both_missing))
